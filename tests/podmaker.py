"""Small pods for tests of the cluster itself, and waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from patience import PATIENCE


def pod(
    name: str,
    namespace: str,
    *,
    image: str,
    command: Sequence[str],
    node: str | None = None,
    claim: str | None = None,
    port: int | None = None,
) -> dict[str, Any]:
    """A pod that passes Pod Security restricted.

    With a claim, it has it at /data; with a port, it is ready once it answers there.
    """
    container: dict[str, Any] = {
        "name": "c",
        "image": image,
        "command": list(command),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "hostname": name,
        "subdomain": "direct",
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1234,
            "runAsGroup": 1234,
            "fsGroup": 2000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if port is not None:
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1}
    if node is not None:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    if claim is not None:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def wait_until(condition: Callable[[], object], *, what: str, timeout: float = PATIENCE) -> None:
    """Return as soon as the condition holds; fail with what was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.1)

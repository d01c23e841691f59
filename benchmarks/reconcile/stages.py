"""What kwok plays: pods run at once and succeed after a while, with the termination message of a trained model."""

from __future__ import annotations

import json
from typing import Any

from hostler_contract import ArtifactFacts, Result

Object = dict[str, Any]

POD_ADDRESS = "127.97.0.1"
"""Every pod's: on the loopback interface, so that nothing beyond this machine is ever asked for anything."""
PROGRESS_PORT = 8080
NODE_LABEL = ("hostler.dev/pool", "bench")
DEVICE = "nvidia.com/gpu"
DEVICES_PER_NODE = 8
_API = "kwok.x-k8s.io/v1alpha1"
_LONG_AGO = "2026-01-01T00:00:00Z"


def node(number: int) -> Object:
    """A node that is ready, as the kubelet of a large machine would register it."""
    name = f"fake-{number}"
    resources = {
        "cpu": "64", "memory": "512Gi", "pods": "500", "ephemeral-storage": "1Ti", DEVICE: str(DEVICES_PER_NODE),
    }  # fmt: skip
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {NODE_LABEL[0]: NODE_LABEL[1], "kubernetes.io/hostname": name}},
        "status": {
            "allocatable": resources,
            "capacity": resources,
            "conditions": [ready | {"lastHeartbeatTime": _LONG_AGO, "lastTransitionTime": _LONG_AGO}],
        },
    }


def configuration(*, pod_seconds: float) -> list[Object]:
    """kwok's options and stages."""
    options = {"podPlayStageParallelism": 16, "nodePlayStageParallelism": 4, "nodeLeaseDurationSeconds": 0}
    settings = {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "options": options}
    running = _containers(ready=True, state="{running: {startedAt: {{ $now | Quote }}}}")
    ended = _containers(
        ready=False,
        state="{terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, "
        f"finishedAt: {{{{ $now | Quote }}}}, message: {json.dumps(_result())}}}}}",
    )
    stopped = _containers(
        ready=False,
        state="{terminated: {exitCode: 143, reason: Error, startedAt: {{ $now | Quote }}, "
        "finishedAt: {{ $now | Quote }}}}",
    )
    return [
        settings,
        _stage("pod-runs", {".status.phase": "Pending"}, running + _conditions() + _running()),
        _stage("pod-succeeds", {".status.phase": "Running", ".metadata.ownerReferences.[].kind": "Job"},
               ended + "phase: Succeeded\n", delay=pod_seconds),
        # A kubelet ends the containers of a pod that is deleted, and says so, before the pod goes: the Job controller
        # keeps its finalizer until then, and a namespace that is deleted would wait for its pods for ever.
        _stage("pod-is-stopped", {".status.phase": "Running"}, stopped + "phase: Failed\n", deleted=True),
        _deletion(),
        # kwok looks after the pods of those nodes only for which it plays a stage.
        _stage("node-is-known", {".status.phase": None}, "phase: Running\n", kind="Node"),
    ]  # fmt: skip


def _result() -> str:
    artifact = ArtifactFacts(path="model", size_bytes=1, sha256="0" * 64, parameters=1)
    return Result(succeeded=True, steps=10, artifact=artifact).to_json()


def _containers(*, ready: bool, state: str) -> str:
    return (
        "{{ $now := Now }}\ncontainerStatuses:\n{{ range .spec.containers }}\n- image: {{ .image | Quote }}\n"
        f"  name: {{{{ .name | Quote }}}}\n  ready: {json.dumps(ready)}\n  restartCount: 0\n  state: {state}\n"
        "{{ end }}\n"
    )


def _conditions() -> str:
    kinds = ("Initialized", "Ready", "ContainersReady")
    lines = (f'- {{type: {kind}, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}\n' for kind in kinds)
    return "conditions:\n" + "".join(lines)


def _running() -> str:
    return (
        f"hostIP: {POD_ADDRESS}\npodIP: {POD_ADDRESS}\npodIPs: [{{ip: {POD_ADDRESS}}}]\nphase: Running\n"
        "startTime: {{ $now | Quote }}\n"
    )


def _stage(
    name: str,
    selects: dict[str, str | None],
    status: str,
    *,
    kind: str = "Pod",
    delay: float = 0.0,
    deleted: bool = False,
) -> Object:
    wanted: list[Object] = [
        {"key": key, "operator": "In", "values": [value]} if value else {"key": key, "operator": "DoesNotExist"}
        for key, value in selects.items()
    ]
    wanted.append({"key": ".metadata.deletionTimestamp", "operator": "Exists" if deleted else "DoesNotExist"})
    spec: Object = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": wanted},
        "next": {"statusTemplate": status},
    }
    if delay:
        spec["delay"] = {"durationMilliseconds": int(delay * 1000)}
    return {"apiVersion": _API, "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _deletion() -> Object:
    spec = {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {
            "matchExpressions": [
                {"key": ".metadata.deletionTimestamp", "operator": "Exists"},
                {"key": ".status.phase", "operator": "NotIn", "values": ["Running"]},
            ]
        },
        "next": {"delete": True},
    }
    return {"apiVersion": _API, "kind": "Stage", "metadata": {"name": "pod-goes"}, "spec": spec}

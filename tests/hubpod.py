"""A hub in the cluster: a pod that plays one, so that an import goes the way that it goes with a public hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
PROTOCOL = ("runtime/training/troubles.py", "runtime/importing/modelhub.py")
"""Files of the tests that a hub is made of."""
FILES_AT = "/shelves"
"""An empty volume of the pod, for models that are copied into it."""


HUB_PORT = {"hub": 8000}


def hub_objects(
    image: str,
    *,
    namespace: str,
    program: str,
    modules: Sequence[str] = (),
    ports: Mapping[str, int] = HUB_PORT,
) -> list[Mapping[str, Any]]:
    """ConfigMap with the scripts, pod and Service ``hub``; ``modules`` are files of the tests beside the hub's own that
    the program imports. It is ready when it answers at the last of its ports."""
    paths = _with_packages([*PROTOCOL, *modules])
    meta = {"name": "hub", "namespace": namespace}
    texts = {_key(name): "" if path is None else path.read_text(encoding="utf-8") for name, path in paths.items()}
    items = [*({"key": _key(name), "path": name} for name in paths), {"key": "hub.py", "path": "hub.py"}]
    container = {
        "name": "hub",
        "image": image,
        "command": ["python", "/hub/hub.py"],
        "env": [{"name": "PYTHONPATH", "value": "/hub"}],
        "readinessProbe": {"tcpSocket": {"port": [*ports.values()][-1]}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "2Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "scripts", "mountPath": "/hub"}, {"name": "shelves", "mountPath": FILES_AT}],
    }
    spec = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "scripts", "configMap": {"name": "hub", "items": items}},
            {"name": "shelves", "emptyDir": {}},
        ],
    }
    opened = [{"name": name, "port": port} for name, port in ports.items()]
    service = {"selector": {"app": "hub"}, "ports": opened}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {**texts, "hub.py": program}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "labels": {"app": "hub"}}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": service,
        },
    ]


def _with_packages(names: Sequence[str]) -> dict[str, Path | None]:
    """Where each file is, and None for the empty one that makes a package of its directory."""
    found: dict[str, Path | None] = {}
    for name in names:
        for parent in list(Path(name).parents)[-2::-1]:
            found[f"{parent}/__init__.py"] = None
        found[name] = TESTS / name
    return found


def _key(name: str) -> str:
    return name.replace("/", "__")

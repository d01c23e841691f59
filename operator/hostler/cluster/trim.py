"""What the store keeps of an object: memory is spent on what placement, status and no-op checks read.

The result is a new object that shares its leaves with the given one; nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Object = dict[str, Any]

_POD_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "ownerReferences",
)
_POD_SPEC = ("nodeName", "nodeSelector", "overhead", "resources", "schedulingGates", "priority")
_POD_STATUS = (
    "phase",
    "reason",
    "message",
    "conditions",
    "podIP",
    "startTime",
    "containerStatuses",
    "initContainerStatuses",
    "nominatedNodeName",
)
_CONTAINER = ("name", "resources", "restartPolicy")
_OURS = ("app.kubernetes.io/managed-by", "hostler")
_POD_ANNOTATIONS = ("batch.kubernetes.io/", "hostler.dev/")
_LARGE_ANNOTATIONS = frozenset({"hostler.dev/job-config"})
"""Kilobytes in each pod of a gang, read by nobody but the pod."""
_VERSIONS = ("kubeletVersion", "containerRuntimeVersion")
_NODE_STATUS = ("addresses", "allocatable", "capacity", "conditions")


def trimmed(kind: str, obj: Object) -> Object:
    """The part of an object that is kept."""
    return _BY_KIND.get(kind, _without_managed_fields)(obj)


def _picked(source: Mapping[str, Any] | None, names: Iterable[str]) -> Object:
    return {name: source[name] for name in names if name in source} if source else {}


def _without_managed_fields(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _pod(pod: Object) -> Object:
    metadata = _picked(pod["metadata"], _POD_METADATA)
    annotations = pod["metadata"].get("annotations") or {}
    if kept := {name: value for name, value in annotations.items() if _kept_annotation(name)}:
        metadata["annotations"] = kept
    spec = pod.get("spec") or {}
    containers = {
        field: [_container(container) for container in spec[field]]
        for field in ("containers", "initContainers")
        if spec.get(field)
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _picked(spec, _POD_SPEC) | containers | _affinity(pod, spec),
        "status": _picked(pod.get("status"), _POD_STATUS),
    }


def _kept_annotation(name: str) -> bool:
    return name.startswith(_POD_ANNOTATIONS) and name not in _LARGE_ANNOTATIONS


def _container(container: Object) -> Object:
    kept = _picked(container, _CONTAINER)
    # Ports of the node are what two pods cannot share; the others are nobody's business.
    if ports := [port for port in container.get("ports") or () if port.get("hostPort")]:
        kept["ports"] = ports
    return kept


def _affinity(pod: Object, spec: Object) -> Object:
    """Of our own pods: it says which node a pod that is not bound yet will go to."""
    label, ours = _OURS
    if (pod["metadata"].get("labels") or {}).get(label) != ours or "affinity" not in spec:
        return {}
    return {"affinity": spec["affinity"]}


def _node(node: Object) -> Object:
    status = _picked(node.get("status"), _NODE_STATUS)
    if versions := _picked((node.get("status") or {}).get("nodeInfo"), _VERSIONS):
        status["nodeInfo"] = versions
    if "conditions" in status:
        # A heartbeat is no news: without it, an unchanged node stays equal.
        status["conditions"] = [
            {name: value for name, value in condition.items() if name != "lastHeartbeatTime"}
            for condition in status["conditions"]
        ]
    return {**_without_managed_fields(node), "status": status}


def _slice(endpoints: Object) -> Object:
    """Which pods are ready behind a Service; addresses and zones are for proxies."""
    kept = [_picked(endpoint, ("conditions", "targetRef")) for endpoint in endpoints.get("endpoints") or ()]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _picked(endpoints["metadata"], _POD_METADATA),
        "endpoints": kept,
    }


_BY_KIND: dict[str, Callable[[Object], Object]] = {"Pod": _pod, "Node": _node, "EndpointSlice": _slice}

"""The controller of EndpointSlices, imagined: it is always done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]


def slices_of(objects: Iterable[Object]) -> Iterator[Object]:
    """One slice for each Service with a selector, over the pods that it chooses."""
    there = list(objects)
    pods = [each for each in there if each["kind"] == "Pod"]
    for service in there:
        if service["kind"] == "Service" and (selector := service["spec"].get("selector")):
            yield _slice(service, [pod for pod in pods if _chosen(pod, service, selector)])


def _chosen(pod: Object, service: Object, selector: Object) -> bool:
    metadata = pod["metadata"]
    same = metadata.get("namespace") == service["metadata"].get("namespace")
    return same and selector.items() <= (metadata.get("labels") or {}).items()


def _slice(service: Object, pods: Iterable[Object]) -> Object:
    metadata = service["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/service-name": metadata["name"]}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{metadata['name']}-abc", "namespace": metadata["namespace"], "labels": labels},
        "endpoints": [
            {"targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]}, "conditions": {"ready": _ready(pod)}}
            for pod in pods
        ],
    }


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)

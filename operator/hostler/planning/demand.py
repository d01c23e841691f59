"""What a pod of a workload asks for: the one place from which its template and its request for a seat are made."""

from __future__ import annotations

from typing import Any

from hostler.api.common import PodResources
from hostler.planning.pools import Pool
from hostler.planning.resources import HOST_PORT, Resources, of_pod

HTTP_PORT = 8080
"""Of trainers and servers alike: health, metrics, and progress or requests."""
_HUGEPAGES = "hugepages-2Mi"


def container_resources(resources: PodResources, *, per_pod: int, pool: Pool) -> dict[str, dict[str, str]]:
    """``resources`` of the one container of a pod on a pool."""
    requests = {"cpu": resources.cpu, "memory": resources.memory}
    limits = {"memory": resources.memory}
    if pool.resource is not None:
        limits[pool.resource] = str(per_pod)
    if pool.kind is not None and pool.kind.pod.hugepages_2mi is not None:
        limits[_HUGEPAGES] = pool.kind.pod.hugepages_2mi
    return {"requests": requests, "limits": limits}


def need_of_pod(resources: PodResources, *, per_pod: int, pool: Pool) -> Resources:
    """What the scheduler will count for such a pod."""
    container: dict[str, Any] = {"resources": container_resources(resources, per_pod=per_pod, pool=pool)}
    need = of_pod({"spec": {"containers": [container]}})
    if pool.kind is not None and "hostNetwork" in pool.kind.pod.privileges:
        # The API server makes a host port of every port of such a pod, so a node takes one of them.
        need[f"{HOST_PORT}{HTTP_PORT}"] = 1
    return need

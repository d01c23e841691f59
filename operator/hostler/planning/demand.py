"""What a pod of a workload asks for: the one place from which its template and its request for a seat are made."""

from __future__ import annotations

from typing import Any

from hostler.api.common import PodResources
from hostler.api.podoptions import Scratch
from hostler.planning.pools import Pool
from hostler.planning.resources import HOST_PORT, Resources, of_pod

HTTP_PORT = 8080
"""Of trainers and servers alike: health, metrics, and progress or requests."""
_DISK = "ephemeral-storage"
_HUGEPAGES = "hugepages-2Mi"


def container_resources(
    resources: PodResources, *, per_pod: int, pool: Pool, scratch: Scratch | None = None
) -> dict[str, dict[str, str]]:
    """``resources`` of the one container of a pod on a pool."""
    # Request, and limit, of the node's disk. The limit also counts logs; the volume's own is checked more seldom.
    disk = {_DISK: scratch.size} if scratch is not None and scratch.size is not None else {}
    requests = {"cpu": resources.cpu, "memory": resources.memory, **disk}
    limits = {"memory": resources.memory, **disk}
    if pool.resource is not None:
        limits[pool.resource] = str(per_pod)
    if pool.kind is not None and pool.kind.pod.hugepages_2mi is not None:
        limits[_HUGEPAGES] = pool.kind.pod.hugepages_2mi
    return {"requests": requests, "limits": limits}


def need_of_pod(resources: PodResources, *, per_pod: int, pool: Pool, scratch: Scratch | None = None) -> Resources:
    """What the scheduler will count for such a pod."""
    asked = container_resources(resources, per_pod=per_pod, pool=pool, scratch=scratch)
    container: dict[str, Any] = {"resources": asked}
    need = of_pod({"spec": {"containers": [container]}})
    if pool.kind is not None and "hostNetwork" in pool.kind.pod.privileges:
        # The API server makes a host port of every port of such a pod, so a node takes one of them.
        need[f"{HOST_PORT}{HTTP_PORT}"] = 1
    return need

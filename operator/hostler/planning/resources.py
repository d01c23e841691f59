"""What a pod asks for and a node offers, as the scheduler counts it.

One vector for everything: ``{"cpu": millicores, "memory": bytes, "ephemeral-storage": bytes, "pods": count,
"nvidia.com/gpu": count, ...}``. A name that is not there is zero. Host ports are counted as resources of which every
node has one (``hostPort/8080``), because two pods that ask for the same one cannot share a node.

The rules are those of ``k8s.io/component-helpers/resource`` (PodRequests) in Kubernetes 1.34: restartable init
containers run beside the others (KEP-753), requests of the pod as a whole replace the sum of its containers (KEP-2837),
and a pod that is being resized counts with the larger of what it has and what it wants (KEP-1287).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from hostler.planning import quantities

Resources = dict[str, int]
"""Amounts by resource name. Whoever is handed one must not change it."""

CPU, MEMORY, PODS = "cpu", "memory", "pods"
HOST_PORT = "hostPort/"
_POD_LEVEL = (CPU, MEMORY)
_POD_LEVEL_PREFIX = "hugepages-"
_NO_NUMBER: Mapping[str, Any] = {}


def add(left: Mapping[str, int], right: Mapping[str, int]) -> Resources:
    """Both together."""
    total = dict(left)
    for name, amount in right.items():
        total[name] = total.get(name, 0) + amount
    return total


def subtract(left: Mapping[str, int], right: Mapping[str, int]) -> Resources:
    """What is left; may be below zero, where more was taken than there is."""
    rest = dict(left)
    for name, amount in right.items():
        rest[name] = rest.get(name, 0) - amount
    return rest


def times(factor: int, one: Mapping[str, int]) -> Resources:
    """Each amount multiplied."""
    return {name: amount * factor for name, amount in one.items()}


def largest(left: Mapping[str, int], right: Mapping[str, int]) -> Resources:
    """The larger of each amount."""
    return {name: max(left.get(name, 0), right.get(name, 0)) for name in {**left, **right}}


def holds(free: Mapping[str, int], need: Mapping[str, int]) -> int:
    """How many times ``need`` fits into ``free``. What is not needed does not limit; a need of nothing fits never."""
    least = -1
    for name, amount in need.items():
        if amount <= 0:
            continue
        have = free.get(name, 0)
        if have < amount:
            # Every node has each port once; a port that is held stands in the vector as -1.
            if not name.startswith(HOST_PORT) or have + 1 < amount:
                return 0
            have += 1
        count = have // amount
        if least < 0 or count < least:
            least = count
    return max(0, least)


def excess(amount: Mapping[str, int], over: Mapping[str, int]) -> Resources:
    """By how much the one is more than the other, where it is."""
    return {name: count - over.get(name, 0) for name, count in amount.items() if count > over.get(name, 0)}


def overdrawn(free: Mapping[str, int]) -> bool:
    """Whether something was taken that is not there."""
    return any(amount < 0 for name, amount in free.items() if not name.startswith(HOST_PORT))


def offered(resources: Mapping[str, Any] | None) -> Resources:
    """``allocatable`` or ``capacity`` of a node; fractions of a device or byte are not there."""
    return {name: amount_of(name, value) for name, value in (resources or {}).items()}


def of_container(container: Mapping[str, Any]) -> Resources:
    """Requests of one container. A limit without a request is the request, for every resource."""
    found = container.get("resources") or {}
    return offered({**(found.get("limits") or {}), **(found.get("requests") or {})})


def of_pod(pod: Mapping[str, Any]) -> Resources:
    """What the scheduler counts for a pod (``spec``, and ``status`` where it has one), itself as one of ``pods``."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    allocated = _allocated(status.get("containerStatuses"))
    beside = _allocated(status.get("initContainerStatuses"))
    total = _running(spec.get("containers") or (), allocated)
    restartable: Resources = {}
    peak: Resources = {}
    for container in spec.get("initContainers") or ():
        asked = of_container(container)
        if container.get("restartPolicy") == "Always":
            restartable = add(restartable, largest(asked, beside.get(container.get("name", ""), {})))
            peak = largest(peak, restartable)
        else:
            peak = largest(peak, add(restartable, asked))
    total = largest(add(total, restartable), peak)
    total |= _pod_level(spec.get("resources"))
    total = add(total, offered(spec.get("overhead")))
    for port in _host_ports(spec):
        total[f"{HOST_PORT}{port}"] = 1
    total[PODS] = 1
    return total


@lru_cache(maxsize=4096)
def amount_of(name: str, value: str | int | float) -> int:
    """A quantity as a whole number in the unit of its resource: millicores rounded up for CPU, else rounded down."""
    return quantities.millicores(value) if name == CPU else quantities.whole(value)


def _running(containers: Iterable[Mapping[str, Any]], allocated: Mapping[str, Resources]) -> Resources:
    total: Resources = {}
    for container in containers:
        total = add(total, largest(of_container(container), allocated.get(container.get("name", ""), {})))
    return total


def _allocated(statuses: Iterable[Mapping[str, Any]] | None) -> dict[str, Resources]:
    """What each container has been given, which differs from its spec only while the pod is being resized."""
    found = {}
    for status in statuses or ():
        given = offered(status.get("allocatedResources"))
        actual = offered((status.get("resources") or _NO_NUMBER).get("requests"))
        if given or actual:
            found[str(status.get("name", ""))] = largest(given, actual)
    return found


def _pod_level(resources: Mapping[str, Any] | None) -> Resources:
    """Requests of the pod as a whole, for the resources for which Kubernetes knows them."""
    found = resources or _NO_NUMBER
    asked = {**(found.get("limits") or {}), **(found.get("requests") or {})}
    return offered({n: v for n, v in asked.items() if n in _POD_LEVEL or n.startswith(_POD_LEVEL_PREFIX)})


def _host_ports(spec: Mapping[str, Any]) -> set[int]:
    return {
        int(port["hostPort"])
        for field in ("containers", "initContainers")
        for container in spec.get(field) or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }

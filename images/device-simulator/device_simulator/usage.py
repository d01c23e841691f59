"""From what a pod really burns to what its devices show. Pure.

Utilization is CPU time as a share of the pod's CPU limit, memory is the working set as a share of its memory limit;
a pod without a limit is measured against its node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hostler.planning.quantities import parse

IDLE_POWER_SHARE = 0.15
"""Power of an idle device as a share of its rated power."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What full use means."""

    cores: float
    memory_bytes: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What a pod's cgroup said at one moment."""

    at: float
    """Monotonic seconds."""
    cpu_seconds: float
    """CPU time since the cgroup exists."""
    memory_bytes: float | None
    """Working set; None where the memory controller is not there."""


def quantity(text: str | int | float) -> float:
    """The number that a Kubernetes quantity stands for. Raises ``ValueError``."""
    return float(parse(text))


def pod_limits(spec: Mapping[str, Any], *, node: Limits) -> Limits:
    """A pod's limits as the kubelet enforces them: of the pod, or the sum where every container has one."""
    return Limits(
        cores=_limit(spec, "cpu") or node.cores,
        memory_bytes=_limit(spec, "memory") or node.memory_bytes,
    )


def _limit(spec: Mapping[str, Any], resource: str) -> float | None:
    whole = spec.get("resources", {}).get("limits", {}).get(resource)
    if whole is not None:
        return quantity(whole)
    sidecars = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    limits = [
        container.get("resources", {}).get("limits", {}).get(resource)
        for container in [*spec.get("containers", []), *sidecars]
    ]
    if not limits or None in limits:
        return None
    return sum(quantity(limit) for limit in limits)


def utilization(before: Sample | None, now: Sample, *, cores: float) -> float | None:
    """CPU time between two samples as a share of ``cores``, from 0 to 1.

    None where nothing can be said: no earlier sample, no time between them, or a counter that went backwards because
    the pod's cgroup is a new one.
    """
    if before is None or now.at <= before.at or now.cpu_seconds < before.cpu_seconds or cores <= 0:
        return None
    # Bursts and clock jitter can exceed the limit for one interval; a device is never busier than all of the time.
    return min((now.cpu_seconds - before.cpu_seconds) / (now.at - before.at) / cores, 1.0)


def memory_share(sample: Sample, *, limit: float) -> float | None:
    """The working set as a share of the limit, from 0 to 1; None where it is not known."""
    if sample.memory_bytes is None or limit <= 0:
        return None
    return min(sample.memory_bytes / limit, 1.0)


def power(watts: float | None, busy: float | None) -> float | None:
    """Power of a device of ``watts`` rated power at this utilization; None where either is not known."""
    if watts is None or busy is None:
        return None
    return watts * (IDLE_POWER_SHARE + (1 - IDLE_POWER_SHARE) * busy)


def node_limits(capacity: Mapping[str, str]) -> Limits:
    """What a pod without limits is measured against: the node's own cores and memory."""
    return Limits(cores=quantity(capacity.get("cpu", 0)), memory_bytes=quantity(capacity.get("memory", 0)))

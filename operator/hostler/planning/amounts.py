"""What a pod asks for and a node offers: devices, CPU, memory, always together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.planning import quantities

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Devices of one resource, millicores, bytes. For a cpu pool ``devices`` is always 0."""

    devices: int = 0
    milli_cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            devices=self.devices + other.devices,
            milli_cpu=self.milli_cpu + other.milli_cpu,
            memory=self.memory + other.memory,
        )

    def __sub__(self, other: Amount) -> Amount:
        return self + other.times(-1)

    def times(self, factor: int) -> Amount:
        """Each figure multiplied."""
        return Amount(devices=self.devices * factor, milli_cpu=self.milli_cpu * factor, memory=self.memory * factor)

    def largest(self, other: Amount) -> Amount:
        """The larger of each figure."""
        return Amount(
            devices=max(self.devices, other.devices),
            milli_cpu=max(self.milli_cpu, other.milli_cpu),
            memory=max(self.memory, other.memory),
        )

    def holds(self, need: Amount) -> int:
        """How many times ``need`` fits into this; a figure that is not needed does not limit."""
        counts = [
            have // want
            for have, want in (
                (self.devices, need.devices),
                (self.milli_cpu, need.milli_cpu),
                (self.memory, need.memory),
            )
            if want > 0
        ]
        return max(0, min(counts, default=0))


NOTHING = Amount()


def from_resources(resources: Mapping[str, Any] | None, *, resource: str | None) -> Amount:
    """A resource list (``requests``, ``capacity``, ``allocatable``) as an amount."""
    found = resources or {}
    return Amount(
        devices=quantities.whole(found.get(resource, 0)) if resource else 0,
        milli_cpu=quantities.millicores(found.get("cpu", 0)),
        memory=quantities.whole(found.get("memory", 0)),
    )


def pod_requests(spec: Mapping[str, Any], *, resource: str | None) -> Amount:
    """What the scheduler counts for a pod: all containers together, or the largest init step, plus overhead."""
    running = _total(spec.get("containers") or (), resource)
    peak = NOTHING
    beside = NOTHING
    for container in spec.get("initContainers") or ():
        asked = _requests(container, resource)
        if container.get("restartPolicy") == "Always":
            beside = beside + asked
            peak = peak.largest(beside)
        else:
            peak = peak.largest(beside + asked)
    overhead = from_resources(spec.get("overhead"), resource=resource)
    return (running + beside).largest(peak) + overhead


def _total(containers: Sequence[Mapping[str, Any]], resource: str | None) -> Amount:
    total = NOTHING
    for container in containers:
        total = total + _requests(container, resource)
    return total


def _requests(container: Mapping[str, Any], resource: str | None) -> Amount:
    resources = container.get("resources") or {}
    # A limit without a request is the request, for every resource.
    return from_resources({**(resources.get("limits") or {}), **(resources.get("requests") or {})}, resource=resource)

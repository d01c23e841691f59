"""From the kubelet's device ids to the devices and slices behind them. Pure.

A device plugin hands out ids; what an id stands for is the plugin's own affair: a whole device, a slice that the
exporter measures by itself (MIG, a virtual NPU), or one of several shares of a device that is measured once
(time-slicing, MPS, cores). The forms that plugins use are data of the exporter's mapping (``deviceIds``); here they
become :class:`Unit`: what is measured once, with every id that stands for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hostler.accelerators.mapping import DeviceIndex, ExporterMapping
from hostler.exporter.facts import ResourceFacts
from hostler.kubelet.podresources import DeviceId, Holder


@dataclass(frozen=True)
class Unit:
    """A device, or a slice of one, as the device plugins hand it out."""

    name: str
    ids: tuple[DeviceId, ...]
    """Its shares, in one resource or in several (a Neuron device and its cores)."""
    held: Mapping[Holder, float]
    """Shares by container."""
    shares: float
    offered: float | None
    """1 while the kubelet calls any of its ids healthy, else 0; None where the kubelet says nothing."""

    @property
    def resource(self) -> str:
        """The resource that hands it out in the largest pieces."""
        counts = _ids_by_resource(self.ids)
        return min(counts, key=lambda resource: (counts[resource], resource))


def units(facts: Sequence[ResourceFacts], *, spoken_of: Collection[str]) -> list[Unit]:
    """Every device and slice that the kubelet knows in these resources, which one exporter measures, sorted by name.

    An id that the kubelet no longer lists counts while the exporter still speaks of its device (``spoken_of``): then
    it is a device that was withdrawn. Otherwise it is one that a new partitioning has replaced.
    """
    mapping = facts[0].mapping
    cores = _cores_per_device(facts, mapping)
    grouped: dict[str, list[DeviceId]] = {}
    for fact in facts:
        current = (fact.allocatable or frozenset()) | fact.holders.keys()
        for each in sorted(current | fact.known):
            name = _name(DeviceId(fact.resource, each), mapping, cores)
            if each in current or name in spoken_of:
                grouped.setdefault(name, []).append(DeviceId(fact.resource, each))
    by_resource = {fact.resource: fact for fact in facts}
    return [_unit(name, tuple(ids), by_resource) for name, ids in sorted(grouped.items())]


def _unit(name: str, ids: tuple[DeviceId, ...], facts: Mapping[str, ResourceFacts]) -> Unit:
    counts = _ids_by_resource(ids)
    shares = float(max(counts.values()))
    held: dict[Holder, float] = {}
    for each in ids:
        holder = facts[each.resource].holders.get(each.device)
        if holder is not None:
            held[holder] = held.get(holder, 0.0) + shares / counts[each.resource]
    listed = [facts[each.resource].allocatable for each in ids]
    offered = [each.device in names for each, names in zip(ids, listed, strict=True) if names is not None]
    return Unit(name, ids, held, shares, float(any(offered)) if offered else None)


def _name(each: DeviceId, mapping: ExporterMapping | None, cores: int | None) -> str:
    if mapping is None:
        return each.device
    index = mapping.device_index
    if index is None or each.resource != index.resource:
        return mapping.device_of(each.device)
    if cores is None or not each.device.isdigit():
        # Not the bare number, which would be another device's.
        return f"{index.label}-{each.device}"
    return str(int(each.device) // cores)


def _cores_per_device(facts: Sequence[ResourceFacts], mapping: ExporterMapping | None) -> int | None:
    """How many core ids one device has: by what the plugin offers, which numbers them; else by the exporter's word."""
    if mapping is None or mapping.device_index is None:
        return None
    index = mapping.device_index
    cores, devices = _offered(facts, index, cores=True), _offered(facts, index, cores=False)
    if cores and devices and cores % devices == 0:
        return cores // devices
    return next((fact.cores_per_device for fact in facts if fact.cores_per_device), None)


def _offered(facts: Sequence[ResourceFacts], index: DeviceIndex, *, cores: bool) -> int:
    counts = [
        len((fact.allocatable or frozenset()) | fact.known)
        for fact in facts
        if (fact.resource == index.resource) is cores
    ]
    return max(counts, default=0)


def _ids_by_resource(ids: Sequence[DeviceId]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in ids:
        counts[each.resource] = counts.get(each.resource, 0) + 1
    return counts

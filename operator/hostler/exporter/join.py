"""Joins what the vendors' exporters measure with what the kubelet knows. Pure: facts in, devices out.

The kubelet's ids decide where the two can be compared: they are what pods hold. Where a vendor names its devices in
another way (AMD by index, the kubelet by PCI address), the exporter's devices stand alone, with its own pod labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostler.accelerators import AcceleratorType
from hostler.exporter.reading import Quantity, Reading
from hostler.kubelet.podresources import Holder

REPLICA = "::"
"""Time-slicing plugins hand out one device several times, as ``<id>::<replica>``."""


@dataclass(frozen=True, kw_only=True)
class ResourceFacts:
    """Everything known of one extended resource of this node."""

    resource: str
    candidates: Sequence[AcceleratorType]
    """The types that this resource may be; at least one."""
    readings: Sequence[Reading] = ()
    allocatable: frozenset[str] | None = None
    """Ids of healthy devices; None where the kubelet did not say."""
    holders: Mapping[str, Holder] = field(default_factory=dict)
    """Holder by device id."""
    known: frozenset[str] = frozenset()
    """Ids that the kubelet has called healthy since this process started."""
    simulated: bool = False


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device of the node, ready to be published. An empty string means 'not known' or 'none'."""

    resource: str
    vendor: str
    type: str
    model: str
    device: str
    simulated: bool
    holders: tuple[Holder, ...]
    """More than one where containers share the device."""
    values: Mapping[Quantity, float]

    @property
    def holder(self) -> Holder:
        """What all holders have in common: a measurement of a shared device belongs to none of them."""
        return Holder(
            _common(holder.namespace for holder in self.holders),
            _common(holder.pod for holder in self.holders),
            _common(holder.container for holder in self.holders),
        )


def join(facts: ResourceFacts) -> list[Device]:
    """Every device of the resource, busy or idle, once, sorted by its name."""
    ids = _by_base(facts)
    found: dict[str, Reading] = {}
    alone: list[Reading] = []
    for reading in facts.readings:
        match = next((key for key in reading.keys if key in ids and key not in found), None)
        if match is None:
            alone.append(reading)
        else:
            found[match] = reading
    devices = [_device(facts, base, found.get(base), ids[base]) for base in ids if found or not alone]
    devices += [_device(facts, reading.name, reading, ()) for reading in alone]
    return sorted(devices, key=lambda device: device.device)


def type_of(candidates: Sequence[AcceleratorType], model: str | None) -> AcceleratorType | None:
    """The type of a device: the only candidate, or the one whose node labels carry the model that it reports."""
    if len(candidates) == 1:
        return candidates[0]
    if model is None:
        return None
    wanted = _plain(model)
    matching = [
        kind
        for kind in candidates
        if any(_plain(value) == wanted for label in kind.node_labels for value in label.values)
    ]
    return matching[0] if len(matching) == 1 else None


def _device(facts: ResourceFacts, name: str, reading: Reading | None, ids: Sequence[str]) -> Device:
    kind = type_of(facts.candidates, reading.model if reading else None)
    held = {facts.holders[each] for each in ids if each in facts.holders}
    holders = held or (reading.holders if reading and not ids else frozenset())
    values = dict(reading.values) if reading else {}
    verdicts = [verdict for verdict in (values.pop(Quantity.HEALTH, None), _offered(facts, ids)) if verdict is not None]
    if verdicts:
        values[Quantity.HEALTH] = min(verdicts)
    return Device(
        resource=facts.resource,
        vendor=facts.candidates[0].vendor,
        type=kind.id if kind else "",
        model=kind.model if kind else (reading.model or "" if reading else ""),
        device=name,
        simulated=facts.simulated,
        holders=tuple(sorted(holders, key=lambda holder: (holder.namespace, holder.pod, holder.container))),
        values=values,
    )


def _offered(facts: ResourceFacts, ids: Sequence[str]) -> float | None:
    """The device plugin's verdict: the kubelet lists healthy devices only. None where it says nothing."""
    if facts.allocatable is None or not ids:
        return None
    return float(any(each in facts.allocatable for each in ids))


def _by_base(facts: ResourceFacts) -> dict[str, list[str]]:
    """Device ids by the device behind them. A known id that is gone counts only while somebody still speaks of it."""
    spoken_of = {key for reading in facts.readings for key in reading.keys}
    lost = {each for each in facts.known if each.partition(REPLICA)[0] in spoken_of}
    ids: dict[str, list[str]] = {}
    for each in sorted((facts.allocatable or frozenset()) | facts.holders.keys() | lost):
        ids.setdefault(each.partition(REPLICA)[0], []).append(each)
    return ids


def _common(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

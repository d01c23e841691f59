"""Joins what a vendor's exporter measures with what the kubelet knows. Pure: facts in, devices out.

The kubelet's ids decide where the two can be compared: they are what pods hold. Where a vendor names its devices in
two ways that cannot be compared, the pods that both sides name decide (:mod:`hostler.exporter.pairing`). Where those
do not help either, the exporter's device stands alone without a pod, and the kubelet's id counts as unmatched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hostler.accelerators import AcceleratorType
from hostler.exporter.facts import Device, ResourceFacts
from hostler.exporter.pairing import known_holders, pair
from hostler.exporter.reading import Quantity, Reading
from hostler.exporter.units import Unit, units
from hostler.kubelet.podresources import DeviceId, Holder

__all__ = ["Device", "Joined", "ResourceFacts", "join", "match", "type_of"]


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Devices, and what could not be joined."""

    devices: list[Device]
    """Every device and slice, busy or idle, once, sorted by name."""
    unmatched: tuple[Unit, ...] = ()
    """What the kubelet names and the exporter, which has devices left over, does not: ids in a form that nobody knows.
    Of these only as many are among the devices as the exporter has too few."""
    ids: frozenset[DeviceId] = frozenset()
    """Every id that stands for something still there."""


def join(*facts: ResourceFacts) -> list[Device]:
    """The devices of resources that one exporter measures: see :func:`match`."""
    return match(*facts).devices


def match(*facts: ResourceFacts) -> Joined:
    """Joins all resources that one exporter measures; together, because it does not say which resource a device is."""
    readings = _told_once({reading.name: reading for fact in facts for reading in fact.readings})
    named = units(facts, spoken_of={key for reading in readings for key in reading.keys})
    found, rest = _by_key(named, readings)
    joined = [_device(facts, unit, found[unit.name], unit.offered) for unit in named if unit.name in found]

    cards = _cards(readings, found)
    slices = [reading for reading in rest if reading.name not in cards]
    nameless = [unit for unit in named if unit.name not in found]
    pairs = pair(nameless, slices, holders=_holders(nameless))
    joined += [_device(facts, each.unit, each.reading, each.offered, name=each.reading.name) for each in pairs]

    paired = {each.unit.name for each in pairs} | {each.reading.name for each in pairs}
    alone = [reading for reading in rest if reading.name not in paired]
    left = [unit for unit in nameless if unit.name not in paired]
    joined += [
        _measured(facts, reading, _own_holders(facts, reading, left), name=cards.get(reading.name, reading.name))
        for reading in alone
    ]
    spare = sum(reading.name not in cards for reading in alone)
    # The spare readings are some of these units, nobody knows which: so many are not told twice, idle ones first.
    told = sorted(left, key=lambda unit: (bool(unit.held), unit.name))[spare:]
    joined += [_device(facts, unit, None, unit.offered) for unit in told]
    return Joined(
        devices=sorted(joined, key=lambda device: device.device),
        unmatched=tuple(left) if spare else (),
        ids=frozenset(each for unit in named for each in unit.ids),
    )


def type_of(
    candidates: Sequence[AcceleratorType], model: str | None, *, resource: str | None = None
) -> AcceleratorType | None:
    """The type of a device: the only candidate for its resource, or the one whose node labels carry its model."""
    if len(candidates) == 1 and (resource is None or candidates[0].accepts_resource(resource)):
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


def _by_key(named: Iterable[Unit], readings: Iterable[Reading]) -> tuple[dict[str, Reading], list[Reading]]:
    """Readings by the unit that one of their names names, and the other readings."""
    names = {unit.name for unit in named}
    found: dict[str, Reading] = {}
    rest: list[Reading] = []
    for reading in readings:
        key = next((key for key in reading.keys if key in names and key not in found), None)
        if key is None:
            rest.append(reading)
        else:
            found[key] = reading
    return found, rest


def _told_once(readings: Mapping[str, Reading]) -> list[Reading]:
    """A quantity that slices report is not their card's too: a sum over all devices counts nothing twice."""
    sliced: dict[str, set[Quantity]] = {}
    for reading in readings.values():
        if reading.parent:
            sliced.setdefault(reading.parent, set()).update(reading.values.keys() - {Quantity.HEALTH})
    return [
        replace(
            reading,
            values={quantity: value for quantity, value in reading.values.items() if quantity not in sliced[name]},
        )
        if name in sliced
        else reading
        for name, reading in readings.items()
    ]


def _cards(readings: Iterable[Reading], found: Mapping[str, Reading]) -> dict[str, str]:
    """Cards that are cut into slices, with the name under which the kubelet knows the slices' card, or their own."""
    names = {reading.parent: reading.parent for reading in readings if reading.parent}
    return names | {reading.parent: unit.rpartition("/")[0] for unit, reading in found.items() if reading.parent}


def _own_holders(facts: Sequence[ResourceFacts], reading: Reading, left: Sequence[Unit]) -> frozenset[Holder]:
    """The exporter's own word on a device that only it names, where the kubelet does not say otherwise: then only
    containers count that hold something of which nobody knows what it is."""
    silent = all(fact.allocatable is None for fact in facts)
    nothing = not any(fact.allocatable or fact.holders or fact.known for fact in facts)
    return reading.holders if silent or nothing else known_holders(reading, _holders(left))


def _holders(units: Iterable[Unit]) -> set[Holder]:
    return {holder for unit in units for holder in unit.held}


def _device(
    facts: Sequence[ResourceFacts], unit: Unit, reading: Reading | None, offered: float | None, *, name: str = ""
) -> Device:
    fact = next(fact for fact in facts if fact.resource == unit.resource)
    # Known from before the kubelet fell silent: the exporter's word is all there is.
    held = dict.fromkeys(reading.holders, 1.0) if reading and fact.allocatable is None else unit.held
    return _published(fact, reading, name=name or unit.name, held=held, shares=unit.shares, offered=offered)


def _measured(facts: Sequence[ResourceFacts], reading: Reading, holders: Iterable[Holder], *, name: str) -> Device:
    """A device that only the exporter names."""
    fact = min(facts, key=lambda each: (not each.whole, each.resource))
    return _published(fact, reading, name=name, held=dict.fromkeys(holders, 1.0), shares=1.0, offered=None)


def _published(
    fact: ResourceFacts,
    reading: Reading | None,
    *,
    name: str,
    held: Mapping[Holder, float],
    shares: float,
    offered: float | None,
) -> Device:
    model = reading.model if reading else None
    kind = type_of(fact.candidates, model, resource=fact.resource)
    values = dict(reading.values) if reading else {}
    verdicts = [verdict for verdict in (values.pop(Quantity.HEALTH, None), offered) if verdict is not None]
    if verdicts:
        values[Quantity.HEALTH] = min(verdicts)
    return Device(
        resource=fact.resource,
        vendor=fact.candidates[0].vendor,
        type=kind.id if kind else "",
        model=kind.model if kind else (model or ""),
        device=name,
        simulated=fact.simulated,
        values=values,
        held=held,
        shares=shares,
    )


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

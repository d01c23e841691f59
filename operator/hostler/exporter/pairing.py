"""Pairs devices whose two names cannot be compared, by the containers that both sides say hold them. Pure.

NVIDIA's plugin hands out ``MIG-<uuid>``, dcgm-exporter prints card and instance; AMD's plugin hands out PCI addresses,
its exporter prints an index. Where the exporter knows the pods, a device that it says container C uses is one of those
that the kubelet gave to C; if all of those have the same holders, it does not matter which one it is. A device that
only might be the one is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hostler.exporter.reading import Reading
from hostler.exporter.units import Unit
from hostler.kubelet.podresources import Holder

Classes = dict[frozenset[Holder], list[Unit]]
"""Units by their holders: those of one class cannot be told apart, and need not be."""


@dataclass(frozen=True)
class Pair:
    """A unit of the kubelet and the exporter's reading of it."""

    unit: Unit
    reading: Reading
    offered: float | None
    """The kubelet's verdict on this very device; None where it may be that on a neighbour."""


def pair(units: Sequence[Unit], readings: Sequence[Reading], *, holders: Collection[Holder]) -> list[Pair]:
    """Pairs of units and readings that have the same holders for certain, each at most once.

    ``holders`` are the containers that hold these units by the kubelet's word: an exporter that names another one
    speaks of a pod that has ended.
    """
    classes: Classes = {}
    for unit in units:
        classes.setdefault(frozenset(unit.held), []).append(unit)
    verdicts = {key: _common_verdict(members) for key, members in classes.items()}
    named = {reading.name: known_holders(reading, holders) for reading in readings}

    found = _meant(classes, [reading for reading in readings if named[reading.name]], named)
    # Idle with idle: only where the exporter would have said whose a device is, or where nobody holds any.
    if any(named.values()) or not holders:
        nobody: frozenset[Holder] = frozenset()
        idle = (reading for reading in readings if not named[reading.name])
        found += [(nobody, unit, reading) for unit, reading in zip(classes.get(nobody, ()), idle, strict=False)]
    return [Pair(unit, reading, verdicts[key]) for key, unit, reading in found]


def known_holders(reading: Reading, holders: Iterable[Holder]) -> frozenset[Holder]:
    """Which of these containers the exporter names, which may leave the container's own name out."""
    return frozenset(
        ours
        for theirs in reading.holders
        for ours in holders
        if (ours.namespace, ours.pod) == (theirs.namespace, theirs.pod) and theirs.container in ("", ours.container)
    )


def _meant(
    classes: Classes, readings: Sequence[Reading], named: Mapping[str, frozenset[Holder]]
) -> list[tuple[frozenset[Holder], Unit, Reading]]:
    """Readings of which only one class can be meant; a class that is used up cannot be, which may decide others.

    An exporter may name one pod of several that share a device, so a class is possible if its holders are more.
    """
    found: list[tuple[frozenset[Holder], Unit, Reading]] = []
    open_ = list(readings)
    while True:
        for reading in open_:
            possible = [key for key, free in classes.items() if free and named[reading.name] <= key]
            if len(possible) == 1:
                found.append((possible[0], classes[possible[0]].pop(0), reading))
                open_.remove(reading)
                break
        else:
            return found


def _common_verdict(units: Iterable[Unit]) -> float | None:
    verdicts = {unit.offered for unit in units}
    return verdicts.pop() if len(verdicts) == 1 else None

"""What runs of ours have measured on a pool, and what that says of the next one.

A pool keeps the newest runs of the shapes that were run last. Two lists are merged into one that does not depend on the
order in which runs became known, and a run that is merged twice counts once: the operator may crash between any two
writes, and see every finished job again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hostler.planning.estimate.result import Range

MOST_SHAPES = 24
"""Of each pool; the shape whose newest run is the oldest is forgotten first."""
RUNS_OF_SHAPE = 3
"""Whose median is the measurement: one that was disturbed does not move it."""
SAME_SHAPE = 1.25
"""Factor of low and high around a run of the same shape: published runs of one shape differ by 22 % in four of five
cases (docs/benchmarks/estimate.md), and high is at most 1.6 times low."""
LIKE_SHAPE = 1.7
"""The same around a run of another shape of that family and precision, whose operations are known."""


@dataclass(frozen=True, kw_only=True, order=True)
class Shape:
    """Runs of one shape are as fast as each other, on the same devices of one pool."""

    family: str
    objective: str
    network: str
    """Hash of the sizes, or of what a base's files say (:func:`hostler.planning.estimate.jobs.shape_of`)."""
    precision: str
    """As the spec asks for it: what a device makes of ``auto`` is the same on all devices of a pool."""
    batch: int
    """Sequences (images, clips) of a step, over all devices."""
    accumulation: int = 1
    """Parts in which each process computes a step."""
    length: int = 0
    """Longest sequence, in tokens; 0 where the spec does not say."""
    packed: bool = False
    adapter: bool = False
    sharded: bool = False
    devices: int = 1
    """In the pool's unit."""

    @property
    def alone(self) -> tuple[object, ...]:
        """The shape without the batch and the number of devices, over which speed is shared out."""
        parts = (self.family, self.objective, self.network, self.precision, self.length)
        return (*parts, self.packed, self.adapter, self.sharded)


@dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """One run that has ended well."""

    run: str
    """UID of the job, so that it counts once."""
    at: str
    """When it ended, as Kubernetes writes times."""
    units_per_second: float
    """Over all devices, padding left out, while steps were made."""
    units_per_step: float
    """What a step trained on, padding left out."""
    operations_per_second: float | None = None
    """Of one device; None where nobody knows the operations of a unit."""
    memory_bytes: int | None = None
    """Most memory in use on the first device."""
    overhead_seconds: float | None = None
    """From the start of the attempt to its end, without the time in which steps were made; None where there was more
    than one attempt."""


Measurements = dict[Shape, tuple[MeasuredRun, ...]]
"""Of one pool; the newest run first."""


def merge(*parts: Iterable[tuple[Shape, Iterable[MeasuredRun]]]) -> Measurements:
    """One list of several: commutative, associative and idempotent, and bounded."""
    found: dict[Shape, dict[str, MeasuredRun]] = defaultdict(dict)
    for part in parts:
        for shape, runs in part:
            for each in runs:
                before = found[shape].get(each.run)
                if before is None or _rank(each) > _rank(before):
                    found[shape][each.run] = each
    kept = {s: tuple(sorted(r.values(), key=_rank, reverse=True)[:RUNS_OF_SHAPE]) for s, r in found.items() if r}
    newest = sorted(kept, key=lambda shape: (*_rank(kept[shape][0])[:2], shape), reverse=True)
    return {shape: kept[shape] for shape in newest[:MOST_SHAPES]}


def _rank(each: MeasuredRun) -> tuple[str, str, float]:
    return each.at, each.run, each.units_per_second


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the runs of a pool say of another one."""

    units_per_second: Range
    same_shape: bool
    runs: int
    newest: str
    overhead_seconds: float | None
    memory_bytes: int | None
    units_per_step: float | None
    """Of a run of the same shape."""


def predict(known: Measurements, shape: Shape, *, operations_per_unit: float | None = None) -> Measured | None:
    """The speed of a run of this shape; None where nothing comparable has been run.

    A run of the same shape on another number of devices counts by the device. One of another shape of the same family
    and precision counts by operations per second, where those of a unit are known of both.
    """
    if runs := known.get(shape):
        return _measured(runs, [each.units_per_second for each in runs], spread=SAME_SHAPE, same=True)
    alike = [(s, each) for s, runs in known.items() if s.alone == shape.alone for each in runs]
    if alike:
        nearest = min(abs(s.devices - shape.devices) for s, _ in alike)
        near = [(s, each) for s, each in alike if abs(s.devices - shape.devices) == nearest]
        speeds = [each.units_per_second / s.devices * shape.devices for s, each in near]
        return _measured([each for _, each in near], speeds, spread=SAME_SHAPE, same=False)
    if operations_per_unit is None:
        return None
    family = [
        (s, each, each.operations_per_second)
        for s, runs in known.items()
        if (s.family, s.precision, s.adapter) == (shape.family, shape.precision, shape.adapter)
        for each in runs
        if each.operations_per_second is not None
    ]
    if not family:
        return None
    speeds = [rate * shape.devices / operations_per_unit for _, _, rate in family]
    return _measured([each for _, each, _ in family], speeds, spread=LIKE_SHAPE, same=False)


def _measured(runs: Sequence[MeasuredRun], speeds: Sequence[float], *, spread: float, same: bool) -> Measured:
    expected = median(speeds)
    overheads = [each.overhead_seconds for each in runs if each.overhead_seconds is not None]
    memory = [each.memory_bytes for each in runs if each.memory_bytes is not None]
    return Measured(
        units_per_second=Range(low=expected / spread, expected=expected, high=expected * spread),
        same_shape=same,
        runs=len(runs),
        newest=max(each.at for each in runs),
        overhead_seconds=median(overheads) if overheads else None,
        memory_bytes=max(memory) if memory and same else None,
        units_per_step=median(each.units_per_step for each in runs) if same else None,
    )

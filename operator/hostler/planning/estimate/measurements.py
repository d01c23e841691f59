"""What runs of ours have measured on a pool, and what that says of the next one.

A pool keeps the newest runs of the shapes that were run last. Two lists are merged into one that does not depend on the
order in which runs became known, and a run that is merged twice counts once: the operator may crash between any two
writes, and see every finished job again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hostler.planning.estimate.result import Range

MOST_SHAPES = 24
"""Of each pool; the shape whose newest run is the oldest is forgotten first."""
RUNS_OF_SHAPE = 3
"""Whose median is the measurement: one that was disturbed does not move it."""
SAME_NETWORK = 1.25
"""Factor of low and high around a run of the same network at the same precision, of whatever batch, length and number
of devices: four of five published runs are within it (docs/benchmarks/estimate.md)."""
SAME_FAMILY = 1.7
"""The same around a run of another network of that family and precision."""
_SIMILAR_ROWS = 8.0
"""Factor of the rows of a device between published runs that speak for each other. With far fewer it is not as busy."""


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
    """One list of several, in whatever order they come: commutative, idempotent, and bounded.

    Of a shape that was forgotten and is run again only the runs count that came later. Runs whose speed is no speed are
    left out: a pod says it, and what it says must not spoil the estimates of others.
    """
    found: dict[Shape, dict[str, MeasuredRun]] = defaultdict(dict)
    for part in parts:
        for shape, runs in part:
            for each in runs:
                before = found[shape].get(each.run)
                if _sound(each) and (before is None or _rank(each) > _rank(before)):
                    found[shape][each.run] = each
    kept = {s: tuple(sorted(r.values(), key=_rank, reverse=True)[:RUNS_OF_SHAPE]) for s, r in found.items() if r}
    newest = sorted(kept, key=lambda shape: (*_rank(kept[shape][0])[:2], shape), reverse=True)
    return {shape: kept[shape] for shape in newest[:MOST_SHAPES]}


def _sound(each: MeasuredRun) -> bool:
    figures = (each.units_per_second, each.units_per_step, each.operations_per_second)
    return all(figure is None or (math.isfinite(figure) and figure > 0) for figure in figures)


def _rank(each: MeasuredRun) -> tuple[str | float, ...]:
    """The newest is the greatest. Of a run that is told in two ways all of it decides, so that the order does not."""
    rest = (each.operations_per_second, each.memory_bytes, each.overhead_seconds)
    told = tuple(-1.0 if figure is None else figure for figure in rest)
    return each.at, each.run, each.units_per_second, each.units_per_step, *told


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

    The nearest that is known counts, in this order: the same shape; the same network with another batch or on another
    number of devices, by the device; the same network with another length, and then other networks of the family, by
    operations per second, where those of a unit are known of both.
    """
    if runs := known.get(shape):
        return _measured(runs, [each.units_per_second for each in runs], spread=SAME_NETWORK, same=True)
    alike = [s for s in known if s.alone == shape.alone]
    if alike:
        nearest = min(alike, key=lambda each: (_apart(each, shape), each))
        speeds = [each.units_per_second / nearest.devices * shape.devices for each in known[nearest]]
        spread = SAME_NETWORK if _rows_apart(nearest, shape) <= _SIMILAR_ROWS else SAME_FAMILY
        return _measured(known[nearest], speeds, spread=spread, same=False)
    if not operations_per_unit:
        return None
    pairs = [
        (s, each)
        for s, runs in known.items()
        if (s.family, s.precision, s.adapter) == (shape.family, shape.precision, shape.adapter)
        for each in runs
        if each.operations_per_second is not None
    ]
    same = [(s, each) for s, each in pairs if (s.objective, s.network) == (shape.objective, shape.network)]
    counted = same or pairs
    if not counted:
        return None
    speeds = [_transferred(s, each, shape, operations_per_unit) for s, each in counted]
    spread = SAME_NETWORK if same else SAME_FAMILY
    return _measured([each for _, each in counted], speeds, spread=spread, same=False)


def _apart(one: Shape, other: Shape) -> float:
    """How much two shapes of one network differ, in doublings."""
    return abs(math.log2(one.devices / other.devices)) + math.log2(_rows_apart(one, other))


def _rows_apart(one: Shape, other: Shape) -> float:
    """Factor between the rows that one device computes at once, 1 or more."""
    ratio = (one.batch / one.accumulation / one.devices) / (other.batch / other.accumulation / other.devices)
    return max(ratio, 1 / ratio)


def _transferred(known: Shape, run: MeasuredRun, shape: Shape, operations: float) -> float:
    """Units per second of a shape by another one's run."""
    assert run.operations_per_second is not None
    before = run.operations_per_second * known.devices / run.units_per_second
    slower = operations / before
    if known.network == shape.network and 0 < known.length != shape.length > 0:
        # What a longer sequence adds is attention, which kernels compute about twice as slowly as products: published
        # runs of one network with several lengths agree within 9 % then, and within 19 % without (median).
        attention = max(0.0, (operations - before) / (shape.length - known.length))
        slower = (operations + attention * shape.length) / (before + attention * known.length)
    return run.units_per_second / known.devices * shape.devices / slower


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

"""What the standard loads of a pool say of another run: less than runs of its own kind, more than a data sheet."""

from __future__ import annotations

from statistics import median

from hostler.planning.estimate.measurements import Measured, MeasuredRun, Measurements, Shape, predict
from hostler.planning.estimate.result import Range

OTHER_FAMILY = 2.5
"""Factor of low and high around the utilization of another family's load. Published runs of two networks on one device
at one precision, their operations within :data:`SIMILAR_SIZE`, are within 2.1 of each other in four of five pairs and
within 2.8 in nine of ten (497 pairs of Megatron-Bridge's tables, dense networks and mixtures of experts)."""
SIMILAR_SIZE = 30.0
"""Factor of the operations of a unit between networks that speak for each other: beyond it, half of such pairs are
further apart than 2.8. A device that is hardly busy with a small network says nothing of a large one."""


def predict_by_benchmark(known: Measurements, shape: Shape, *, operations_per_unit: float | None) -> Measured | None:
    """The speed of a run of this shape; None where no load is like it.

    The family's own load goes before those of others, of which the share of the peak is taken over.
    """
    if shape in known:
        return predict(known, shape, operations_per_unit=operations_per_unit)
    if not operations_per_unit:
        return None
    similar = {
        load: runs for load, runs in known.items() if all(_is_similar(load, run, operations_per_unit) for run in runs)
    }
    found = predict(similar, shape, operations_per_unit=operations_per_unit)
    if found is not None:
        return found
    others = [
        (load, run)
        for load, runs in similar.items()
        if (load.precision, load.adapter) == (shape.precision, shape.adapter)
        for run in runs
    ]
    if not others:
        return None
    each = [run.operations_per_second for _, run in others if run.operations_per_second is not None]
    expected = median(each) * shape.devices / operations_per_unit
    return Measured(
        units_per_second=Range(low=expected / OTHER_FAMILY, expected=expected, high=expected * OTHER_FAMILY),
        same_shape=False,
        runs=len(others),
        newest=max(run.at for _, run in others),
        overhead_seconds=None,
        memory_bytes=None,
        units_per_step=None,
    )


def _is_similar(load: Shape, run: MeasuredRun, operations: float) -> bool:
    if run.operations_per_second is None:
        return False
    own = run.operations_per_second * load.devices / run.units_per_second
    return max(own / operations, operations / own) <= SIMILAR_SIZE

"""Published runs as one other run tells them, the way that the operator tells a job by those of its pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from published import Run
from scores import Told

from hostler.planning.estimate.measurements import MeasuredRun, Shape, predict
from hostler.planning.estimate.priors import Kind

_WHEN = "2026-01-01T00:00:00Z"

Near = Callable[[Run, Run], bool]


def _on_device(one: Run, other: Run) -> bool:
    return (one.framework, one.accelerator, one.precision) == (other.framework, other.accelerator, other.precision)


def _same_network(one: Run, other: Run) -> bool:
    return _on_device(one, other) and (one.model, one.kind) == (other.model, other.kind)


MEASURED = ("same network and length", "same network, another length")
"""What counts as one run of a shape: then a demand holds."""
LEVELS: Mapping[str, Near] = {
    MEASURED[0]: lambda one, other: (
        _same_network(one, other) and one.sequence_length == other.sequence_length and one.source == other.source
    ),
    MEASURED[1]: lambda one, other: (
        _same_network(one, other) and one.sequence_length != other.sequence_length and one.source == other.source
    ),
    "same network and length, another release of the framework": lambda one, other: (
        _same_network(one, other) and one.sequence_length == other.sequence_length and one.source != other.source
    ),
    "another network of its kind": lambda one, other: (
        _on_device(one, other) and one.source == other.source and one.kind == other.kind and one.model != other.model
    ),
}
"""What the run that is known has in common with the one that is told; always framework, device and precision."""


def by_another(runs: Sequence[Run], near: Near) -> list[Told]:
    """Each run, told by each single other one that is as near. All that tell one run weigh as much as one together."""
    found = []
    for run in runs:
        others = [other for other in runs if other is not run and near(run, other)]
        found += [tell(run, other, weight=1 / len(others)) for other in others]
    return found


def tell(run: Run, known: Run, *, weight: float = 1.0) -> Told:
    """What is expected of a run where one other is known."""
    measured = MeasuredRun(
        run="known",
        at=_WHEN,
        units_per_second=known.tokens * known.devices,
        units_per_step=1.0,
        operations_per_second=known.flops,
    )
    found = predict({_shape(known): (measured,)}, _shape(run), operations_per_unit=run.operations)
    assert found is not None
    return Told(told=found.units_per_second, measured=run.tokens * run.devices, weight=weight)


def _shape(run: Run) -> Shape:
    return Shape(
        family=run.framework,
        objective="",
        network=run.model,
        precision=run.precision,
        batch=run.rows * run.devices,
        length=run.sequence_length,
        adapter=run.kind is Kind.ADAPTER,
        devices=run.devices,
    )

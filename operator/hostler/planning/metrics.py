"""Whether a job measures what its gates and its target ask for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.families import family
from hostler.planning.models import NamedModel
from hostler.planning.rejection import Rejection, rejection
from hostler_contract import ObjectiveConfig
from hostler_contract.figures import figures_of, named, unmeasured

_ALIKE = 0.8
"""Share of letters that a misspelt name has in common with what was meant."""


def reject_metrics(spec: TrainingJobSpec, inputs: Iterable[NamedModel]) -> Rejection | None:
    """The first gate or target on a figure that no such job has. What depends on the data, the trainer refuses before
    its first step."""
    measured = figures_of(spec.family.value, _objective(spec), head=_head(spec, inputs))
    for index, gate in enumerate(spec.evaluation.gates):
        relative = gate.min_relative is not None or gate.max_relative is not None
        if relative and not spec.objective.needs_base:
            field = "minRelative" if gate.min_relative is not None else "maxRelative"
            text = f"objective {spec.objective} has no base to compare with: give the figure itself as min or max"
            return rejection(TrainingReason.UNSUPPORTED_COMBINATION, f"spec.evaluation.gates[{index}].{field}", text)
    for path, metric in _asked(spec):
        for _, why in unmeasured(measured, [metric]):
            near = difflib.get_close_matches(metric, [figure.name for figure in measured], n=1, cutoff=_ALIKE)
            meant = f" (did you mean {near[0]}?)" if near and named(measured, near[0]) else ""
            text = f"{metric} {why.replace('is not measured', f'is not measured by family {spec.family}{meant}')}"
            return rejection(TrainingReason.METRIC_NOT_MEASURED, path, text)
    return None


def _asked(spec: TrainingJobSpec) -> Iterator[tuple[str, str]]:
    evaluation = spec.evaluation
    for index, gate in enumerate(evaluation.gates):
        yield f"spec.evaluation.gates[{index}].metric", gate.metric
    if evaluation.stop_at is not None:
        yield "spec.evaluation.stopAt.metric", evaluation.stop_at.metric


def _objective(spec: TrainingJobSpec) -> ObjectiveConfig:
    prune = {} if spec.prune is None else {"prune": {"method": spec.prune.method.value}}
    return ObjectiveConfig.model_validate({"kind": spec.objective, **prune})


def _head(spec: TrainingJobSpec, inputs: Iterable[NamedModel]) -> str | None:
    """That of the sizes, else that of the base; None where neither says it."""
    facts = family(spec.family.value)
    block = getattr(spec.output, facts.block, None) if facts.block else None
    if block is not None:
        head: str | None = getattr(block, "head", None)
        return head
    base = next((named.model for named in inputs if named.part is None), None)
    return facts.head_of(base.task) if base is not None and base.task is not None else None

"""From what is to be said to a whole status, and to a plan."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from hostler.api.estimate import JobEstimate
from hostler.api.placement import Placement
from hostler.api.preempted import Preempted
from hostler.api.queueposition import QueuePosition
from hostler.api.trainingjob import AttemptFailure, Comparison, PreparedData, Retry, Target, TrainingProgress
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.said import change, conditions
from hostler.controllers.trainingjob.costing import charged
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.wording import AT_WORK, WARNINGS, Wording


class _Keep:
    """A field that stays as it is."""


KEEP: Final = _Keep()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Changes to a status. What is not named stays."""

    said: Wording = field(default_factory=dict)
    restarts: int | _Keep = KEEP
    disruptions: int | _Keep = KEEP
    attempt: int | _Keep = KEEP
    retry: Retry | _Keep = KEEP
    blocked_since: str | _Keep | None = KEEP
    preempted: Preempted | _Keep = KEEP
    last_failure: AttemptFailure | _Keep = KEEP
    start_time: str | _Keep = KEEP
    completion_time: str | _Keep | None = KEEP
    model: str | _Keep = KEEP
    comparison: Comparison | _Keep | None = KEEP
    target: Target | _Keep | None = KEEP
    prepared: PreparedData | _Keep = KEEP
    placement: Placement | _Keep | None = KEEP
    progress: TrainingProgress | _Keep | None = KEEP
    estimate: JobEstimate | _Keep | None = KEEP
    queue: QueuePosition | None = None
    """Unlike the others, gone where it is not said: whoever is not in line has no place in it."""


_FIELDS = tuple(entry.name for entry in fields(Report) if entry.name != "said")


def plan_of(
    seen: Observed,
    report: Report,
    *,
    apply: tuple[Object, ...] = (),
    delete: tuple[Object, ...] = (),
    bind: tuple[tuple[Object, str], ...] = (),
    requeue: float | None = None,
    status_first: bool = False,
) -> Plan:
    """The status with this report in it, and the writes that go before it."""
    before = seen.status
    said = conditions(before.conditions, report.said, generation=seen.generation, now=seen.now)
    if not report.said:
        said = tuple(c.model_copy(update={"observed_generation": seen.generation}) for c in before.conditions)
    update: dict[str, Any] = {"observed_generation": seen.generation, "conditions": said}
    if seen.choice is not None:
        update["choice"] = seen.choice
    if seen.estimate is not None:
        update["estimate"] = seen.estimate
    update |= {name: value for name in _FIELDS if not isinstance(value := getattr(report, name), _Keep)}
    after = before.model_copy(update=update)
    after = after.model_copy(update={"cost": charged(seen, after)})
    return Plan(
        apply=apply,
        bind=bind,
        status_first=status_first,
        delete=delete,
        status=after.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, said, warnings=WARNINGS, alike=AT_WORK),
        requeue_after=requeue,
    )

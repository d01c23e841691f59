"""From what is to be said to a whole status, and to a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hostler.api.common import Failure
from hostler.api.trainingjob import Comparison, Placement, Target, TrainingProgress
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.said import change, conditions
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.wording import WARNINGS, Wording


class _Keep:
    """A field that stays as it is."""


KEEP: Final = _Keep()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Changes to a status. What is not named stays."""

    said: Wording = field(default_factory=dict)
    restarts: int | None = None
    attempt: int | None = None
    last_failure: Failure | None = None
    start_time: str | None = None
    completion_time: str | None = None
    model: str | None = None
    comparison: Comparison | None = None
    target: Target | None = None
    placement: Placement | _Keep | None = KEEP
    progress: TrainingProgress | _Keep | None = KEEP


_STICKY = ("restarts", "attempt", "last_failure", "start_time", "completion_time", "model", "comparison", "target")
"""Once known, never unknown again."""


def plan_of(
    seen: Observed,
    report: Report,
    *,
    now: str,
    apply: tuple[Object, ...] = (),
    delete: tuple[Object, ...] = (),
    requeue: float | None = None,
) -> Plan:
    """The status with this report in it, and the writes that go before it."""
    before = seen.status
    said = conditions(before.conditions, report.said, generation=seen.generation, now=now)
    if not report.said:
        said = tuple(c.model_copy(update={"observed_generation": seen.generation}) for c in before.conditions)
    update: dict[str, Any] = {"observed_generation": seen.generation, "conditions": said}
    update |= {name: value for name in _STICKY if (value := getattr(report, name)) is not None}
    update |= {
        name: value for name in ("placement", "progress") if not isinstance(value := getattr(report, name), _Keep)
    }
    after = before.model_copy(update=update)
    return Plan(
        apply=apply,
        delete=delete,
        status=after.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, said, warnings=WARNINGS),
        requeue_after=requeue,
    )

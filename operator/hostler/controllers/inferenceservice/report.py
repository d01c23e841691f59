"""From what is to be said to a whole status, and to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hostler.api.common import Failure
from hostler.api.placement import Placement
from hostler.api.queueposition import QueuePosition
from hostler.controllers.inferenceservice.costing import charged
from hostler.controllers.inferenceservice.observed import Observed
from hostler.controllers.inferenceservice.wording import WARNINGS, Wording
from hostler.controllers.plan import Happening, Plan
from hostler.controllers.ports import Object
from hostler.controllers.said import change, conditions


class _Keep:
    """A field that stays as it is."""


KEEP: Final = _Keep()


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is said now. Revision, type and failure stay as they were where they are not known."""

    said: Wording
    url: str | None = None
    revision: str | None = None
    template_hash: str | None = None
    accelerator_type: str | None = None
    last_failure: Failure | None = None
    placement: Placement | _Keep | None = KEEP
    queue: QueuePosition | None = None
    """Where it stands in line; unlike the others, gone where it is not said."""
    outdated_image: str | None = None
    """Unlike the others, said anew at every look that knows the replicas."""
    notices: Mapping[tuple[str, str], Happening] = field(default_factory=dict)


def plan_of(
    seen: Observed,
    report: Report,
    *,
    now: str,
    apply: tuple[Object, ...] = (),
    delete: tuple[Object, ...] = (),
    bind: tuple[tuple[Object, str], ...] = (),
    requeue: float | None = None,
    status_first: bool = False,
) -> Plan:
    """The status with this report in it, and the writes that go before it."""
    before, rollout = seen.status, seen.rollout
    said = conditions(before.conditions, report.said, generation=seen.generation, now=now)
    update: dict[str, Any] = {
        "observed_generation": seen.generation,
        "conditions": said,
        "url": report.url,
        "queue": report.queue,
        "replicas": rollout.replicas if rollout else 0,
        "ready_replicas": rollout.ready if rollout else 0,
        "updated_replicas": rollout.updated if rollout else 0,
    }
    if before.first_ready_time is None and rollout is not None and rollout.ready:
        update["first_ready_time"] = now
    sticky = {
        "revision": report.revision,
        "template_hash": report.template_hash,
        "accelerator_type": report.accelerator_type,
        "last_failure": report.last_failure,
    }
    update |= {name: value for name, value in sticky.items() if value is not None}
    if not isinstance(report.placement, _Keep):
        update["placement"] = report.placement
    if report.revision is not None:
        update["outdated_image"] = report.outdated_image
    after = before.model_copy(update=update)
    after = after.model_copy(update={"cost": charged(seen, after, now=now)})
    return Plan(
        apply=apply,
        bind=bind,
        status_first=status_first,
        delete=delete,
        status=after.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, said, warnings=WARNINGS),
        notices=report.notices,
        requeue_after=requeue,
    )

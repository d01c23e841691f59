"""The next attempt: refused, in line, or begun."""

from __future__ import annotations

from hostler.api.placement import Placement
from hostler.api.queueposition import QueuePosition
from hostler.api.trainingjob import TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import children, progress, sentences, wording
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.report import Report, plan_of
from hostler.controllers.trainingjob.seat import Seat, Waiting
from hostler.controllers.workloads import placement_with, seats_of
from hostler.planning import moments
from hostler.planning.poolgrowth import growth_seconds
from hostler.planning.rejection import Rejection

_TOLD = frozenset(
    {
        TrainingReason.CHECKPOINT_IN_USE,
        TrainingReason.CHECKPOINT_NOT_FOUND,
        TrainingReason.INCOMPATIBLE_CHECKPOINT,
    }
)
"""Reasons that are over with a change that wakes the job (``hostler.controllers.triggers``): nothing is polled."""


def rejected(seen: Observed, settings: Settings) -> Plan:
    """Say which field is in the way. Nothing is left half-made."""
    no = seen.verdict
    assert isinstance(no, Rejection)
    requeue = None if no.reason in _TOLD else settings.recheck_seconds
    return _not_yet(seen, wording.rejected(no.reason, no.message), requeue=requeue)


def considered(seen: Observed, settings: Settings) -> Plan:
    """Say nothing, or nothing else than an earlier process has said: admission wakes the job when there is more."""
    return Plan(status=seen.job.get("status") or {})


def waiting(seen: Observed, settings: Settings) -> Plan:
    """Say what is in use, and what would let it run."""
    no = seen.verdict
    assert isinstance(no, Waiting)
    # Nothing is polled: whoever answers wakes the job when the answer is another one.
    return _not_yet(seen, wording.waiting(no.obstacle.value, no.message), queue=no.queue)


def placed(seen: Observed, settings: Settings) -> Plan:
    """Write down the seat, then the attempt's children, the Job last.

    The number of the attempt is not written down with the seat: until its Job is there it has not begun, and a crash in
    between, or a child that is refused, costs none.
    """
    seat, number = seen.verdict, seen.latest + 1
    assert isinstance(seat, Seat)
    wanted = children.attempt_children(seen, number=number, seats=seat.seats, view=seat.view, settings=settings)
    standing = sentences.standing(seen, seat.seats)
    # The same words as in the next look, which would else be a write of its own.
    text = f"{sentences.starting(number, running=0, size=seat.pods)}."
    report = Report(
        said=wording.starting(standing, text),
        blocked_since=None,
        placement=_placement(seen, seat, settings),
        progress=progress.interrupted(seen.status.progress),
        start_time=seen.status.start_time or seen.now,
    )
    return plan_of(
        seen,
        report,
        apply=wanted,
        delete=seen.obsolete,
        requeue=settings.recheck_seconds,
        status_first=report.placement != seen.status.placement,
    )


def _not_yet(
    seen: Observed, said: wording.Wording, *, queue: QueuePosition | None = None, requeue: float | None = None
) -> Plan:
    report = Report(said=said, placement=None, progress=progress.interrupted(seen.status.progress), queue=queue)
    return plan_of(seen, report, requeue=requeue)


def _placement(seen: Observed, seat: Seat, settings: Settings) -> Placement:
    before = seen.status.placement
    if before is not None and before.deadline is not None and seats_of(before) == seat.seats:
        return before  # Written down before a crash or a refusal: its time runs on.
    grace = settings.seat_grace_seconds + growth_seconds(seat.view.pool, seat.seats)
    deadline = moments.later(seen.now, seconds=grace)
    return placement_with(
        seat.seats,
        need=seat.need,
        pool=seat.view.pool.name,
        accelerator_type=seat.view.pool.spec.accelerator_type,
        per_pod=seen.spec.accelerators.per_pod,
        priority=seat.priority,
        deadline=deadline,
    )

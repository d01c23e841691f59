"""An attempt under way: tell how it goes, and put back what somebody took from under it."""

from __future__ import annotations

from dataclasses import replace

from hostler.api.placement import NodeSeats, Placement
from hostler.api.trainingjob import TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.said import conditions
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import accounting, children, progress, sentences, wording
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.controllers.trainingjob.report import KEEP, Report, plan_of
from hostler.controllers.workloads import seats_of
from hostler.planning import moments
from hostler.planning import pods as read
from hostler.planning.poolgrowth import awaited, learned
from hostler.planning.seats import assign, occupied

END_SECONDS = 10.0
"""Within which the Job controller has noticed that all pods of a Job have ended; it looks about once in a second."""


def starting(seen: Observed, settings: Settings) -> Plan:
    """Say how many pods run, and what keeps the others from it since when."""
    attempt = _newest(seen)
    standing, obstacle = _standing(seen, attempt), seen.obstacle
    count = sentences.starting(attempt.number, running=len(attempt.running), size=attempt.size)
    text = f"{count}: {obstacle.message.rstrip('.')}." if obstacle else f"{count}."
    refused = obstacle is not None and obstacle.reason is TrainingReason.CHILD_REFUSED
    since = seen.status.blocked_since if attempt.number == seen.status.attempt else None
    report = _report(
        seen,
        attempt,
        said=wording.refused(standing, text) if refused else wording.starting(standing, text),
        blocked_since=(since or seen.now) if obstacle else None,
    )
    if attempt.number == 0 and not obstacle and _is_said(seen, report):
        report = Report()  # What is new is that the first attempt is number 0, which can wait for something to tell.
    return plan_of(
        seen,
        report,
        apply=_upkeep(seen, attempt, settings),
        bind=tuple(assign(attempt.pods, seats_of(_placement(seen, attempt)))),
        delete=seen.obsolete,
        requeue=settings.recheck_seconds,
    )


def training(seen: Observed, settings: Settings) -> Plan:
    """Show the progress that rank 0 tells of."""
    attempt = _newest(seen)
    if _is_about_to_end(seen, attempt):
        # The Job says so in a moment, and what is written then is the success.
        return plan_of(seen, Report(), requeue=END_SECONDS)
    stage = seen.progress.stage if seen.progress is not None else None
    said = wording.training(_standing(seen, attempt), sentences.training(attempt), stage=stage)
    report = _report(seen, attempt, said=said, blocked_since=None)
    report = replace(report, placement=_arrived(_placement(seen, attempt)))
    # Nothing is asked here: whoever asks rank 0 wakes the job when there is something new to show.
    return plan_of(seen, report, apply=_upkeep(seen, attempt, settings), delete=seen.obsolete)


def _is_about_to_end(seen: Observed, attempt: Attempt) -> bool:
    """Whether all trainers have just ended, of an attempt that status knows of."""
    ends = [ending for pod in attempt.done if (ending := read.own_end(pod)) is not None]
    if len(ends) < attempt.size or attempt.number != seen.status.attempt:
        return False
    return all(moments.elapsed(ending.finished_at, now=seen.now) < END_SECONDS for ending in ends)


def breaking(seen: Observed, settings: Settings) -> Plan:
    """Note why, while those who know are there, and wait until all pods have ended."""
    attempt = _newest(seen)
    text = f"Attempt {attempt.number} has ended early. {sentences.waits_for_end(seen)}"
    why = accounting.first_evidence(seen, attempt)
    report = Report(
        said=wording.restarting(_standing(seen, attempt), text),
        attempt=attempt.number,
        last_failure=why if why is not None else KEEP,
        progress=progress.interrupted(seen.status.progress),
    )
    return plan_of(seen, report, delete=seen.obsolete, requeue=settings.recheck_seconds)


def _newest(seen: Observed) -> Attempt:
    assert seen.newest is not None  # the policies' live states have one
    return seen.newest


def _standing(seen: Observed, attempt: Attempt) -> wording.Standing:
    bound = sum(occupied(attempt.pods).values())
    return sentences.standing(seen, seats_of(_placement(seen, attempt)), bound=bound)


def _report(seen: Observed, attempt: Attempt, *, said: wording.Wording, blocked_since: str | None) -> Report:
    again = attempt.number != seen.status.attempt
    shown = progress.interrupted(seen.status.progress) if again else seen.status.progress
    return Report(
        said=said,
        attempt=attempt.number,
        blocked_since=blocked_since,
        placement=_placement(seen, attempt),
        start_time=seen.status.start_time or seen.now,
        progress=progress.shown(seen.progress) if seen.progress else shown,
    )


def _placement(seen: Observed, attempt: Attempt) -> Placement:
    accelerators, before = seen.spec.accelerators, seen.status.placement
    if before is not None:
        return _with_nodes(before.model_copy(update={"pods": attempt.size}), attempt)
    view = seen.pool.view
    kind = view.pool.spec.accelerator_type if view else "unknown"
    return Placement(
        pool=accelerators.pool or "", accelerator_type=kind, pods=attempt.size, per_pod=accelerators.per_pod
    )


def _with_nodes(placement: Placement, attempt: Attempt) -> Placement:
    """The nodes that all pods are bound to, in place of those that were to come for them."""
    seats = seats_of(placement)
    if not awaited(seats):
        return placement
    found = learned(seats, occupied(attempt.pods))
    nodes = tuple(NodeSeats(name=name, pods=found[name]) for name in sorted(found))
    return placement.model_copy(update={"nodes": nodes})


def _arrived(placement: Placement) -> Placement:
    """All pods have come: the reservation has no deadline any more."""
    return placement.model_copy(update={"deadline": None})


def _is_said(seen: Observed, report: Report) -> bool:
    """Whether the conditions would stay as they are."""
    said = conditions(seen.status.conditions, report.said, generation=seen.generation, now=seen.now)
    return said == seen.status.conditions and report.placement == seen.status.placement


def _upkeep(seen: Observed, attempt: Attempt, settings: Settings) -> tuple[Object, ...]:
    """What others have deleted or changed is put back; the writer writes only that."""
    return children.upkeep(seen, number=attempt.number, pods=attempt.size, settings=settings)

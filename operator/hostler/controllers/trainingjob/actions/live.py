"""An attempt under way: tell how it goes, and put back what somebody took from under it."""

from __future__ import annotations

from hostler.api.trainingjob import Placement, TrainingReason
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import accounting, children, progress, sentences, wording
from hostler.controllers.trainingjob.decision import Decision
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.controllers.trainingjob.report import KEEP, Report, plan_of


def starting(seen: Observed, settings: Settings) -> Decision:
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
    repair = _repair(seen, attempt)
    plan = plan_of(seen, report, apply=repair, delete=seen.obsolete, requeue=settings.recheck_seconds)
    return Decision(plan=plan)


def training(seen: Observed, settings: Settings) -> Decision:
    """Show the progress that rank 0 tells of."""
    attempt = _newest(seen)
    said = wording.training(_standing(seen, attempt), sentences.training(attempt))
    report = _report(seen, attempt, said=said, blocked_since=None)
    # Nothing is asked here: whoever asks rank 0 wakes the job when there is something new to show.
    return Decision(plan=plan_of(seen, report, delete=seen.obsolete))


def breaking(seen: Observed, settings: Settings) -> Decision:
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
    return Decision(plan=plan_of(seen, report, delete=seen.obsolete, requeue=settings.recheck_seconds))


def _newest(seen: Observed) -> Attempt:
    assert seen.newest is not None  # the policies' live states have one
    return seen.newest


def _standing(seen: Observed, attempt: Attempt) -> wording.Standing:
    return wording.placed(sentences.placement(seen, count=attempt.size))


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
        return before.model_copy(update={"pods": attempt.size})
    view = seen.pool().view
    kind = view.pool.spec.accelerator_type if view else "unknown"
    return Placement(pool=accelerators.pool, accelerator_type=kind, pods=attempt.size, per_pod=accelerators.per_pod)


def _repair(seen: Observed, attempt: Attempt) -> tuple[Object, ...]:
    if not seen.missing:
        return ()
    view = seen.pool().view
    if view is None or view.pool.kind is None:
        return ()
    wanted = children.surroundings(seen, number=attempt.number, pods=attempt.size, view=view)
    return tuple(child for child in wanted if child["kind"] in seen.missing)

"""The data is prepared before anything else: begun, told of, remembered, or failed for good."""

from __future__ import annotations

from hostler.api.trainingjob import PreparedData, TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import children, progress, wording
from hostler.controllers.trainingjob.actions.over import SOON_SECONDS, way_out
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.preparing import Preparing
from hostler.controllers.trainingjob.report import Report, plan_of
from hostler.manifests.preparejob import TRIES
from hostler.planning import pods as read
from hostler.planning.failures import cause_of
from hostler_contract.preparing import PreparationReport
from hostler_contract.progress import Stage

_MESSAGE_LIMIT = 1000


def preparing(seen: Observed, settings: Settings) -> Plan:
    """Make the Job, and tell how far it is; once it is done, the next look asks for a seat."""
    step = seen.verdict
    assert isinstance(step, Preparing)
    if step.job is None:
        report = _report(seen, "The data is to be prepared.")
        wanted = children.preparation_children(seen, step, settings=settings)
        return plan_of(
            seen, report, apply=wanted, delete=(*step.others, *seen.obsolete), requeue=settings.recheck_seconds
        )
    found = step.report
    if found is not None and found.key is not None:
        return _done(seen, step, found)
    if step.ended:
        return _failed(seen, step, found)
    if step.refused:
        said = wording.refused(wording.Standing(), step.refused[:_MESSAGE_LIMIT])
        return plan_of(seen, Report(said=said, placement=None), requeue=settings.recheck_seconds)
    # No watch tells of a pod that does not come, or does not begin.
    requeue = None if step.running is not None else settings.recheck_seconds
    upkeep = children.preparation_policies(seen, settings)
    return plan_of(seen, _report(seen, _sentence(step, found)), apply=upkeep, delete=step.others, requeue=requeue)


def _report(seen: Observed, text: str) -> Report:
    told = seen.progress
    reason = (
        TrainingReason.IMPORTING if told is not None and told.stage is Stage.IMPORTING else TrainingReason.PREPARING
    )
    return Report(
        said=wording.preparing(reason, text[:_MESSAGE_LIMIT]),
        placement=None,
        progress=progress.shown(told) if told is not None else progress.interrupted(seen.status.progress),
    )


def _sentence(step: Preparing, found: PreparationReport | None) -> str:
    if step.running is not None:
        return "The data is being prepared; no accelerators are asked for yet."
    obstacles = [held[0] for pod in step.pods if (held := read.start_obstacle(pod)) is not None]
    said = f"The data is to be prepared, but {obstacles[0]}." if obstacles else "The data is to be prepared."
    if found is not None and found.message:
        said = f"{said} The last pod gave up, and another one goes on: {found.message.rstrip('.')}."
    return f"{said} {step.held_up}".strip()


def _done(seen: Observed, step: Preparing, found: PreparationReport) -> Plan:
    """Remember it. The Job goes with the next look, when its word is in the status."""
    assert found.key is not None
    prepared = PreparedData(
        job=step.name,
        key=found.key,
        sha256=found.sha256 or "",
        size_bytes=found.size_bytes,
        seconds=f"{found.seconds:.3g}",
        found=found.found,
    )
    report = Report(
        said=wording.pending("The data is prepared."),
        prepared=prepared,
        placement=None,
        progress=progress.interrupted(seen.status.progress),
    )
    return plan_of(seen, report, requeue=SOON_SECONDS)


def _failed(seen: Observed, step: Preparing, found: PreparationReport | None) -> Plan:
    """Stop for good: the same data would fail again, and what was passing was tried again by the Job."""
    if found is not None and found.reason is not None:
        reason, why, passing = found.reason.value, found.message or found.reason.value, found.reason.retryable
    else:
        cause = cause_of(step.pods, attempt=0)
        reason, why, passing = cause.reason, cause.message, cause.retryable
    again = f"{TRIES} pods of Job {step.name} met it" if passing else "Another try would meet it again"
    text = f"The data could not be prepared: {why.rstrip('.')}. {again}: {way_out(reason)}."
    report = Report(
        said=wording.failed(reason, text[:_MESSAGE_LIMIT]),
        placement=None,
        progress=progress.interrupted(seen.status.progress),
        completion_time=seen.now,
    )
    return plan_of(seen, report)

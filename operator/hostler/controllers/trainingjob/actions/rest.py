"""Nothing runs, by a person's wish or because the job is over; and a person who wants it to go on."""

from __future__ import annotations

from hostler.api.conditions import find
from hostler.api.trainingjob import TrainingCondition, TrainingReason
from hostler.controllers.plan import Plan
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import accounting, progress, sentences, wording
from hostler.controllers.trainingjob.actions.over import between, doomed, kept
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.report import KEEP, Report, plan_of


def expired(seen: Observed, settings: Settings) -> Plan:
    """Delete the job; what belongs to it goes with it, and the Model belongs to nobody."""
    return plan_of(seen, Report(), delete=(seen.job,))


def ended(seen: Observed, settings: Settings) -> Plan:
    """Let go of a seat that is still held: a stranger's container may have outlived the trainer."""
    return plan_of(seen, Report(), delete=doomed(seen))


def suspended(seen: Observed, settings: Settings) -> Plan:
    """Pods go, the claim stays. The attempt's number is remembered, so that the next one gets another: first of all,
    because who resumes the job while its Job is deleted makes the status that would have said so a conflict."""
    held = seen.newest is not None and not seen.newest.job_ended
    step = seen.status.progress.checkpoint_step if seen.status.progress else None
    where = f"the checkpoint of step {step}" if step is not None else "the newest checkpoint"
    begun = seen.latest >= 0
    text = f"Resumes from {where} when spec.suspend is set to false." if begun else "Starts when spec.suspend is false."
    ending = bool(seen.unended) or held
    if ending:
        text = f"Waits for the end of its pods. {text}"
    report = _without_attempt(seen, wording.suspended(text), ending=ending)
    # A preparation goes on from its shards when the job is resumed; one that is told is among the obsolete.
    preparing = tuple(each for each in seen.preparations if each not in seen.obsolete)
    delete = (*(doomed(seen) if held else ()), *preparing, *seen.obsolete)
    requeue = settings.recheck_seconds if ending else None
    return plan_of(seen, report, delete=delete, status_first=held, requeue=requeue)


def outdated(seen: Observed, settings: Settings) -> Plan:
    """The attempt goes as if the job were suspended, which it was when somebody changed it."""
    text = f"The spec has changed while the job was suspended. {sentences.waits_for_end(seen)}"
    report = _without_attempt(seen, wording.between(text), ending=True)
    return plan_of(
        seen, report, delete=(*doomed(seen), *seen.obsolete), status_first=True, requeue=settings.recheck_seconds
    )


def _without_attempt(seen: Observed, said: wording.Wording, *, ending: bool) -> Report:
    """The newest attempt is over at no cost. Pods that still end hold what they had: nobody else may be promised it
    before."""
    begun = seen.latest >= 0
    return Report(
        said=said,
        attempt=seen.latest if begun else KEEP,
        retry=accounting.closed(seen, number=seen.latest) if begun else KEEP,
        blocked_since=None,
        placement=kept(seen) if ending else None,
        progress=progress.interrupted(seen.status.progress),
    )


def resumed(seen: Observed, settings: Settings) -> Plan:
    """Take the end back. What follows is an ordinary job that has lost an attempt."""
    stalled = find(seen.status.conditions, TrainingCondition.STALLED)
    failed = stalled is not None and stalled.reason == TrainingReason.RESTARTS_EXHAUSTED
    retry = accounting.resumed(seen)
    report = Report(
        said=between(seen.status.last_failure, retry),
        # The attempt that was one too many is replaced after all.
        restarts=seen.status.restarts + failed,
        retry=retry,
        completion_time=None,
        placement=None,
    )
    return plan_of(seen, report, requeue=settings.recheck_seconds)

"""An attempt that has ended without a result: count it, clear it away, wait until the next one is due."""

from __future__ import annotations

from hostler.api.placement import Placement
from hostler.api.trainingjob import AttemptFailure, Retry, TrainingReason
from hostler.controllers.costing import show_money
from hostler.controllers.plan import Plan
from hostler.controllers.ports import Object
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import accounting, sentences, wording
from hostler.controllers.trainingjob.costing import bill_of
from hostler.controllers.trainingjob.leaving import has_left
from hostler.controllers.trainingjob.observed import Attempt, Observed
from hostler.controllers.trainingjob.progress import interrupted
from hostler.controllers.trainingjob.report import KEEP, Report, plan_of
from hostler.controllers.trainingjob.timelimits import limit_at_hand
from hostler.manifests.naming import attempt_name
from hostler.planning import moments
from hostler.planning.failures import Cause, Toll
from hostler.planning.memory import advice, after_out_of_memory
from hostler.planning.placement import loss_sentence
from hostler.planning.verdicts import Loss
from hostler_contract import ErrorReason

SOON_SECONDS = 2.0
"""Until caches that do not wait for each other agree."""
JOB_DELETED = "JobDeleted"
TAKEN_BACK = "TakenBack"
_WORTH_A_PAUSE = (Loss.PODS_DID_NOT_COME, Loss.NODES_DID_NOT_COME)
"""Losses of which the next plan knows nothing, so that it would come to the same."""
_WAYS_OUT = {
    ErrorReason.DATASET_NOT_FOUND: "put the data where spec.dataset says, or make a new job that names another place",
    ErrorReason.DATASET_INVALID: "correct the data",
    ErrorReason.DATASET_CHANGED: "only a new job can learn from the data as it is now",
    ErrorReason.CHECKPOINT_UNREADABLE: "restore the checkpoint on the job's claim, or remove it",
    ErrorReason.TRAINING_DIVERGED: "make a new job with a lower learningRate or more warmupSteps",
    ErrorReason.STORAGE_FULL: "enlarge the claim, or keep fewer checkpoints",
    ErrorReason.INVALID_CONFIGURATION: "make a new job whose spec has it right",
    ErrorReason.ARTIFACT_UNREADABLE: "mend the files of the Models that spec.base and spec.parts name",
    TrainingReason.COST_LIMIT_REACHED: "a larger spec.maxCost resumes it",
    TrainingReason.DURATION_LIMIT_REACHED: "a larger spec.maxDuration resumes it",
    TrainingReason.DEADLINE_EXCEEDED: "only a new job with a larger activeDeadlineSeconds can finish it",
}
_OTHER_WAY_OUT = "change what caused it in a new job"


def awaiting_end(seen: Observed, settings: Settings) -> Plan:
    """Wait for the last words, which may still tell the cause, and for the workspace."""
    attempt = _newest(seen)
    standing = wording.placed(sentences.placement(seen, count=attempt.size))
    text = f"Attempt {attempt.number} failed. {sentences.waits_for_end(seen)}"
    why = accounting.first_evidence(seen, attempt)
    report = Report(
        said=wording.restarting(standing, text),
        attempt=attempt.number,
        last_failure=why if why is not None else KEEP,
        progress=interrupted(seen.status.progress),
    )
    return plan_of(seen, report, requeue=settings.recheck_seconds)


def failed(seen: Observed, settings: Settings) -> Plan:
    """Count it, and stop for good where another attempt is of no use, or one too many."""
    attempt = _newest(seen)
    return count(seen, accounting.cause(seen, attempt), number=attempt.number)


def vanished(seen: Observed, settings: Settings) -> Plan:
    """Somebody deleted the Job: a disruption, and nobody is left who could say of what."""
    name = attempt_name(seen.name, seen.remembered)
    cause = Cause(reason=JOB_DELETED, message=f"Job {name} was deleted", toll=Toll.DISRUPTION)
    return count(seen, cause, number=seen.remembered)


def taken_back(seen: Observed, settings: Settings) -> Plan:
    """Count it first, because its Job is deleted in the next look, and nothing would tell of it then."""
    attempt = _newest(seen)
    # A gang of which pods are still to come has not trained; where some ran, they were disturbed all the same.
    toll = Toll.DISRUPTION if attempt.running else Toll.REFUSAL
    return count(seen, _of_loss(seen, reason=TAKEN_BACK, toll=toll), number=attempt.number)


def seat_lost(seen: Observed, settings: Settings) -> Plan:
    """Be in line again; where no pods came after a wait, because others might have pods that come."""
    cause = _of_loss(seen, reason=TrainingReason.START_TIMEOUT.value, toll=Toll.REFUSAL)
    retry = seen.retry
    if not cause.at_once:
        in_a_row = retry.refusals + 1
        wait = accounting.back_off_seconds(Toll.REFUSAL, in_a_row=in_a_row)
        retry = retry.model_copy(update={"refusals": in_a_row, "not_before": moments.later(seen.now, seconds=wait)})
    failure = accounting.failure_of(cause, number=seen.latest + 1)
    report = Report(said=between(failure, retry), retry=retry, last_failure=failure, placement=None)
    return plan_of(seen, report, requeue=_until_due(seen, retry))


def _of_loss(seen: Observed, *, reason: str, toll: Toll) -> Cause:
    """Why the seat is gone. The next plan knows of a node that is not there and of a stranger who sits somewhere, so
    only pods that did not come are a reason to wait."""
    assert seen.taken_back is not None  # the policies' states of a lost seat have one
    at_once = toll is Toll.REFUSAL and seen.taken_back.loss not in _WORTH_A_PAUSE
    said = reason if seen.taken_back.loss in _WORTH_A_PAUSE else TAKEN_BACK
    return Cause(reason=said, message=loss_sentence(seen.taken_back), toll=toll, at_once=at_once)


def overdue(seen: Observed, settings: Settings) -> Plan:
    """Give the seat back: others may have pods that would start."""
    assert seen.obstacle is not None
    minutes = f"{seen.start_grace_seconds / 60:.3g} min"
    text = f"its pods did not start within {minutes}: {seen.obstacle.message}"
    cause = Cause(reason=TrainingReason.START_TIMEOUT.value, message=text, toll=Toll.REFUSAL)
    return count(seen, cause, number=_newest(seen).number)


def out_of_time(seen: Observed, settings: Settings) -> Plan:
    """Stop for good; the pods have their time for a last checkpoint."""
    limit, took = seen.spec.active_deadline_seconds, moments.duration(accounting.active_seconds(seen))
    text = f"its attempts have taken {took}, and spec.activeDeadlineSeconds is {limit}"
    cause = Cause(reason=TrainingReason.DEADLINE_EXCEEDED.value, message=text, retryable=False)
    return count(seen, cause, number=max(0, seen.latest))


def limit_reached(seen: Observed, settings: Settings) -> Plan:
    """Stop while a last checkpoint still is within the limit; a person who raises it has the job go on."""
    reason, spec = limit_at_hand(seen), seen.spec
    if reason is TrainingReason.DURATION_LIMIT_REACHED:
        took = moments.duration(accounting.active_seconds(seen))
        text, limit = f"its attempts have taken {took}, and spec.maxDuration is {spec.max_duration}", spec.max_duration
    else:
        assert spec.max_cost is not None  # it is the other limit
        assert seen.status.cost is not None  # nothing is at a limit that has cost nothing
        sums = bill_of(seen.status.cost).total(seen.now)
        spent = " and ".join(f"{show_money(amount)} {currency}" for currency, amount in sums.items())
        limit = spec.max_cost.amount
        text = f"it has cost {spent}, and spec.maxCost is {limit} {spec.max_cost.currency}"
    assert reason is not None  # the policies' state has one
    cause = Cause(reason=reason.value, message=text, retryable=False)
    return count(seen, cause, number=max(0, seen.latest), limit=limit)


def count(seen: Observed, cause: Cause, *, number: int, limit: str | None = None) -> Plan:
    """One write of status says what the attempt cost and what comes next. Only then may anything be deleted."""
    cause = after_out_of_memory(cause, seen.spec, halvings=seen.retry.halvings, view=seen.pool.view)
    account = accounting.counted(seen, cause, number=number)
    said, completion_time = _next(seen, cause, account), None
    if not cause.retryable or account.exhausted is not None:
        completion_time = seen.now
    report = Report(
        said=said,
        attempt=max(number, seen.latest),
        restarts=account.restarts,
        disruptions=account.disruptions,
        retry=account.retry if limit is None else account.retry.model_copy(update={"stopped_at": limit}),
        last_failure=account.failure,
        blocked_since=None,
        completion_time=completion_time,
        # The seat stays for the next attempt, unless it was the seat that was wrong.
        placement=kept(seen) if cause.toll is not Toll.REFUSAL and cause.reason != TAKEN_BACK else None,
        progress=interrupted(seen.status.progress),
    )
    attempt = seen.newest
    # What only pods of this attempt have read. Where the Job still stands, it goes with the Job.
    gone = seen.services if attempt is None or attempt.job_ended else ()
    return plan_of(seen, report, delete=(*gone, *seen.obsolete), requeue=_until_due(seen, account.retry))


def clearing(seen: Observed, settings: Settings) -> Plan:
    """Delete the Job of an attempt that is counted; its pods go with it."""
    return plan_of(seen, Report(), delete=doomed(seen), requeue=SOON_SECONDS)


def awaiting_pods(seen: Observed, settings: Settings) -> Plan:
    """Say which pods have to end before anything begins."""
    text = sentences.waits_for_end(seen)
    said = wording.pending(text) if seen.latest < 0 else wording.between(text)
    if has_left(seen):
        said = wording.preempted(f"{sentences.preempted_for(seen)} {text}")
    report = Report(said=said, progress=interrupted(seen.status.progress))
    return plan_of(seen, report, requeue=settings.recheck_seconds)


def backing_off(seen: Observed, settings: Settings) -> Plan:
    """Say when the next attempt begins."""
    report = Report(said=between(seen.status.last_failure, seen.retry))
    return plan_of(seen, report, requeue=_until_due(seen, seen.retry))


def kept(seen: Observed) -> Placement | None:
    """The seat without a deadline: no pods are awaited while the next attempt is not due."""
    placement = seen.status.placement
    return None if placement is None else placement.model_copy(update={"deadline": None})


def doomed(seen: Observed) -> tuple[Object, ...]:
    """The newest attempt with all that only it uses, the Job last: by the Job the rest is found."""
    attempt = seen.newest
    if attempt is None or attempt.deleted:
        return seen.services
    return (*seen.services, attempt.job)


def between(why: AttemptFailure | None, retry: Retry) -> wording.Wording:
    """What is said between two attempts."""
    ended = "" if why is None else f" Attempt {why.attempt} ended ({why.reason}): {why.message.rstrip('.')}."
    if retry.not_before is None:
        return wording.between(f"The next attempt begins when there is room.{ended}")
    refused = why is not None and why.toll == Toll.REFUSAL.value
    reason = TrainingReason.START_TIMEOUT if refused else TrainingReason.BACK_OFF
    return wording.backing_off(reason, f"The next attempt begins after {retry.not_before}.{ended}")


def _next(seen: Observed, cause: Cause, account: accounting.Account) -> wording.Wording:
    number = account.retry.after
    if not cause.retryable:
        return wording.failed(cause.reason, _with_way_out(seen, cause))
    last = f"The last one ({cause.reason}): {cause.message}"
    if account.exhausted is TrainingReason.RESTARTS_EXHAUSTED:
        text = (
            f"Attempt {number} failed and spec.maxRestarts is {seen.spec.max_restarts}: a larger one resumes the job. "
            f"{last}"
        )
        return wording.failed(account.exhausted, text)
    if account.exhausted is not None:
        text = (
            f"{account.retry.disruptions} disruptions in a row without a new checkpoint, and spec.maxDisruptions is "
            f"{seen.spec.max_disruptions}: a larger one resumes the job, and a smaller checkpoint.everySteps keeps "
            f"more of its work. {last}"
        )
        return wording.failed(account.exhausted, text)
    return between(account.failure, account.retry)


def way_out(reason: str) -> str:
    """What to do about a failure for good."""
    return {known.value: way for known, way in _WAYS_OUT.items()}.get(reason, _OTHER_WAY_OUT)


def _with_way_out(seen: Observed, cause: Cause) -> str:
    known = way_out(cause.reason)
    if cause.reason == ErrorReason.OUT_OF_MEMORY:
        known = advice(seen.spec, halvings=seen.retry.halvings, view=seen.pool.view)
    text = f"{cause.message.rstrip('.')}. Another attempt would meet it again: {known}."
    progress = seen.status.progress
    if progress is None or progress.checkpoint_step is None or cause.reason == ErrorReason.CHECKPOINT_UNREADABLE:
        return text
    step = progress.checkpoint_step
    return f"{text} A new job with spec.resumeFrom.trainingJob: {seen.name} goes on from step {step}."


def _until_due(seen: Observed, retry: Retry) -> float:
    if retry.not_before is None:
        return SOON_SECONDS
    return max(SOON_SECONDS, moments.elapsed(seen.now, now=retry.not_before))


def _newest(seen: Observed) -> Attempt:
    assert seen.newest is not None  # the policies' states of an attempt have one
    return seen.newest

"""What attempts cost: who pays for the end of one, how many are left, and when the next one may begin.

An attempt is counted once, in one write of status, before its Job may go or the next one is made. A crash at any moment
therefore leaves an attempt that is counted, or one that can be counted again.
"""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.trainingjob import AttemptFailure, Retry, TrainingJobSpec, TrainingReason
from hostler.controllers.trainingjob.observed import Attempt, AttemptState, Observed
from hostler.planning import moments
from hostler.planning.failures import Cause, Toll, cause_of, evidence
from hostler_contract import ErrorReason

_FIRST_SECONDS, _MOST_SECONDS = 10.0, 300.0
"""Of the back-off, doubled with each end in a row: the kubelet's own figures for a crashing container."""
_FIRST_REFUSAL_SECONDS, LONGEST_BACK_OFF_SECONDS = 60.0, 1800.0
"""Of the back-off after a seat was given back: a pod that an administrator has to let in is not let in by asking, and
each attempt holds devices that others could use."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What status says after an attempt was counted."""

    retry: Retry
    restarts: int
    disruptions: int
    failure: AttemptFailure
    exhausted: TrainingReason | None = None
    """The limit that leaves no further attempt."""


def cause(seen: Observed, attempt: Attempt) -> Cause:
    """Why an attempt that is over failed."""
    return cause_of(
        attempt.pods, attempt=attempt.number, lost_nodes=seen.lost_nodes, recorded=_recorded(seen, attempt.number)
    )


def first_evidence(seen: Observed, attempt: Attempt) -> AttemptFailure | None:
    """What is known of why an attempt ends, while it ends; None where nothing is.

    It is noted, because the Job controller lets go of pods that it has counted: of a drained node's pod, nothing may be
    left when the Job has failed.
    """
    recorded = _recorded(seen, attempt.number)
    found = evidence(attempt.pods, lost_nodes=seen.lost_nodes, recorded=recorded)
    return None if found is None else failure_of(found, number=attempt.number)


def failure_of(found: Cause, *, number: int) -> AttemptFailure:
    """A cause as status has it."""
    return AttemptFailure(
        reason=found.reason, message=found.message, exit_code=found.exit_code, attempt=number, toll=found.toll.value
    )


def counted(seen: Observed, found: Cause, *, number: int) -> Account:
    """The account with this attempt in it, and with those before it that a crash left uncounted."""
    account = Account(
        retry=seen.retry,
        restarts=seen.status.restarts,
        disruptions=seen.status.disruptions,
        failure=failure_of(found, number=number),
    )
    for attempt in seen.attempts:
        if seen.retry.after < attempt.number < number and attempt.state is not AttemptState.LIVE:
            account = _after(account, cause(seen, attempt), number=attempt.number, seen=seen)
    return _after(account, found, number=number, seen=seen)


def closed(seen: Observed, *, number: int) -> Retry:
    """The record with an attempt in it that cost nothing but its time: a person suspended it."""
    active = seen.retry.active_seconds
    if number > seen.retry.after:
        active += _seconds_of(seen, number)
    return seen.retry.model_copy(
        update={"after": max(number, seen.retry.after), "not_before": None, "active_seconds": active}
    )


def active_seconds(seen: Observed) -> float:
    """Seconds that all attempts have taken so far, the one under way included."""
    running = seen.newest
    counted_before = running is None or running.number <= seen.retry.after
    return seen.retry.active_seconds + (0 if counted_before or running is None else _seconds_of(seen, running.number))


def resumed(seen: Observed) -> Retry:
    """The record of a job that goes on because a person raised its limit, without any further wait."""
    return seen.retry.model_copy(update={"not_before": None})


def back_off_seconds(toll: Toll, *, in_a_row: int) -> float:
    """How long the next attempt waits: not at all after one disruption, which is nobody's fault."""
    if toll is Toll.REFUSAL:
        return _doubled(_FIRST_REFUSAL_SECONDS, times=in_a_row - 1, most=LONGEST_BACK_OFF_SECONDS)
    if toll is Toll.DISRUPTION:
        return 0.0 if in_a_row == 1 else _doubled(_FIRST_SECONDS, times=in_a_row - 2, most=_MOST_SECONDS)
    return _doubled(_FIRST_SECONDS, times=in_a_row - 1, most=_MOST_SECONDS)


def _after(account: Account, found: Cause, *, number: int, seen: Observed) -> Account:
    before, reached = account.retry, _newest_checkpoint(seen)
    if reached > before.checkpoint_step:
        before = Retry(after=before.after, halvings=before.halvings, active_seconds=before.active_seconds)
    if found.shrinks:
        before = before.model_copy(update={"halvings": before.halvings + 1})
    row = {Toll.FAILURE: "failures", Toll.DISRUPTION: "disruptions", Toll.REFUSAL: "refusals"}[found.toll]
    in_a_row = getattr(before, row) + (not found.at_once)
    wait = 0.0 if found.at_once else back_off_seconds(found.toll, in_a_row=in_a_row)
    retry = before.model_copy(
        update={
            "after": number,
            "checkpoint_step": max(reached, account.retry.checkpoint_step),
            "not_before": moments.later(seen.now, seconds=wait) if wait else None,
            "active_seconds": before.active_seconds + (_seconds_of(seen, number) if number > before.after else 0),
            row: in_a_row,
        }
    )
    exhausted = _exhausted(seen.spec, account, found, retry)
    return Account(
        retry=retry,
        restarts=account.restarts + (_is_restart(found) and exhausted is None),
        disruptions=account.disruptions + (found.toll is Toll.DISRUPTION),
        failure=account.failure,
        exhausted=exhausted,
    )


def _seconds_of(seen: Observed, number: int) -> int:
    """From the creation of an attempt's Job until it ended, or until now. One whose Job somebody has deleted counts
    nothing: nobody is left who could say when it began."""
    attempt = next((each for each in seen.attempts if each.number == number), None)
    began = attempt.job["metadata"].get("creationTimestamp") if attempt is not None else None
    if attempt is None or began is None:
        return 0
    return max(0, round(moments.elapsed(began, now=attempt.ended_at or seen.now)))


def _is_restart(found: Cause) -> bool:
    """What counts against maxRestarts. A smaller size is no second try at the same thing, and is bounded by itself."""
    return found.toll is Toll.FAILURE and found.retryable and not found.shrinks


def _exhausted(spec: TrainingJobSpec, account: Account, found: Cause, retry: Retry) -> TrainingReason | None:
    if found.toll is Toll.FAILURE and not found.shrinks and account.restarts >= spec.max_restarts:
        return TrainingReason.RESTARTS_EXHAUSTED
    if found.toll is Toll.DISRUPTION and retry.disruptions > spec.max_disruptions:
        return TrainingReason.DISRUPTIONS_EXHAUSTED
    return None


def _newest_checkpoint(seen: Observed) -> int:
    progress = seen.status.progress
    return 0 if progress is None else max(progress.checkpoint_step or 0, progress.resumed_from_step or 0)


def _doubled(first: float, *, times: int, most: float) -> float:
    return min(most, first * 2.0 ** min(times, 16))


def _recorded(seen: Observed, number: int) -> Cause | None:
    """What an earlier look noted of this attempt."""
    noted = seen.status.last_failure
    if noted is None or noted.attempt != number or noted.toll not in set(Toll):
        return None
    known = {reason.value: reason for reason in ErrorReason}.get(noted.reason)
    return Cause(
        reason=noted.reason,
        message=noted.message,
        exit_code=noted.exit_code,
        retryable=known is None or known.retryable,
        toll=Toll(noted.toll),
    )

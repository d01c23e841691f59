"""What state a TrainingJob is in: the first policy that applies, in an order that is argued for entry by entry.

After cert-manager's policy chains (``internal/controller/certificates/policies``): pure predicates over what was
gathered, and nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable

from hostler.api.conditions import find
from hostler.api.trainingjob import TrainingCondition, TrainingReason
from hostler.controllers.trainingjob.accounting import LONGEST_BACK_OFF_SECONDS
from hostler.controllers.trainingjob.finish import made_by
from hostler.controllers.trainingjob.leaving import gives_back, holds_for_others, is_growing, is_preempted
from hostler.controllers.trainingjob.observed import AttemptState, Observed
from hostler.controllers.trainingjob.preparing import Preparing
from hostler.controllers.trainingjob.seat import Considered, Waiting
from hostler.controllers.trainingjob.states import State
from hostler.controllers.trainingjob.timelimits import has_expired, is_at_limit, is_out_of_time, is_raised
from hostler.manifests.job import asked
from hostler.planning import moments
from hostler.planning.rejection import Rejection

Predicate = Callable[[Observed], bool]


def classify(seen: Observed) -> State:
    """The state of this moment."""
    return next(state for applies, state in POLICIES if applies(seen))


def wants_seat(seen: Observed) -> bool:
    """Whether a seat for the next attempt is all that is missing, as far as the rest was gathered."""
    return not any(applies(seen) for applies, _ in _BEFORE_SEAT)


def _limit_was_raised(seen: Observed) -> bool:
    stalled = find(seen.status.conditions, TrainingCondition.STALLED)
    if stalled is None or stalled.status != "True":
        return False
    if stalled.reason == TrainingReason.RESTARTS_EXHAUSTED:
        return seen.spec.max_restarts > seen.status.restarts
    if stalled.reason == TrainingReason.DISRUPTIONS_EXHAUSTED:
        return seen.spec.max_disruptions >= seen.retry.disruptions
    return is_raised(seen, stalled.reason)


def _has_ended(seen: Observed) -> bool:
    return seen.ended


def _model_is_ours(seen: Observed) -> bool:
    return seen.model is not None and made_by(seen.model, seen.uid)


def _is_counted_and_there(seen: Observed) -> bool:
    newest = seen.newest
    return newest is not None and newest.number <= seen.retry.after and not newest.job_ended


def _is_uncounted(seen: Observed, state: AttemptState) -> bool:
    newest = seen.newest
    if newest is None or newest.state is not state or newest.number < seen.remembered:
        return False
    told = seen.status.preempted
    # Who was told to leave and was done before it could is done: its result is as good as any.
    done_all_the_same = state is AttemptState.COMPLETE and told is not None and told.attempt == newest.number
    return newest.number > seen.retry.after or (done_all_the_same and newest.number == seen.retry.after)


def _result_is_on_its_way(seen: Observed) -> bool:
    return _is_uncounted(seen, AttemptState.COMPLETE) and seen.newest is not None and seen.newest.silent


def _is_complete(seen: Observed) -> bool:
    return _is_uncounted(seen, AttemptState.COMPLETE)


def _failed_with_pods_left(seen: Observed) -> bool:
    left = bool(seen.unended) and seen.newest is not None and not seen.newest.abandoned
    return left and _is_uncounted(seen, AttemptState.FAILED)


def _has_failed(seen: Observed) -> bool:
    return _is_uncounted(seen, AttemptState.FAILED)


def _has_vanished(seen: Observed) -> bool:
    """Suspended jobs delete their Job themselves, and a crash may come before status says so."""
    gone = seen.newest is None or seen.newest.number < seen.remembered
    return gone and seen.remembered > seen.retry.after and not seen.spec.suspend


def _is_suspended(seen: Observed) -> bool:
    return seen.spec.suspend


def _is_live(seen: Observed) -> bool:
    return _is_uncounted(seen, AttemptState.LIVE)


def _is_outdated(seen: Observed) -> bool:
    newest = seen.newest
    return _is_live(seen) and newest is not None and newest.asked not in (None, asked(seen.spec))


def _is_taken_back(seen: Observed) -> bool:
    return _is_live(seen) and seen.taken_back is not None


def _is_breaking(seen: Observed) -> bool:
    newest = seen.newest
    return _is_live(seen) and newest is not None and (bool(newest.hurt) or newest.deleted)


def _is_overdue(seen: Observed) -> bool:
    since = seen.status.blocked_since
    if not _is_live(seen) or seen.obstacle is None or since is None or seen.newest is None:
        return False
    if seen.newest.number != seen.status.attempt:
        return False  # what was noted speaks of an earlier attempt
    return moments.elapsed(since, now=seen.now) >= seen.start_grace_seconds


def _all_pods_run(seen: Observed) -> bool:
    newest = seen.newest
    return _is_live(seen) and newest is not None and len(newest.running) + len(newest.done) >= newest.size


def _pods_are_left(seen: Observed) -> bool:
    return bool(seen.unended)


def _lost_its_seat(seen: Observed) -> bool:
    return seen.reserved and seen.taken_back is not None


def _is_backing_off(seen: Observed) -> bool:
    until = seen.retry.not_before
    if until is None:
        return False
    # A wait that is longer than any is what a clock leaves behind that was set back.
    return 0 < moments.elapsed(seen.now, now=until) <= LONGEST_BACK_OFF_SECONDS


def _is_rejected(seen: Observed) -> bool:
    return isinstance(seen.verdict, Rejection)


def _is_preparing(seen: Observed) -> bool:
    return isinstance(seen.verdict, Preparing)


def _is_considered(seen: Observed) -> bool:
    return isinstance(seen.verdict, Considered)


def _has_no_room(seen: Observed) -> bool:
    return isinstance(seen.verdict, Waiting)


def _otherwise(seen: Observed) -> bool:
    return True


_BEFORE_SEAT: tuple[tuple[Predicate, State], ...] = (
    # A person's edit is the one thing that takes an end back, so it is looked at before the end.
    (_limit_was_raised, State.RESUMED),
    # It goes as a whole, so nothing of it is looked after any more.
    (has_expired, State.EXPIRED),
    # Most jobs of a cluster have ended. Nothing else is read of them, so no later policy may see them.
    (_has_ended, State.ENDED),
    # A Model with this job's UID proves its success, whatever has become of Job and pods since: no policy that could
    # begin another attempt comes before.
    (_model_is_ours, State.REGISTERED),
    # What is counted as over is not looked at again: not for a result, and not as running, while its pods go. After
    # the Model, because the Job of a registered one goes with the job's end.
    (_is_counted_and_there, State.CLEARING),
    # Success comes before suspension: the work is done, and holds nothing any more. The words of the pods have to be
    # there first, because without them it would look like a result that is lost.
    (_result_is_on_its_way, State.AWAITING_RESULT),
    (_is_complete, State.COMPLETE),
    # No two attempts may write to one workspace, and the pods that still end may tell the cause better.
    (_failed_with_pods_left, State.AWAITING_END),
    # Before suspension: a failure has to be counted, else suspending and resuming would wash it off.
    (_has_failed, State.FAILED),
    (_has_vanished, State.VANISHED),
    # Everything above looks back; from here on it is about attempts that run or are to be made, and a suspended job
    # has none.
    (_is_suspended, State.SUSPENDED),
    # Before anything that would begin an attempt or keep one: there is no time for it.
    (is_out_of_time, State.OUT_OF_TIME),
    (is_at_limit, State.LIMIT_REACHED),
    # Somebody has suspended the job, changed it and resumed it, and this is the first look since.
    (_is_outdated, State.OUTDATED),
    # Others need the seat whether or not the attempt does well with it.
    (_is_taken_back, State.TAKEN_BACK),
    # One pod that ends is news of all of them, so it comes before what the others do or wait for.
    (_is_breaking, State.BREAKING),
    # After what ends by itself, which has to be counted: a failure would else be washed off.
    (is_preempted, State.PREEMPTED),
    (is_growing, State.GROWING),
    # All pods run: an obstacle that a cache still shows is over.
    (_all_pods_run, State.TRAINING),
    (_is_overdue, State.OVERDUE),
    (_is_live, State.STARTING),
    # From here on there is no attempt under way. Pods of an earlier one, or of a deleted job of this name, still write
    # to the workspace or hold its claim.
    (_pods_are_left, State.AWAITING_PODS),
    # What it was told to leave, once nobody sits there any more; and before it asks for anything again.
    (holds_for_others, State.CALLED_AWAY),
    (gives_back, State.GIVING_BACK),
    # Given up in a write of its own, and where no pods came with a wait: else the oldest in line would be given the
    # same seat for ever.
    (_lost_its_seat, State.SEAT_LOST),
    # Before admission is asked, so that nothing is granted to a job that would not take it yet.
    (_is_backing_off, State.BACKING_OFF),
)
"""Who is in one of these states wants no seat."""

POLICIES: tuple[tuple[Predicate, State], ...] = (
    *_BEFORE_SEAT,
    # Admission was asked while everything was gathered: these five are the whole answer.
    (_is_rejected, State.REJECTED),
    (_is_preparing, State.PREPARING),
    (_is_considered, State.CONSIDERED),
    (_has_no_room, State.WAITING),
    (_otherwise, State.PLACED),
)

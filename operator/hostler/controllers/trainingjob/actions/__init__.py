"""What is done in each state: one action for each, in modules by the chapter of a job's life."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hostler.controllers.plan import Plan
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob.actions import begin, leave, live, over, prepare, rest, result
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.trainingjob.states import State

Action = Callable[[Observed, Settings], Plan]

ACTIONS: Mapping[State, Action] = {
    State.REJECTED: begin.rejected,
    State.PREPARING: prepare.preparing,
    State.CONSIDERED: begin.considered,
    State.WAITING: begin.waiting,
    State.SEAT_LOST: over.seat_lost,
    State.PLACED: begin.placed,
    State.STARTING: live.starting,
    State.TRAINING: live.training,
    State.BREAKING: live.breaking,
    State.AWAITING_END: over.awaiting_end,
    State.FAILED: over.failed,
    State.VANISHED: over.vanished,
    State.OUT_OF_TIME: over.out_of_time,
    State.LIMIT_REACHED: over.limit_reached,
    State.OUTDATED: rest.outdated,
    State.TAKEN_BACK: over.taken_back,
    State.PREEMPTED: leave.preempted,
    State.CALLED_AWAY: leave.called_away,
    State.GIVING_BACK: leave.giving_back,
    State.GROWING: leave.growing,
    State.OVERDUE: over.overdue,
    State.CLEARING: over.clearing,
    State.AWAITING_PODS: over.awaiting_pods,
    State.BACKING_OFF: over.backing_off,
    State.AWAITING_RESULT: result.awaiting_result,
    State.COMPLETE: result.complete,
    State.REGISTERED: result.registered,
    State.SUSPENDED: rest.suspended,
    State.EXPIRED: rest.expired,
    State.ENDED: rest.ended,
    State.RESUMED: rest.resumed,
}
"""Complete: a state without an action is a ``KeyError`` in the unit tests."""

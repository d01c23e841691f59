"""Whether a job has to leave its seats for somebody else, and how far it has come with that.

    told by admission -> status.preempted, and the attempt closed      one write, before anything is stopped
    -> the Job is deleted: SIGTERM, a checkpoint, the end              as of any attempt that is closed
    -> the seats are given back, or those that it does not keep        one write, after the last pod has ended
    -> in line again, with its age

A crash between any two of them leaves a status from which the next look goes on.
"""

from __future__ import annotations

from hostler.api.placement import Placement
from hostler.controllers.trainingjob.observed import AttemptState, Observed
from hostler.controllers.workloads import seats_of
from hostler.planning.verdicts import Seats


def is_preempted(seen: Observed) -> bool:
    """Whether a running attempt is to end for somebody else. Where a trainer is done already, it is waited for."""
    return _may_be_ended(seen) and seen.preemption is not None and seen.preemption.leaves


def is_growing(seen: Observed) -> bool:
    """Whether a running attempt is to end so that the next one has more pods."""
    return _may_be_ended(seen) and seen.preemption is not None and not seen.preemption.leaves


def holds_for_others(seen: Observed) -> bool:
    """Whether it has to leave seats on which nothing runs: between two attempts."""
    held = _kept_seat(seen)
    return held is not None and seen.preemption is not None and seen.preemption.leaves and not gives_back(seen)


def has_left(seen: Observed) -> bool:
    """Whether its newest attempt was ended for somebody else, and no other has begun."""
    told = seen.status.preempted
    return told is not None and told.attempt == seen.latest and seen.latest <= seen.retry.after


def gives_back(seen: Observed) -> bool:
    """Whether it still holds what it was told to leave."""
    held = _kept_seat(seen)
    return held is not None and has_left(seen) and seats_of(held) != keeps(seen)


def keeps(seen: Observed) -> Seats:
    """Seats that it goes on with."""
    told = seen.status.preempted
    return {} if told is None else {seat.name: seat.pods for seat in told.keeps}


def _may_be_ended(seen: Observed) -> bool:
    newest = seen.newest
    if newest is None or newest.state is not AttemptState.LIVE or newest.number < seen.remembered:
        return False
    return newest.number > seen.retry.after and not newest.done


def _kept_seat(seen: Observed) -> Placement | None:
    """What it holds from one attempt to the next. A seat with a deadline was given for the next one."""
    placement = seen.status.placement
    return placement if placement is not None and placement.nodes and placement.deadline is None else None

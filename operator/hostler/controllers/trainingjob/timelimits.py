"""What a job's own limits say: how long its attempts may take and what they may cost, and how long it stays when it has
ended."""

from __future__ import annotations

from decimal import Decimal

from hostler.api.trainingjob import TrainingReason
from hostler.controllers.trainingjob.accounting import active_seconds
from hostler.controllers.trainingjob.costing import bill_of
from hostler.controllers.trainingjob.observed import AttemptState, Observed
from hostler.manifests.job import GRACE_SECONDS
from hostler.planning import moments
from hostler.planning.billing import Bill, seconds_until
from hostler.planning.limits import limit_in

_AT_LEAST_SECONDS = 1.0
"""Between two looks: times have whole seconds."""


def is_out_of_time(seen: Observed) -> bool:
    """Whether all attempts together have taken as long as spec.activeDeadlineSeconds allows."""
    left = _active_seconds_left(seen)
    return left is not None and left <= 0


def is_at_limit(seen: Observed) -> bool:
    """Whether it has to stop now so that it neither costs more than spec.maxCost nor takes longer than
    spec.maxDuration."""
    return limit_at_hand(seen) is not None


def limit_at_hand(seen: Observed) -> TrainingReason | None:
    """The limit for which it has to stop now; None where there is time left."""
    left = {
        TrainingReason.COST_LIMIT_REACHED: _cost_seconds_left(seen),
        TrainingReason.DURATION_LIMIT_REACHED: _duration_seconds_left(seen),
    }
    return next((reason for reason, seconds in left.items() if seconds is not None and seconds <= 0), None)


def is_raised(seen: Observed, reason: str) -> bool:
    """Whether the limit for which a job was stopped is larger now, or gone."""
    before, spec = seen.retry.stopped_at, seen.spec
    if before is None:
        return False
    if reason == TrainingReason.COST_LIMIT_REACHED:
        return spec.max_cost is None or Decimal(spec.max_cost.amount) > Decimal(before)
    if reason == TrainingReason.DURATION_LIMIT_REACHED:
        return spec.max_duration is None or _seconds(spec.max_duration) > _seconds(before)
    return False


def has_expired(seen: Observed) -> bool:
    """Whether it has ended, and spec.ttlSecondsAfterFinished has passed since."""
    left = _kept_seconds_left(seen)
    return left is not None and left <= 0


def next_look(seen: Observed) -> float | None:
    """Seconds until one of the limits is reached, of which no event tells; None where none is running out."""
    if seen.ended:
        left = _kept_seconds_left(seen)
    else:
        live = seen.newest is not None and seen.newest.state is AttemptState.LIVE
        limits = (_active_seconds_left(seen), _duration_seconds_left(seen)) if live else ()
        known = [each for each in (*limits, _cost_seconds_left(seen)) if each is not None]
        left = min(known, default=None)
    return None if left is None else max(_AT_LEAST_SECONDS, left)


def _active_seconds_left(seen: Observed) -> float | None:
    limit = seen.spec.active_deadline_seconds
    return None if limit is None else limit - active_seconds(seen)


def _duration_seconds_left(seen: Observed) -> float | None:
    limit = None if seen.spec.max_duration is None else _seconds(seen.spec.max_duration)
    return None if limit is None else limit - active_seconds(seen) - _lead(limit)


def _cost_seconds_left(seen: Observed) -> float | None:
    """Until as much is spent that what a last checkpoint costs is all that is left."""
    limit, cost = seen.spec.max_cost, seen.status.cost
    if limit is None or cost is None:
        return None
    bill = bill_of(cost)
    if bill.hold is None:
        return -1.0 if bill.settled.get(limit.currency, Decimal(0)) >= Decimal(limit.amount) else None
    amount = None if bill.hold.rate is None else limit_in(seen.spec, bill.hold.rate.currency)
    if amount is None:
        return None  # A price that was changed under way: nobody could compare it.
    until = seconds_until(bill, amount=amount, now=seen.now)
    return None if until is None else until - _lead(_seconds_for(bill, amount))


def _seconds_for(bill: Bill, amount: Decimal) -> float:
    """How long all of a sum lasts at what is held."""
    if bill.hold is None or bill.hold.rate is None or not bill.hold.rate.per_hour:
        return float("inf")
    return float(amount * 3600 / (bill.hold.rate.per_hour * bill.hold.devices))


def _lead(whole: float) -> float:
    """For a last checkpoint; of a limit that is so low that there would be nothing else, a quarter."""
    return min(GRACE_SECONDS, whole / 4)


def _seconds(text: str) -> float:
    found = moments.seconds_of(text)
    assert found is not None  # the API server has checked it
    return found


def _kept_seconds_left(seen: Observed) -> float | None:
    limit, ended_at = seen.spec.ttl_seconds_after_finished, seen.status.completion_time
    if limit is None or ended_at is None or not seen.ended:
        return None
    return limit - moments.elapsed(ended_at, now=seen.now)

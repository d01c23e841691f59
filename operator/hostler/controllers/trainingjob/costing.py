"""Between a job's status and its bill: what is held, what it is used for, and what is told of both."""

from __future__ import annotations

from decimal import Decimal

from hostler.api.conditions import find
from hostler.api.cost import AttemptUse, DeviceUse, Hold, JobCost, Settled
from hostler.api.measures import Money
from hostler.api.trainingjob import TrainingCondition, TrainingJobStatus, TrainingReason
from hostler.controllers.trainingjob.observed import Observed
from hostler.controllers.workloads import seats_of
from hostler.planning import quantities
from hostler.planning.billing import Bill, DeviceSeconds, Holding, Loss, Use, advanced
from hostler.planning.poolgrowth import awaited
from hostler.planning.spending import Rate, rate_of

_USES = {
    TrainingReason.TRAINING: Use.TRAINING,
    TrainingReason.EVALUATING: Use.TRAINING,
    TrainingReason.SAVING: Use.SAVING,
    TrainingReason.RESTARTING: Use.WAITING,
    TrainingReason.BACK_OFF: Use.WAITING,
    TrainingReason.START_TIMEOUT: Use.WAITING,
    TrainingReason.PREEMPTED: Use.WAITING,
    TrainingReason.SUSPENDED: Use.WAITING,
    TrainingReason.FAILED: Use.WAITING,
}
"""By the reason of Ready; any other one is a start."""


def charged(seen: Observed, after: TrainingJobStatus) -> JobCost | None:
    """What the next status says of the cost, where all the rest of it is this."""
    before = seen.status.cost
    devices = _devices(seen, after)
    bill = None if before is None else bill_of(before)
    if devices == 0 and (bill is None or bill.hold is None):
        return before
    found = advanced(
        bill,
        now=seen.now,
        devices=devices,
        rate=None if seen.pool.view is None else rate_of(seen.pool.view),
        use=_use(seen.status),
        attempt=None if seen.latest < 0 else seen.latest,
        loss=_loss(seen, after),
    )
    if bill is not None and after == seen.status and found.hold == bill.hold:
        # Time alone is no news: whoever reads it adds what the hold has cost since.
        return before
    return _told(found, now=seen.now)


def bill_of(cost: JobCost) -> Bill:
    """The bill that a status holds."""
    return Bill(
        as_of=cost.as_of,
        settled={each.currency: Decimal(each.amount) for each in cost.settled},
        settled_device_seconds=cost.settled_device_seconds,
        hold=None if cost.hold is None else _holding(cost.hold),
        use=_seconds(cost.use),
        attempts={each.attempt: _seconds(each) for each in cost.attempts},
    )


def show_money(amount: Decimal) -> str:
    """In hundredths, or three figures of what is less than one."""
    return f"{amount:.2f}" if amount >= 1 else f"{float(amount):.3g}"


def _devices(seen: Observed, after: TrainingJobStatus) -> int:
    """Units of the pool that are held from this write on. Of nodes that are still to come, nothing is."""
    placement = after.placement
    if placement is None or not placement.nodes or (_has_ended(after) and not _runs_on(seen)):
        return 0
    view = seen.pool.view
    on_cores = view is not None and view.pool.resource is None
    per_pod = quantities.cores(seen.spec.resources.cpu) if on_cores else placement.per_pod
    return max(0, sum(seat.pods for seat in placement.nodes) - awaited(seats_of(placement))) * per_pod


def _has_ended(status: TrainingJobStatus) -> bool:
    found = (find(status.conditions, each) for each in (TrainingCondition.SUCCEEDED, TrainingCondition.STALLED))
    return any(each is not None and each.status == "True" for each in found)


def _runs_on(seen: Observed) -> bool:
    """Whether pods may still run: those of a job that was stopped have their time for a last checkpoint."""
    return seen.newest is not None and not seen.newest.job_ended


def _use(status: TrainingJobStatus) -> Use:
    ready = find(status.conditions, TrainingCondition.READY)
    return (
        Use.STARTING
        if ready is None
        else {key.value: use for key, use in _USES.items()}.get(ready.reason, Use.STARTING)
    )


def _loss(seen: Observed, after: TrainingJobStatus) -> Loss | None:
    """What the attempt that this write counts as over has lost; None where none is, or it was the last one."""
    counted, progress = after.retry, seen.status.progress
    if counted is None or counted.after <= seen.retry.after or progress is None or after.model is not None:
        return None
    from_step = progress.resumed_from_step or 0
    kept = max(from_step, progress.checkpoint_step or 0)
    return Loss(attempt=counted.after, steps=max(0, progress.step - kept), of=max(0, progress.step - from_step))


def _told(bill: Bill, *, now: str) -> JobCost:
    totals = bill.total(now)
    hold, rate = bill.hold, None if bill.hold is None else bill.hold.rate
    currency = rate.currency if rate is not None else next(reversed(totals), None)
    others = [name for name in totals if name != currency]
    return JobCost(
        as_of=bill.as_of,
        total=None if currency is None else _money(totals.get(currency, Decimal(0)), currency),
        others=tuple(_money(totals[name], name) for name in others[:4]),
        per_hour=None if hold is None or rate is None else _money(rate.per_hour * hold.devices, rate.currency),
        device_seconds=bill.device_seconds(now),
        use=DeviceUse(**{use.value: seconds for use, seconds in bill.use.items()}),
        attempts=tuple(
            AttemptUse(attempt=number, **{use.value: seconds for use, seconds in own.items()})
            for number, own in bill.attempts.items()
        ),
        settled=tuple(
            Settled(amount=f"{amount.normalize():f}"[:40], currency=name) for name, amount in bill.settled.items()
        )[:4],
        settled_device_seconds=bill.settled_device_seconds,
        hold=None if hold is None else _hold(hold),
    )


def _money(amount: Decimal, currency: str) -> Money:
    return Money(amount=show_money(amount), currency=currency)


def _hold(hold: Holding) -> Hold:
    rate = hold.rate
    if rate is None:
        return Hold(since=hold.since, devices=hold.devices)
    return Hold(
        since=hold.since,
        devices=hold.devices,
        rate=f"{rate.per_hour:f}",
        currency=rate.currency,
        step_seconds=rate.step_seconds,
    )


def _holding(hold: Hold) -> Holding:
    rate = None
    if hold.rate is not None and hold.currency is not None:
        rate = Rate(per_hour=Decimal(hold.rate), currency=hold.currency, step_seconds=hold.step_seconds)
    return Holding(since=hold.since, devices=hold.devices, rate=rate)


def _seconds(found: DeviceUse) -> DeviceSeconds:
    return {use: seconds for use in Use if (seconds := getattr(found, use.value))}

"""Between a job's status and its bill: what is held, what it is used for, and what is told of both."""

from __future__ import annotations

from dataclasses import replace

from hostler.api.conditions import find
from hostler.api.cost import AttemptUse, DeviceUse, JobCost
from hostler.api.trainingjob import TrainingCondition, TrainingJobStatus, TrainingReason
from hostler.controllers.costing import devices_of, held_bill, held_fields, rate_now
from hostler.controllers.trainingjob.observed import Observed
from hostler.planning.billing import Bill, DeviceSeconds, Loss, Use, advanced

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
        rate=rate_now(bill, seen.pool.view),
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
    attempts = {each.attempt: _seconds(each) for each in cost.attempts}
    return replace(held_bill(cost), use=_seconds(cost.use), attempts=attempts)


def _devices(seen: Observed, after: TrainingJobStatus) -> int:
    """Units of the pool that are held from this write on."""
    if _has_ended(after) and not _runs_on(seen):
        return 0
    return devices_of(after.placement, view=seen.pool.view, cpu=seen.spec.resources.cpu)


def _has_ended(status: TrainingJobStatus) -> bool:
    found = (find(status.conditions, each) for each in (TrainingCondition.SUCCEEDED, TrainingCondition.STALLED))
    return any(each is not None and each.status == "True" for each in found)


def _runs_on(seen: Observed) -> bool:
    """Whether pods may still run: those of a job that was stopped have their time for a last checkpoint."""
    return seen.newest is not None and not seen.newest.job_ended


def _use(status: TrainingJobStatus) -> Use:
    ready = find(status.conditions, TrainingCondition.READY)
    known = {reason.value: use for reason, use in _USES.items()}
    return Use.STARTING if ready is None else known.get(ready.reason, Use.STARTING)


def _loss(seen: Observed, after: TrainingJobStatus) -> Loss | None:
    """What the attempt that this write counts as over has lost; None where none is, or it was the last one."""
    counted, progress = after.retry, seen.status.progress
    if counted is None or counted.after <= seen.retry.after or progress is None or after.model is not None:
        return None
    from_step = progress.resumed_from_step or 0
    kept = max(from_step, progress.checkpoint_step or 0)
    return Loss(attempt=counted.after, steps=max(0, progress.step - kept), of=max(0, progress.step - from_step))


def _told(bill: Bill, *, now: str) -> JobCost:
    return JobCost(
        **held_fields(bill, now=now),
        use=DeviceUse(**{use.value: seconds for use, seconds in bill.use.items()}),
        attempts=tuple(
            AttemptUse(attempt=number, **{use.value: seconds for use, seconds in own.items()})
            for number, own in bill.attempts.items()
        ),
    )


def _seconds(found: DeviceUse) -> DeviceSeconds:
    return {use: seconds for use in Use if (seconds := getattr(found, use.value, 0))}

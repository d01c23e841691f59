"""What a workload has spent on the devices that it held. Pure; the status that it is kept in is written by others.

Money follows from holds: intervals in which so many devices were reserved at one price. A hold is settled in the write
that ends it, and is not in the next status any more, so a crash at any moment leaves one that is still open, or one
that is settled: nothing counts twice, nothing is lost. What the time was used for is counted between two writes, by
what was done in between as the earlier one has it.

A clock that jumps ahead and back again between two writes changes nothing. A hold that began in the future, by a clock
that was wrong, begins now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from hostler.planning import moments
from hostler.planning.spending import Rate

ATTEMPTS_KEPT = 8
_HOUR = 3600


class Use(StrEnum):
    """For what devices are held."""

    STARTING = "starting"
    TRAINING = "training"
    SERVING = "serving"
    SAVING = "saving"
    LOST = "lost"
    WAITING = "waiting"


DeviceSeconds = Mapping[Use, int]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Devices that are held now."""

    since: str
    """RFC 3339."""
    devices: int
    rate: Rate | None
    """None where the pool has no price."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What is known at one moment."""

    as_of: str
    """RFC 3339."""
    settled: Mapping[str, Decimal] = field(default_factory=dict)
    """Money by currency, of holds that are over."""
    settled_device_seconds: int = 0
    hold: Holding | None = None
    use: DeviceSeconds = field(default_factory=dict)
    attempts: Mapping[int, DeviceSeconds] = field(default_factory=dict)
    """The same by attempt, of the newest ones."""

    def total(self, now: str) -> dict[str, Decimal]:
        """Money by currency, with what is held."""
        found = dict(self.settled)
        if self.hold is not None and self.hold.rate is not None:
            currency = self.hold.rate.currency
            found[currency] = found.get(currency, Decimal(0)) + amount_of(self.hold, now=now)
        return found

    def device_seconds(self, now: str) -> int:
        """Devices times seconds, with what is held."""
        held = 0 if self.hold is None else self.hold.devices * _whole(self.hold.since, now)
        return self.settled_device_seconds + held


@dataclass(frozen=True, kw_only=True)
class Loss:
    """An attempt that is over and was no success."""

    attempt: int
    steps: int
    """Steps after its last checkpoint."""
    of: int
    """Steps that it made."""


def amount_of(hold: Holding, *, now: str) -> Decimal:
    """What a hold costs until now, rounded up to the billing step; zero without a price."""
    if hold.rate is None:
        return Decimal(0)
    billed = math.ceil(_whole(hold.since, now) / hold.rate.step_seconds) * hold.rate.step_seconds
    return hold.rate.per_hour * hold.devices * billed / _HOUR


def advanced(
    before: Bill | None,
    *,
    now: str,
    devices: int,
    rate: Rate | None,
    use: Use,
    attempt: int | None,
    loss: Loss | None = None,
) -> Bill:
    """The bill of this moment: until now ``use`` was made of what was held, and from now on ``devices`` are, 0 for
    none."""
    bill = before or Bill(as_of=now)
    bill = _used(bill, now=now, use=use, attempt=attempt)
    if loss is not None:
        bill = _lost(bill, loss)
    hold = bill.hold
    if hold is not None and (hold.devices != devices or (hold.rate != rate)):
        bill = _settled(bill, hold, now=now)
        hold = None
    if hold is None and devices > 0:
        hold = Holding(since=now, devices=devices, rate=rate)
    elif hold is not None and moments.elapsed(hold.since, now=now) < 0:
        hold = replace(hold, since=now)
    return replace(bill, as_of=now, hold=hold)


def seconds_until(bill: Bill, *, amount: Decimal, now: str) -> float | None:
    """Until what is held has cost so much in its own currency; None where nothing is held that costs."""
    hold = bill.hold
    if hold is None or hold.rate is None or not hold.rate.per_hour:
        return None
    left = amount - bill.settled.get(hold.rate.currency, Decimal(0))
    steps = math.floor(left * _HOUR / (hold.rate.per_hour * hold.devices) / hold.rate.step_seconds)
    return steps * hold.rate.step_seconds - moments.elapsed(hold.since, now=now)


def _settled(bill: Bill, hold: Holding, *, now: str) -> Bill:
    settled = dict(bill.settled)
    if hold.rate is not None:
        currency = hold.rate.currency
        settled[currency] = settled.get(currency, Decimal(0)) + amount_of(hold, now=now)
    seconds = bill.settled_device_seconds + hold.devices * _whole(hold.since, now)
    return replace(bill, settled=settled, settled_device_seconds=seconds, hold=None)


def _used(bill: Bill, *, now: str, use: Use, attempt: int | None) -> Bill:
    seconds = 0 if bill.hold is None else bill.hold.devices * _whole(bill.as_of, now)
    if not seconds:
        return bill
    attempts = dict(bill.attempts)
    if attempt is not None:
        attempts[attempt] = _plus(attempts.get(attempt, {}), use, seconds)
        attempts = dict(sorted(attempts.items())[-ATTEMPTS_KEPT:])
    return replace(bill, use=_plus(bill.use, use, seconds), attempts=attempts)


def _lost(bill: Bill, loss: Loss) -> Bill:
    """Of the time that an attempt trained, as much as its lost steps are of all that it made."""
    own = bill.attempts.get(loss.attempt, {})
    seconds = round(own.get(Use.TRAINING, 0) * min(loss.steps, loss.of) / loss.of) if loss.of > 0 else 0
    if seconds <= 0:
        return bill

    def moved(found: DeviceSeconds) -> DeviceSeconds:
        return _plus(_plus(found, Use.TRAINING, -seconds), Use.LOST, seconds)

    return replace(bill, use=moved(bill.use), attempts={**bill.attempts, loss.attempt: moved(own)})


def _plus(found: DeviceSeconds, use: Use, seconds: int) -> DeviceSeconds:
    return {**found, use: max(0, found.get(use, 0) + seconds)}


def _whole(since: str, now: str) -> int:
    return max(0, round(moments.elapsed(since, now=now)))

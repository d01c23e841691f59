"""Between the cost in a status and a bill, for jobs and services alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hostler.api.cost import HeldCost, Hold, Settled
from hostler.api.measures import Money
from hostler.api.placement import Placement
from hostler.controllers.workloads import seats_of
from hostler.planning import quantities
from hostler.planning.billing import Bill, Holding
from hostler.planning.poolgrowth import awaited
from hostler.planning.pools import PoolView
from hostler.planning.spending import Rate, rate_of


def devices_of(placement: Placement | None, *, view: PoolView | None, cpu: str) -> int:
    """Units of the pool that are held. Of nodes that are still to come, nothing is; ``cpu`` is what each pod of a cpu
    pool asks for."""
    if placement is None or not placement.nodes:
        return 0
    on_cores = view is not None and view.pool.resource is None
    per_pod = quantities.cores(cpu) if on_cores else placement.per_pod
    return max(0, sum(seat.pods for seat in placement.nodes) - awaited(seats_of(placement))) * per_pod


def rate_now(bill: Bill | None, view: PoolView | None) -> Rate | None:
    """What a device costs from now on. What is held keeps its price where the pool is gone."""
    if view is not None:
        return rate_of(view)
    return None if bill is None or bill.hold is None else bill.hold.rate


def held_bill(cost: HeldCost) -> Bill:
    """The bill that a status holds, without what the devices were used for."""
    return Bill(
        as_of=cost.as_of,
        settled={each.currency: Decimal(each.amount) for each in cost.settled},
        settled_device_seconds=cost.settled_device_seconds,
        hold=None if cost.hold is None else _holding(cost.hold),
    )


def held_fields(bill: Bill, *, now: str) -> dict[str, Any]:
    """Fields of :class:`HeldCost`."""
    totals = bill.total(now)
    hold, rate = bill.hold, None if bill.hold is None else bill.hold.rate
    currency = rate.currency if rate is not None else next(reversed(totals), None)
    others = [name for name in totals if name != currency]
    settled = tuple(
        Settled(amount=f"{amount.normalize():f}"[:40], currency=name) for name, amount in bill.settled.items()
    )
    return {
        "as_of": bill.as_of,
        "total": None if currency is None else _money(totals.get(currency, Decimal(0)), currency),
        "others": tuple(_money(totals[name], name) for name in others[:4]),
        "per_hour": None if hold is None or rate is None else _money(rate.per_hour * hold.devices, rate.currency),
        "device_seconds": bill.device_seconds(now),
        "settled": settled[:4],
        "settled_device_seconds": bill.settled_device_seconds,
        "hold": None if hold is None else _hold(hold),
    }


def show_money(amount: Decimal) -> str:
    """In hundredths, or three figures of what is less than one."""
    return f"{amount:.2f}" if amount >= 1 else f"{float(amount):.3g}"


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

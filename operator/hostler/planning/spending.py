"""What accelerators cost while somebody holds them, in energy and money. Without facts there is no figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from hostler.api.pool import BillingStep, Price
from hostler.planning.pools import PoolView

_STEPS = {BillingStep.SECOND: 1, BillingStep.MINUTE: 60, BillingStep.HOUR: 3600}
_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Each part is None where nobody knows the figure that it follows from."""

    kilowatt_hours: float | None
    """At the accelerators' rated power, so an upper bound."""
    amount: Decimal | None
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What one device of a pool costs while it is held."""

    per_hour: Decimal
    currency: str
    step_seconds: int
    """Time is rounded up to it."""


def rate_of(view: PoolView) -> Rate | None:
    """The rate of a pool; None where it has no price."""
    price = view.pool.spec.price
    if price is None:
        return None
    per_hour = Decimal(price.amount).normalize()
    return Rate(per_hour=per_hour, currency=price.currency, step_seconds=_STEPS[price.billing_step])


def spending(view: PoolView, *, units: int, seconds: float) -> Spending:
    """Of ``units`` accelerators (cores in a cpu pool) of a pool for a time.

    Simulated devices draw no power. Their price counts as it stands in the pool, where a person has put it.
    """
    watts = view.pool.kind.watts if view.pool.kind is not None and not view.simulated else None
    price = view.pool.spec.price
    return Spending(
        kilowatt_hours=None if watts is None else watts * units * seconds / _HOUR / 1000,
        amount=None if price is None else _amount(price, units=units, seconds=seconds),
        currency="" if price is None else price.currency,
    )


def _amount(price: Price, *, units: int, seconds: float) -> Decimal:
    step = _STEPS[price.billing_step]
    billed = math.ceil(seconds / step) * step
    return Decimal(price.amount) * units * billed / _HOUR

"""From the time that a run is expected to take to energy and money, by the facts of its pool.

What a time costs is :func:`hostler.planning.spending.spending`'s, so that an estimate and the bill are one sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hostler.planning.estimate.result import Price, Range
from hostler.planning.pools import PoolView
from hostler.planning.spending import spending

_MINUTES = 60
_HOUR = 3600.0
_KILO = 1000.0


@dataclass(frozen=True, kw_only=True)
class Energy:
    """What the accelerators of a run draw; the machines around them are not in it."""

    kilowatt_hours: Range
    measured: bool
    """False at the devices' rated power, which is an upper bound."""
    because: str
    """The figure that was used, in words."""


def energy_of(view: PoolView, seconds: Range, *, devices: int, watts: float | None = None) -> Energy | None:
    """Energy of a time on ``devices`` of a pool; None where nobody knows what they draw, as of cores and of simulated
    devices.

    ``watts`` is what one of them was measured to draw at such work. Raises ``ValueError`` where that is no power.
    """
    if watts is not None:
        if not (math.isfinite(watts) and watts > 0):
            raise ValueError(f"the power of a device is above 0 watts, not {watts:g}")
        because = f"{devices} x {watts:g} W, as measured"
        return Energy(kilowatt_hours=seconds.scaled(watts * devices / _HOUR / _KILO), measured=True, because=because)
    hour = spending(view, units=devices, seconds=_HOUR).kilowatt_hours
    if hour is None or view.pool.kind is None:
        return None
    because = f"{devices} x {view.pool.kind.watts:g} W, the rated power of {view.pool.kind.model}"
    return Energy(kilowatt_hours=seconds.scaled(hour / _HOUR), measured=False, because=because)


def carbon_of(view: PoolView, kilowatt_hours: Range) -> Range | None:
    """Kilograms of CO2 and equal gases; None where the pool does not state its grid."""
    grid = view.pool.spec.grid
    return None if grid is None else kilowatt_hours.scaled(float(grid.grams_per_kilowatt_hour) / _KILO)


def price_of(view: PoolView, seconds: Range, *, devices: int) -> Price | None:
    """What a time on ``devices`` of a pool costs; None where the pool has no price."""
    times = (_HOUR, seconds.low, seconds.expected, seconds.high)
    spent = [spending(view, units=devices, seconds=time) for time in times]
    hour, low, expected, high = (each.amount for each in spent)
    if hour is None or low is None or expected is None or high is None:
        return None
    return Price(per_minute=hour / _MINUTES, per_hour=hour, total=(low, expected, high), currency=spent[0].currency)

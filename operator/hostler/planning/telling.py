"""What somebody in line is told of its place, and when that is news.

A line of two thousand moves with every job that ends. Each of them is told anew only what it would do something about:
a place among the first, or a start that is off by more than a tenth of the time that is left. So the number of writes
depends on how wrong forecasts are, and not on how long the line is.
"""

from __future__ import annotations

import math

from hostler.planning import moments
from hostler.planning.placement import coarse_position
from hostler.planning.verdicts import Forecast, Place, ToldForecast, Wait

_TOLERANCE = 0.1
"""Of the time that is left."""
_LEAST_TOLERANCE_SECONDS = 60.0

_INTERVALS = ((10, 60.0), (100, 300.0))
_LONGEST_INTERVAL = 900.0


def interval(position: int) -> float:
    """Seconds between two looks at who stands here, where only its place has changed: hours before its turn, nobody
    looks each minute."""
    return next((seconds for last, seconds in _INTERVALS if position <= last), _LONGEST_INTERVAL)


def place_of(wait: Wait, *, now: str, before: Place | None) -> Place | None:
    """What is told now to who was told ``before``; None of who has seats and only waits to have them anew.

    A forecast that still holds is told in the same words, moment for moment.
    """
    if wait.position < 1:
        return None
    told = None
    if wait.forecast is not None:
        standing = before.forecast if before is not None else None
        told = standing if standing and _holds(standing, wait.forecast, now=now) else _told(wait.forecast, now=now)
    position = coarse_position(wait.position)
    return Place(
        position=position,
        waiting=max(position, coarse_position(wait.waiting)),
        forecast=told,
        first=(before.first if before is not None else None) or told,
    )


def is_news(before: Place | None, after: Place | None) -> bool:
    """Whether what is told differs in what people look for; that others have come behind is none."""
    if before is None or after is None:
        return before is not after
    return (before.position, before.forecast) != (after.position, after.forecast)


def _told(forecast: Forecast, *, now: str) -> ToldForecast:
    """In whole minutes, rounded away from the middle, so that what was between low and high stays there."""
    expected = math.ceil(forecast.expected / 60)
    return ToldForecast(
        at=now,
        expected=moments.later(now, seconds=60.0 * max(1, expected)),
        earliest=moments.later(now, seconds=60.0 * max(0, math.floor(min(forecast.earliest, forecast.expected) / 60))),
        latest=moments.later(now, seconds=60.0 * max(1, expected, math.ceil(forecast.latest / 60))),
    )


def _holds(told: ToldForecast, forecast: Forecast, *, now: str) -> bool:
    off = abs(moments.elapsed(now, now=told.expected) - forecast.expected)
    return off <= max(_LEAST_TOLERANCE_SECONDS, _TOLERANCE * forecast.expected)

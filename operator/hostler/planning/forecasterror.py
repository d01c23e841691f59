"""How right a forecast of a start was, once the start is known."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.planning import moments
from hostler.planning.verdicts import ToldForecast


@dataclass(frozen=True, kw_only=True)
class ForecastError:
    """One forecast against what happened."""

    seconds: float
    """How much later than expected it started; negative where it was sooner."""
    ratio: float
    """The time from the forecast to the start, as a multiple of the time that was foretold."""
    covered: bool
    """Whether it started between the earliest and the latest moment that were told."""


def judge(told: ToldForecast, *, started: str) -> ForecastError:
    """Compare a forecast with the start."""
    foretold = max(1.0, moments.elapsed(told.at, now=told.expected))
    return ForecastError(
        seconds=moments.elapsed(told.expected, now=started),
        ratio=max(0.0, moments.elapsed(told.at, now=started)) / foretold,
        covered=moments.elapsed(told.earliest, now=started) >= 0 and moments.elapsed(started, now=told.latest) >= 0,
    )

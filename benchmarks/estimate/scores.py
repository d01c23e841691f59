"""How right ranges were about what then was measured, and what is demanded of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hostler.planning.estimate.result import Range


@dataclass(frozen=True, kw_only=True)
class Told:
    """A range, and the figure that was measured."""

    told: Range
    measured: float
    weight: float = 1.0

    @property
    def error(self) -> float:
        """Of what was expected, as a share of what was measured; never negative."""
        return abs(self.told.expected / self.measured - 1)

    @property
    def inside(self) -> bool:
        """Whether it was between low and high."""
        return self.told.low <= self.measured <= self.told.high

    @property
    def width(self) -> float:
        """High by low."""
        return self.told.high / self.told.low


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of several ranges."""

    name: str
    runs: int
    median: float
    """Error that half of them are within."""
    most: float
    """Error that four of five of them are within."""
    bias: float
    """Median of expected by measured; above 1 where too much was expected."""
    inside: float
    """Share between low and high."""
    width: float
    """The largest high by low."""

    @property
    def row(self) -> tuple[str, ...]:
        """For a table."""
        shares = (self.median, self.most, self.inside)
        return (
            self.name,
            f"{self.runs:,}",
            *(f"{100 * x:.1f} %" for x in shares),
            f"{self.bias:.2f}",
            f"{self.width:.2f}",
        )


ROW = ("", "runs", "median error", "80 % within", "inside low and high", "expected / measured", "high / low")


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One demand and what was found."""

    what: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def row(self) -> tuple[str, ...]:
        """For a table."""
        sign = "at least" if self.at_least else "at most"
        return self.what, f"{self.found:.3f}", f"{sign} {self.limit:g}", "holds" if self.holds else "MISSED"


def score(name: str, told: Sequence[Told]) -> Score:
    """Of at least one."""
    whole = sum(each.weight for each in told)
    return Score(
        name=name,
        runs=len(told),
        median=_quantile(told, 0.5),
        most=_quantile(told, 0.8),
        bias=statistics.median(each.told.expected / each.measured for each in told),
        inside=sum(each.weight for each in told if each.inside) / whole,
        width=max(each.width for each in told),
    )


def _quantile(told: Sequence[Told], share: float) -> float:
    """The smallest error that this share of the weight is within."""
    left = share * sum(each.weight for each in told)
    for each in sorted(told, key=lambda each: each.error):
        left -= each.weight
        if left <= 1e-9:
            return each.error
    raise ValueError("no runs")

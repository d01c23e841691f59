"""When those in line are expected to start."""

from __future__ import annotations

from hostler.planning.verdicts import Forecast

EARLY, LATE = 0.5, 2.0
"""Jobs take from half to twice as long as was said: one standard deviation of the estimates that the replays are judged
with (docs/benchmarks/planner.md)."""


def around(expected: float) -> Forecast:
    """The forecast of a moment so many seconds ahead, by how wrong estimates are."""
    return Forecast(earliest=EARLY * expected, expected=expected, latest=LATE * expected)

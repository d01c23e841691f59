"""Forecasts of lines that are too long to be played forward in each pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from hostler.planning.forecast import IN_PASS, forecast
from hostler.planning.snapshot import Snapshot
from hostler.planning.verdicts import Forecast, Request, Workload

SHARE = 0.05
"""Of one processor core, at most, that forecasts may take."""
LEAST_PAUSE = 10.0
"""Seconds between two of them at least: nobody's start moves faster than people look."""


class LongForecasts:
    """Made in a thread beside the passes, from the snapshot of one of them, which nobody changes."""

    def __init__(self, *, made: Callable[[], None], stopwatch: Callable[[], float] = time.perf_counter) -> None:
        """``made`` is called in the event loop when there is news."""
        self._made = made
        self._stopwatch = stopwatch
        self._task: asyncio.Task[None] | None = None
        self._ready_at = float("-inf")
        self._given: Mapping[Workload, tuple[float, Forecast]] = {}

    @property
    def given(self) -> Mapping[Workload, tuple[float, Forecast]]:
        """The newest forecasts, each with the moment on the planner's clock for which it was made."""
        return self._given

    def look(self, snapshot: Snapshot, requests: Sequence[Request], now: float) -> None:
        """Begin to make new ones from what a pass has seen, where the line is long and the last ones are old."""
        if len(requests) <= IN_PASS:
            self._given = {}
        elif self._task is None and now >= self._ready_at:
            self._task = asyncio.get_running_loop().create_task(self._make(snapshot, list(requests), now))

    def stop(self) -> None:
        """Nobody wants them any more; a thread under way ends by itself within a second."""
        if self._task is not None:
            self._task.cancel()

    async def _make(self, snapshot: Snapshot, requests: Sequence[Request], now: float) -> None:
        try:
            began = self._stopwatch()
            found = await asyncio.to_thread(forecast, snapshot, requests, now)
            self._ready_at = now + max(LEAST_PAUSE, (self._stopwatch() - began) * (1 / SHARE - 1))
            self._given = {who: (now, each) for who, each in found.items()}
            self._made()
        finally:
            self._task = None

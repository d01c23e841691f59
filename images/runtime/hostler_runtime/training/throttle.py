"""A simulated device may be slower than the cores that compute for it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping

from hostler_contract.simulation import SPEED_ENV

OPERATIONS_PER_WEIGHT = 6
"""Of each unit (token, image, second of audio), forward and backward (arXiv 2001.08361). For a simulation that is near
enough: what counts is that a larger network and a larger batch take longer, always by as much."""


class Throttle:
    """Holds a step up until the device would have been done with it.

    What counts is the work, not the time of the processor: that of one and the same step differs by a third with what
    else runs on the machine, and a device's does not.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._speed = _speed(environment.get(SPEED_ENV))
        self._now = now
        self._sleep = sleep
        self._began = now()

    def begin(self) -> None:
        """A step begins."""
        self._began = self._now()

    def end(self, *, weights: int, units: float) -> None:
        """A step over so many units is over, in a network of so many weights."""
        if self._speed is None:
            return
        due = self._began + OPERATIONS_PER_WEIGHT * weights * units / self._speed
        pause = due - self._now()
        if pause > 0:
            self._sleep(pause)


def _speed(text: str | None) -> float | None:
    """Operations per second; None where nobody says, or nothing that makes sense."""
    try:
        found = 1e9 * float(text or "")
    except ValueError:
        return None
    return found if found > 0 and math.isfinite(found) else None

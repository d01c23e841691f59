"""A simulated device may be slower than the cores that compute for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from hostler_contract.simulation import SHARE_ENV


class Throttle:
    """Waits after each step for as long as a slower device would have taken longer.

    What counts is the time of the processor, not of the clock: a machine on which others compute at the same time does
    not make the device slower still.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        spent: Callable[[], float] = time.process_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._factor = 1 / _share(environment.get(SHARE_ENV)) - 1
        self._spent = spent
        self._sleep = sleep
        self._before = spent()

    def begin(self) -> None:
        """A step begins; what was computed before it is none of the device's work."""
        self._before = self._spent()

    def end(self) -> None:
        """A step is over."""
        pause = (self._spent() - self._before) * self._factor
        if pause > 0:
            self._sleep(pause)


def _share(text: str | None) -> float:
    """What the device plugin has said; a device of which it says nothing that makes sense is as fast as it can be."""
    try:
        share = float(text or 1)
    except ValueError:
        return 1.0
    return share if 0 < share <= 1 else 1.0

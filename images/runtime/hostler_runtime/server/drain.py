"""When a terminating replica may stop accepting, and how long it may still work."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_SECONDS = 1.0
"""No request for so long means that the endpoints have forgotten this replica."""
LINGER_SHARE = 0.5
"""Part of the drain time that may pass while requests still arrive."""


class Drain:
    """A deadline with two parts: lingering, which ends when it is quiet, and finishing."""

    def __init__(self, *, total: float, linger: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._total = total
        self._longest = max(min(linger, total), total * LINGER_SHARE)
        self._shortest = min(linger, total)

    def seconds_to_accept(self, *, quiet: float) -> float:
        """How much longer new connections must be accepted at least; ``quiet``: seconds since the last request."""
        passed = self._clock() - self._started
        if passed < self._shortest:
            return self._shortest - passed
        # Beyond the shortest time, a slow propagation of endpoints shows in requests that still come.
        return min(min(QUIET_SECONDS, self._shortest) - quiet, self._longest - passed)

    def remaining(self) -> float:
        """Seconds until unfinished requests are failed."""
        return max(0.0, self._total - (self._clock() - self._started))

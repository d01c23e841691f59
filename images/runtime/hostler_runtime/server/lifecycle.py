"""Where a replica stands between start and end. Changed by the event loop only."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum


class Phase(StrEnum):
    """What the replica is doing."""

    LOADING = "Loading"
    """The model is being loaded; no request is answered."""

    WARMING_UP = "WarmingUp"
    """The model is loaded; only the sample request is answered."""

    READY = "Ready"
    """The sample request succeeded on this revision."""

    DRAINING = "Draining"
    """SIGTERM was received: not ready any more, but every request that still arrives is answered."""

    def describe(self) -> str:
        """For a sentence that begins with 'it is'."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Phase.LOADING: "loading the model",
    Phase.WARMING_UP: "waiting for its sample request to succeed",
    Phase.READY: "ready",
    Phase.DRAINING: "finishing its last requests",
}


class Lifecycle:
    """The phase, and when the last request arrived."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.phase = Phase.LOADING
        self.last_arrival = clock()

    @property
    def ready(self) -> bool:
        """What ``/readyz`` says."""
        return self.phase is Phase.READY

    @property
    def answering(self) -> bool:
        """True when requests of clients are answered."""
        return self.phase in (Phase.READY, Phase.DRAINING)

    @property
    def draining(self) -> bool:
        """True after SIGTERM."""
        return self.phase is Phase.DRAINING

    def now(self) -> float:
        """The clock that all durations of requests are taken from."""
        return self._clock()

    def request_arrived(self) -> float:
        """Note a client's request; returns the time."""
        self.last_arrival = self._clock()
        return self.last_arrival

    def seconds_since_arrival(self) -> float:
        """How long it has been quiet."""
        return self._clock() - self.last_arrival

"""How late the event loop comes to what it should do, and why: what it computed itself, and where it stood.

A loop that is late has either computed for too long or was not given the processor: a container that is throttled, a
node that is full. The two look alike on a clock, and ask for different things of whoever is on call. So the processor
time of the loop's thread is measured beside the delay, and a thread that stands by looks where the loop is when it has
been late for a while.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from types import FrameType

_TICK = 0.025
"""How short a block of the loop may be and still be noticed: what lies between two ticks is seen by nobody."""
_REMEMBERED_SECONDS = 30
LATE = 0.5
"""Seconds of one delay after which the log says where the loop is."""
TELL_EVERY = 60.0
"""Seconds between two such lines."""
_FRAMES = 12

_log = logging.getLogger(__name__)


class LoopWatch:
    """Measures how late the event loop comes to what it should do. Made in the thread of the loop."""

    def __init__(
        self,
        report: Callable[[float, float], None] = lambda _lag, _busy: None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        computed: Callable[[], float] = time.thread_time,
    ) -> None:
        """``report`` is told once a second of :attr:`lag` and :attr:`busy`."""
        self._recent: deque[float] = deque([0.0], maxlen=_REMEMBERED_SECONDS)
        """The longest delay of each second."""
        self._recent_busy: deque[float] = deque([0.0], maxlen=_REMEMBERED_SECONDS)
        self._report = report
        self._monotonic = monotonic
        self._computed = computed
        self._ticked = monotonic()

    @property
    def lag(self) -> float:
        """The longest delay of the last half minute in seconds, the current one included."""
        return max(*self._recent, self.late)

    @property
    def late(self) -> float:
        """The delay of this moment, in seconds."""
        return max(self._monotonic() - self._ticked - _TICK, 0.0)

    @property
    def busy(self) -> float:
        """The most processor time that the loop used between two ticks in the last half minute, in seconds."""
        return max(self._recent_busy)

    async def run(self) -> None:
        """Tick for ever, and report once a second."""
        told = self._monotonic()
        while True:
            self._ticked = self._monotonic()
            used = self._computed()
            await asyncio.sleep(_TICK)
            now = self._monotonic()
            self._recent[-1] = max(self._recent[-1], now - self._ticked - _TICK)
            self._recent_busy[-1] = max(self._recent_busy[-1], self._computed() - used)
            if now >= told + 1.0:
                told = now
                self._report(self.lag, self.busy)
                self._recent.append(0.0)
                self._recent_busy.append(0.0)


class Bystander:
    """A thread that writes into the log where the loop stands when it is late: afterwards nobody can tell any more."""

    def __init__(
        self, watch: LoopWatch, *, thread: int | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """``thread`` is that of the loop, by default the one that makes this."""
        self._watch = watch
        self._thread = threading.get_ident() if thread is None else thread
        self._monotonic = monotonic
        self._told = -TELL_EVERY
        self._over = threading.Event()

    def start(self) -> None:
        """Stand by until :meth:`stop`."""
        threading.Thread(target=self._stand_by, name="loop bystander", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _stand_by(self) -> None:
        while not self._over.wait(LATE / 2):
            self.look()

    def look(self) -> bool:
        """One look; whether there was something to tell."""
        late, now = self._watch.late, self._monotonic()
        if late < LATE or now < self._told + TELL_EVERY:
            return False
        frame = sys._current_frames().get(self._thread)
        if frame is None:
            return False
        self._told = now
        _log.warning("the event loop is late", extra={"late": f"{late:.3f}", "at": _shown(frame)})
        return True


def _shown(frame: FrameType) -> str:
    """The innermost calls, the last one first."""
    calls = traceback.extract_stack(frame, limit=None)[-_FRAMES:]
    return " < ".join(f"{call.name} ({call.filename.rpartition('/')[2]}:{call.lineno})" for call in reversed(calls))

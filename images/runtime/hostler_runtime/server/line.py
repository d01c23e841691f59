"""Who waits for the model and who is with it: all that the event loop and the model's thread share."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hostler_runtime.server.observer import Observer


class QueueFullError(Exception):
    """No room to wait; ``retry_after`` is an estimate in whole seconds."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} requests are waiting already")
        self.retry_after = retry_after


class EngineStoppedError(Exception):
    """The model's thread has ended; this replica answers nothing any more."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine gave up on an entry."""

    message: str


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One thing that the model is asked to do. What it brings goes to ``deliver``, which the model's thread calls."""

    deliver: Callable[[Any], None]
    observer: Observer
    queued: float = 0.0
    """When it came into line, on the engine's clock."""
    cancelled: bool = False
    """Set once, by the event loop: nobody waits for it any more."""
    admitted: bool = False
    """It came to the model, perhaps to be put back."""


Pick = Callable[[Sequence[Any], int], Sequence[Any]]
"""Chooses, of those who wait (oldest first) and the number of free slots, who comes next."""


class Line:
    """A bounded queue in front of at most ``slots`` entries that the model works on."""

    def __init__(self, *, slots: int, max_waiting: int, clock: Callable[[], float]) -> None:
        self.slots = slots
        self.joinable = True
        """False where nobody can join what is running, so that its free slots are no room."""
        self._max_waiting = max_waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._running: dict[int, Entry] = {}
        self._closed = False
        self._seconds_per_entry = 1.0

    @property
    def waiting(self) -> int:
        """Entries in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Entries that the model works on."""
        return len(self._running)

    def enter(self, entries: Sequence[Entry], *, accepted: bool = False) -> None:
        """Queue all of them or none; the rest of a request whose beginning was ``accepted`` is never refused.

        Raises ``QueueFullError`` or ``EngineStoppedError``.
        """
        with self._changed:
            if self._closed:
                raise EngineStoppedError("the model's thread has ended")
            # What fits into free slots does not wait, so it does not count against the queue.
            if not accepted and len(self._waiting) + len(entries) > self._max_waiting + self._free():
                raise QueueFullError(len(self._waiting), self._retry_after())
            now = self._clock()
            for entry in entries:
                entry.queued = now
            self._waiting.extend(entries)
            self._changed.notify()

    def cancel(self, entries: Iterable[Entry]) -> None:
        """Nobody waits for these any more. Harmless for entries that are complete."""
        with self._changed:
            for entry in entries:
                entry.cancelled = True
            self._changed.notify()

    def close(self, message: str) -> None:
        """Let nobody in any more; whatever is unfinished fails with ``message``."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            for entry in (*self._running.values(), *self._waiting):
                entry.deliver(Failed(message))
            self._running.clear()
            self._waiting.clear()

    def wait_for_work(self) -> bool:
        """Block until there is something to do. Returns False once the line is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._running)
            return not self._closed

    def members(self) -> list[Any]:
        """Who is with the model; a snapshot, because ``close`` may come at any moment."""
        with self._changed:
            return list(self._running.values())

    def dismiss_cancelled(self) -> list[Any]:
        """Take out of the running ones whom nobody waits for."""
        with self._changed:
            leavers = [entry for entry in self._running.values() if entry.cancelled]
            for entry in leavers:
                del self._running[id(entry)]
        return leavers

    def admit(self, pick: Pick) -> list[Any]:
        """Let those come to the model whom ``pick`` chooses; who was cancelled while waiting never does."""
        with self._changed:
            waiting = [entry for entry in self._waiting if not entry.cancelled]
            arrivals = list(pick(waiting, self.slots - len(self._running))) if waiting else []
            chosen = set(map(id, arrivals))
            self._waiting = deque(entry for entry in waiting if id(entry) not in chosen)
            self._running.update((id(entry), entry) for entry in arrivals)
        now = self._clock()
        for entry in arrivals:
            if not entry.admitted:
                entry.admitted = True
                entry.observer.queued(now - entry.queued)
        return arrivals

    def complete(self, entries: Iterable[Entry]) -> list[Any]:
        """The model is done with these. Returns those who were still with it."""
        now = self._clock()
        with self._changed:
            done = [entry for entry in entries if self._running.pop(id(entry), None) is not None]
            for entry in done:
                self._seconds_per_entry += 0.2 * (now - entry.queued - self._seconds_per_entry)
        return done

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Back to the head of the queue, in this order."""
        with self._changed:
            back = [entry for entry in entries if self._running.pop(id(entry), None) is not None]
            self._waiting.extendleft(reversed(back))

    def _free(self) -> int:
        if self._running and not self.joinable:
            return 0
        return max(0, self.slots - len(self._running))

    def _retry_after(self) -> int:
        rounds = (len(self._waiting) + 1) / self.slots
        return max(1, min(60, math.ceil(rounds * self._seconds_per_entry)))


def oldest(waiting: Sequence[Any], free: int) -> Sequence[Any]:
    """First come, first served."""
    return waiting[:free]

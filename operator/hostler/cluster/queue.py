"""The work queue: every key at most once, never in two hands at the same time, failures later and later.

The rules are those of client-go's workqueue. A key is *waiting* (in line), *in hand* (being worked on), or both no and
no. Adding a waiting key changes nothing but its priority; adding a key in hand marks it, and ``done`` puts it in line
again, so that no news is lost while a worker looks at the old state.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

TURN_OF_THE_LAST = 8
"""One key in so many comes from the end of the lines, so that a stream of urgent ones starves nobody."""
CALM_SECONDS = 0.1
"""How long nothing may have begun until it is time for everything else."""
SETTLE_SECONDS = 0.05
"""How long news of a key are gathered before it is looked at: a change seldom comes alone, and one look is enough for a
pod that ends and for its Job that notices."""
LONGEST_DEFERRAL = 5.0
"""Seconds that a key waits for calm."""


class Priority(IntEnum):
    """Who is served first."""

    START = 0
    """Something is to begin: it is new, or it was given what it waited for. In a burst, reports of what runs can wait
    longer than what stands idle: they are written when the burst is over, and one report says what several would have
    said."""
    CHANGE = 1
    """Something happened."""
    RESYNC = 2
    """Nothing is known to have happened; look anyway."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Doubling delays per key, with jitter so that keys that failed together do not come back together."""

    first: float = 0.005
    limit: float = 300.0
    jitter: float = 0.2

    def delay(self, failures: int, *, random_share: float) -> float:
        """Seconds before attempt ``failures + 1``; ``random_share`` in 0..1 picks the point within the jitter."""
        doubled = self.first * 2.0 ** min(failures, 64)
        return min(self.limit, doubled) * (1 - self.jitter + 2 * self.jitter * random_share)


class QueueMetrics(Protocol):
    """What the queue reports."""

    def added(self) -> None:
        """A key came into line."""

    def depth(self, waiting: int) -> None:
        """How many keys are in line now."""

    def waited(self, seconds: float) -> None:
        """A key left the line."""

    def worked(self, seconds: float) -> None:
        """A key left a worker's hands."""

    def retried(self) -> None:
        """A key will come back because of a failure."""


class WorkQueue(Generic[K]):
    """Used from one event loop. ``clock`` is the loop's own time unless a test says otherwise."""

    def __init__(
        self,
        *,
        metrics: QueueMetrics,
        backoff: Backoff | None = None,
        clock: Callable[[], float] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._clock = clock or asyncio.get_running_loop().time
        self._rng = rng or random.Random()
        self._lines: tuple[OrderedDict[K, float], ...] = tuple(OrderedDict() for _ in Priority)
        """Keys in line by priority, with the time they came."""
        self._in_hand: dict[K, float] = {}
        self._taken = 0
        self._again: dict[K, Priority] = {}
        """Keys that changed while in hand."""
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        """When each delayed key is due; entries of the heap that disagree are void."""
        self._sequence = 0
        self._failures: dict[K, int] = {}
        self._news = asyncio.Event()
        self._emptied = asyncio.Event()
        self._starting: set[K] = set()
        """Keys in hand with which something begins."""
        self._calm_at = float("-inf")
        self._begun = asyncio.Event()
        self._turn = asyncio.Lock()
        """Who is handed a key next; workers that wait for one stand in line here."""

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines)

    @property
    def in_hand(self) -> dict[K, float]:
        """Keys being worked on, and since when."""
        return dict(self._in_hand)

    def failures(self, key: K) -> int:
        """How often this key has failed in a row."""
        return self._failures.get(key, 0)

    def add(self, key: K, *, priority: Priority = Priority.CHANGE) -> None:
        """Put a key in line, unless it waits there with this priority or a better one."""
        if key in self._in_hand:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        since = self._clock()
        for line in Priority:
            if key in self._lines[line]:
                if line <= priority:
                    return
                since = self._lines[line].pop(key)
                break
        else:
            self._metrics.added()
        self._lines[priority][key] = since
        self._tell()

    def add_after(self, key: K, delay: float) -> None:
        """Put a key in line after this many seconds; the earliest such wish counts."""
        if delay <= 0:
            self.add(key)
            return
        due = self._clock() + delay
        if self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._later, (due, self._sequence, key))
        self._news.set()

    def retry(self, key: K, *, at_least: float = 0.0, at_most: float = float("inf")) -> float:
        """Come back to a key that failed, later each time; returns the delay. ``at_least`` goes before ``at_most``."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = max(at_least, min(at_most, self._backoff.delay(failures, random_share=self._rng.random())))
        self._metrics.retried()
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """A key succeeded: its next failure counts as the first."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key, into the caller's hands. Whoever gets one calls :meth:`done`.

        At most one key is handed out in an iteration of the event loop. A reconcile that finds nothing to write never
        suspends, so without this one worker would work off a backlog alone, and no watch, no probe and no renewal of
        the Lease would come in between.
        """
        async with self._turn:
            await asyncio.sleep(0)
            while True:
                wait = self._advance()
                line, pause = self._next_line()
                if line is not None:
                    self._taken += 1
                    return self._take(line)
                self._news.clear()
                await self._sleep(min((each for each in (wait, pause) if each is not None), default=None))

    async def calm(self) -> None:
        """Return when nothing that is to begin (:attr:`Priority.START`) waits or is worked on, nor was a moment ago."""
        while (pause := self._until_calm()) > 0:
            if self._begins:
                self._begun.clear()
                await self._begun.wait()
            else:
                await asyncio.sleep(pause)

    async def caught_up(self) -> None:
        """Return when nothing waits that was put in line only to be looked at (:attr:`Priority.RESYNC`)."""
        while self._lines[Priority.RESYNC]:
            self._emptied.clear()
            await self._emptied.wait()

    def done(self, key: K) -> None:
        """Hand a key back; it comes into line again if it changed meanwhile."""
        now = self._clock()
        self._metrics.worked(now - self._in_hand.pop(key))
        if key in self._starting:
            self._starting.remove(key)
            self._calm_at = now + CALM_SECONDS
            self._begun.set()
            self._tell()
        if key in self._again:
            self.add(key, priority=self._again.pop(key))

    def _next_line(self) -> tuple[OrderedDict[K, float] | None, float | None]:
        """Whose turn it is, or after how many seconds it is somebody's; neither where nobody waits."""
        waiting = [line for line in self._lines if line]
        if not waiting:
            return None, None
        if self._lines[Priority.START]:
            turn_of_the_last = (self._taken + 1) % TURN_OF_THE_LAST == 0
            return waiting[-1 if turn_of_the_last else 0], None
        changed = self._lines[Priority.CHANGE]
        if self._lines[Priority.RESYNC] or not changed:
            # Nothing is put off as long as there is something to be looked at: after a start, nothing begins before.
            return waiting[0], None
        now, since = self._clock(), next(iter(changed.values()))
        due = min(max(now + self._until_calm(), since + SETTLE_SECONDS), since + LONGEST_DEFERRAL)
        return (changed, None) if due <= now else (None, due - now)

    @property
    def _begins(self) -> bool:
        return bool(self._lines[Priority.START] or self._starting)

    def _until_calm(self) -> float:
        return CALM_SECONDS if self._begins else self._calm_at - self._clock()

    def _take(self, line: OrderedDict[K, float]) -> K:
        key, since = line.popitem(last=False)
        if line is self._lines[Priority.START]:
            self._starting.add(key)
        if not self._lines[Priority.RESYNC]:
            self._emptied.set()
        now = self._clock()
        self._in_hand[key] = now
        self._metrics.waited(now - since)
        self._metrics.depth(len(self))
        return key

    def _advance(self) -> float | None:
        """Move what is due into line; returns the seconds until the next one is."""
        now = self._clock()
        while self._later:
            due, _, key = self._later[0]
            if self._due.get(key) != due:
                heapq.heappop(self._later)
                continue
            if due > now:
                return due - now
            heapq.heappop(self._later)
            del self._due[key]
            self.add(key)
        return None

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _tell(self) -> None:
        self._metrics.depth(len(self))
        self._news.set()

"""Asks pods, apart from the workers: a pod that does not answer costs a slot for two seconds, and nobody else anything.

Who is asked next is decided by three rules. Each pod has at most one question open. Each namespace has at most its
share of the slots, which always leaves some for one that comes new. Within a namespace those that answered last time
come first, and those that did not come last; a pod that stays silent is asked less and less, up to once a minute.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from hostler.operator.podhttp import FAILURES, TIMEOUT, ProbeError

T = TypeVar("T")

SLOTS = 64
"""Questions open at the same time."""
MOST_PER_SECOND = 50.0
"""Questions a second over all pods: where there are thousands, each is asked less often, and asking all of them costs
what asking some hundreds does."""
PATIENCE = 3
"""Failures in a row that slow nothing down: a container needs a while until it listens."""
SILENT_LIMIT = 60.0
"""Seconds between two questions to a pod that does not answer, at most."""
JITTER = 0.1
_TURN_OF_OTHERS = 4
"""Of so many turns of a namespace, one is for those that have not answered yet, however many others are due."""

RESULTS = ("success", "skipped", "error", *FAILURES)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A pod that is to be asked."""

    uid: str
    namespace: str
    ip: str
    job: str
    """Name of the Job that controls it."""
    job_uid: str


class Question(Protocol[T]):
    """What pods are asked."""

    async def ask(self, target: Target) -> T | None:
        """The answer of a pod; None where it is not worth a question now. Raises :class:`ProbeError`."""

    def heard(self, target: Target, answer: T) -> None:
        """A pod that is still followed has answered."""


class ProbeMetrics(Protocol):
    """What the prober reports."""

    def probed(self, result: str) -> None:
        """One question is over; one of :data:`RESULTS`."""

    def probing(self, in_flight: int) -> None:
        """How many questions are open now."""


@dataclass(eq=False)
class _Entry:
    """A target and how it behaves. Replaced, not changed, when the target is another one."""

    target: Target
    answers: bool = False
    """Whether it did so last time."""
    failures: int = 0
    dropped: bool = False


@dataclass
class _Line:
    """Those of a namespace that are due, and how many of its questions are open."""

    answering: deque[_Entry] = field(default_factory=deque)
    new: deque[_Entry] = field(default_factory=deque)
    silent: deque[_Entry] = field(default_factory=deque)
    in_flight: int = 0
    turns: int = 0

    @property
    def waits(self) -> bool:
        """Whether anybody is due."""
        return bool(self.answering or self.new or self.silent)

    def add(self, entry: _Entry) -> None:
        """This one is due."""
        line = self.answering if entry.answers else self.silent if entry.failures else self.new
        line.append(entry)

    def take(self) -> _Entry | None:
        """The next one that is still to be asked."""
        self.turns += 1
        order = (self.answering, self.new, self.silent)
        if self.turns % _TURN_OF_OTHERS == 0:
            order = (self.new, self.silent, self.answering)
        for entries in order:
            while entries:
                entry = entries.popleft()
                if not entry.dropped:
                    return entry
        return None


class Prober(Generic[T]):
    """:meth:`follow` and :meth:`forget` targets at any time; :meth:`run` asks them, for ever."""

    def __init__(
        self,
        question: Question[T],
        *,
        interval: float,
        metrics: ProbeMetrics,
        timeout: float = TIMEOUT,
        slots: int = SLOTS,
        clock: Callable[[], float] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._question = question
        self._interval = interval
        self._metrics = metrics
        self._timeout = timeout
        self._slots = slots
        self._clock = clock or asyncio.get_running_loop().time
        self._rng = rng or random.Random()
        self._entries: dict[str, _Entry] = {}
        self._later: list[tuple[float, int, _Entry]] = []
        self._sequence = 0
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        """By namespace, while anything of it is due or open; the one that was served last stands last."""
        self._in_flight = 0
        self._allowance = float(slots)
        """Questions that may be asked now, whatever the usual rate."""
        self._allowed_at = self._clock()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def follow(self, target: Target) -> None:
        """Ask this pod from now on. One that is followed already is asked when it is due, not sooner."""
        known = self._entries.get(target.uid)
        if known is not None and known.target == target:
            return
        self.forget(target.uid)
        entry = self._entries[target.uid] = _Entry(target)
        self._schedule(entry, 0.0)
        self._news.set()

    def forget(self, uid: str) -> None:
        """Ask this pod no more."""
        if (entry := self._entries.pop(uid, None)) is not None:
            entry.dropped = True

    async def run(self) -> None:
        """Ask whoever is due."""
        async with asyncio.TaskGroup() as probes:
            while True:
                wait = self._advance()
                while (entry := self._next()) is not None:
                    probes.create_task(self._probe(entry), name=f"probe-{entry.target.uid}")
                await self._sleep(self._until_allowed(wait))

    async def _probe(self, entry: _Entry) -> None:
        result = "error"
        try:
            # Whatever the transport does, a slot comes back in time.
            async with asyncio.timeout(2 * self._timeout):
                answer = await self._question.ask(entry.target)
            result = "success" if answer is not None else "skipped"
            if answer is not None and not entry.dropped:
                self._question.heard(entry.target, answer)
        except ProbeError as error:
            result = error.result
            _log.debug("a pod gave no answer: %s", error, extra={"pod": entry.target.uid, "result": result})
        except TimeoutError:
            result = "timeout"
        except Exception:
            _log.exception("a pod could not be asked", extra={"pod": entry.target.uid})
        finally:
            self._close(entry, result)

    def _close(self, entry: _Entry, result: str) -> None:
        self._in_flight -= 1
        namespace = entry.target.namespace
        line = self._lines[namespace]
        line.in_flight -= 1
        self._drop_if_empty(namespace, line)
        self._metrics.probed(result)
        self._metrics.probing(self._in_flight)
        entry.answers = result == "success"
        entry.failures = 0 if result in ("success", "skipped") else entry.failures + 1
        if not entry.dropped:
            self._schedule(entry, self._pause(entry.failures))
        self._news.set()

    def _pause(self, failures: int) -> float:
        doubled = self._interval * 2.0 ** min(16, max(0, failures - PATIENCE))
        spread = 1 - JITTER + 2 * JITTER * self._rng.random()
        return min(doubled, max(self._interval, SILENT_LIMIT)) * spread

    def _schedule(self, entry: _Entry, pause: float) -> None:
        self._sequence += 1
        heapq.heappush(self._later, (self._clock() + pause, self._sequence, entry))

    def _advance(self) -> float | None:
        """Put who is due into line; returns the seconds until the next one is."""
        now = self._clock()
        self._allowance = min(float(self._slots), self._allowance + (now - self._allowed_at) * MOST_PER_SECOND)
        self._allowed_at = now
        while self._later:
            due, _, entry = self._later[0]
            if entry.dropped:
                heapq.heappop(self._later)
                continue
            if due > now:
                return due - now
            heapq.heappop(self._later)
            self._lines.setdefault(entry.target.namespace, _Line()).add(entry)
        return None

    def _next(self) -> _Entry | None:
        """Whom to ask now: the namespaces take turns, and none takes more than its share."""
        if self._in_flight >= self._slots or self._allowance < 1:
            return None
        share = max(1, self._slots // (len(self._lines) + 1))
        for namespace, line in list(self._lines.items()):
            if line.in_flight >= share:
                continue
            entry = line.take()
            if entry is None:
                self._drop_if_empty(namespace, line)
                continue
            self._lines.move_to_end(namespace)
            line.in_flight += 1
            self._in_flight += 1
            self._allowance -= 1
            self._metrics.probing(self._in_flight)
            return entry
        return None

    def _until_allowed(self, wait: float | None) -> float | None:
        """How long to sleep: until somebody is due, or until somebody who is may be asked."""
        if self._allowance >= 1 or not any(line.waits for line in self._lines.values()):
            return wait
        # Never so short that the clock does not move meanwhile.
        missing = max(0.001, (1 - self._allowance) / MOST_PER_SECOND)
        return missing if wait is None else min(wait, missing)

    def _drop_if_empty(self, namespace: str, line: _Line) -> None:
        if not (line.in_flight or line.waits):
            del self._lines[namespace]

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

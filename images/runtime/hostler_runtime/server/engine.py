"""The thread that owns the model: it decides, between two steps, who joins and who leaves the running batch.

Admitting between steps means that a short request never waits for a long one to end. The event loop talks to
this thread only through ``submit`` and ``cancel``; answers travel back through ``Sequence.deliver``.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from hostler_runtime.families.serving_protocol import LanguageModel, TokenStream
from hostler_runtime.server.sequence import Failed, Sequence

log = logging.getLogger(__name__)

FAILURES_UNTIL_DEATH = 3
"""Failed steps in a row after which the thread ends, so that liveness fails and the kubelet restarts the pod."""


class QueueFullError(Exception):
    """No room to wait; ``retry_after`` is an estimate in whole seconds."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} requests are waiting already")
        self.retry_after = retry_after


class EngineStoppedError(Exception):
    """The model's thread has ended; this replica answers nothing any more."""


class Engine:
    """A queue in front of one running batch of at most ``slots`` sequences."""

    def __init__(
        self,
        load: Callable[[], LanguageModel],
        *,
        slots: int,
        max_waiting: int,
        observe_batch: Callable[[int], None] = lambda size: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loaded: Future[LanguageModel] = Future()
        """Resolved by the thread: the model, or why it could not be loaded."""
        self._load = load
        self._slots = slots
        self._max_waiting = max_waiting
        self._observe_batch = observe_batch
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Sequence] = deque()
        self._running: dict[int, Sequence] = {}
        self._closed = False
        self._seconds_per_sequence = 1.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to load the model; returns at once."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while the thread can still answer."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Sequences in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Sequences in the batch."""
        return len(self._running)

    def submit(self, sequences: list[Sequence]) -> None:
        """Queue all of them or none. Raises ``QueueFullError`` or ``EngineStoppedError``."""
        with self._changed:
            if self._closed or not self.alive:
                raise EngineStoppedError("the model's thread has ended")
            # What fits into free slots does not wait, so it does not count against the queue.
            free = max(0, self._slots - len(self._running))
            if len(self._waiting) + len(sequences) > self._max_waiting + free:
                raise QueueFullError(len(self._waiting), self._retry_after())
            now = self._clock()
            for sequence in sequences:
                sequence.queued = now
            self._waiting.extend(sequences)
            self._changed.notify()

    def cancel(self, sequences: Iterable[Sequence]) -> None:
        """Free what they hold, at the next step. Harmless for sequences that are complete."""
        with self._changed:
            for sequence in sequences:
                sequence.cancelled = True
            self._changed.notify()

    def close(self, message: str) -> None:
        """End the thread after its current step; whatever is unfinished fails with ``message``."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            self._abandon(message)

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            model = self._load()
        except BaseException as error:
            self.loaded.set_exception(error)
            return
        self.loaded.set_result(model)
        failures = 0
        stream = model.stream()
        while failures < FAILURES_UNTIL_DEATH and self._work_to_do():
            try:
                self._iterate(stream, model.end_tokens)
                failures = 0
            except Exception as error:
                failures += 1
                log.exception("a step of the model failed (%d in a row)", failures)
                self._fail_running(f"the model failed: {type(error).__name__}: {error}")
                stream = model.stream()
        with self._changed:
            self._closed = True
            self._abandon("the server's model thread has ended")

    def _work_to_do(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._running)
            return not self._closed

    def _iterate(self, stream: TokenStream, end_tokens: frozenset[int]) -> None:
        arrivals, leavers = self._exchange()
        if leavers:
            stream.remove(leavers)
        if arrivals:
            self._accept(stream, stream.add([sequence.prompt for sequence in arrivals]), end_tokens)
        if self._running:
            self._observe_batch(len(self._running))
            self._accept(stream, stream.step(), end_tokens)

    def _exchange(self) -> tuple[list[Sequence], list[int]]:
        """Who joins and who leaves before the next step."""
        with self._changed:
            leavers = [key for key, sequence in self._running.items() if sequence.cancelled]
            for key in leavers:
                del self._running[key]
            arrivals: list[Sequence] = []
            while self._waiting and len(self._running) < self._slots:
                sequence = self._waiting.popleft()
                if not sequence.cancelled:
                    self._running[sequence.prompt.key] = sequence
                    arrivals.append(sequence)
        now = self._clock()
        for sequence in arrivals:
            sequence.observer.queued(now - sequence.queued)
            sequence.observer.tokens(input=sequence.input_tokens)
        return arrivals, leavers

    def _accept(self, stream: TokenStream, tokens: dict[int, int], end_tokens: frozenset[int]) -> None:
        now = self._clock()
        with self._changed:
            # A snapshot, because close() may clear the batch while this step's tokens are handed out.
            members = dict(self._running)
        complete = [
            key
            for key, token in tokens.items()
            if key in members and members[key].accept(token, end_tokens=end_tokens, now=now)
        ]
        if not complete:
            return
        stream.remove(complete)
        with self._changed:
            for key in complete:
                sequence = self._running.pop(key, None)
                if sequence is not None:
                    self._seconds_per_sequence += 0.2 * (now - sequence.queued - self._seconds_per_sequence)

    def _fail_running(self, message: str) -> None:
        with self._changed:
            failed = list(self._running.values())
            self._running.clear()
        for sequence in failed:
            sequence.deliver(Failed(message))

    def _abandon(self, message: str) -> None:
        """Fail everything; the lock is held."""
        for sequence in (*self._running.values(), *self._waiting):
            sequence.deliver(Failed(message))
        self._running.clear()
        self._waiting.clear()

    def _retry_after(self) -> int:
        rounds = (len(self._waiting) + 1) / self._slots
        return max(1, min(60, math.ceil(rounds * self._seconds_per_sequence)))

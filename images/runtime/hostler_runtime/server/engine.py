"""The thread that owns the model. What one turn of it does depends on the kind of model and is a ``Worker``'s business.

The event loop talks to this thread only through ``submit`` and ``cancel``; answers come back through ``Entry.deliver``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol, cast

from hostler_runtime.protocols.serving import BatchModel, LanguageModel
from hostler_runtime.server.batching import BatchWorker
from hostler_runtime.server.line import EngineStoppedError, Entry, Line
from hostler_runtime.server.observer import Run
from hostler_runtime.server.stepping import StepWorker

log = logging.getLogger(__name__)

FAILURES_UNTIL_DEATH = 3
"""Failed turns in a row after which the thread ends, so that liveness fails and the kubelet restarts the pod."""

Model = LanguageModel | BatchModel


class Worker(Protocol):
    """One kind of model at work; the engine's thread calls it whenever somebody waits or is being worked on."""

    def turn(self) -> None:
        """Do the next piece of work. May fail with whatever the model fails with."""

    def recover(self, error: Exception) -> None:
        """A turn failed: answer those whom it concerned, and be ready for the next one."""


class Engine:
    """A queue in front of one model."""

    def __init__(
        self,
        load: Callable[[], Model],
        *,
        slots: int,
        max_waiting: int,
        observe: Callable[[Run], None] = lambda run: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loaded: Future[Model] = Future()
        """Resolved by the thread: the model, or why it could not be loaded."""
        self._load = load
        self._observe = observe
        self._clock = clock
        self._line = Line(slots=slots, max_waiting=max_waiting, clock=clock)
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
        """Entries in the queue."""
        return self._line.waiting

    @property
    def running(self) -> int:
        """Entries that the model works on."""
        return self._line.running

    @property
    def slots(self) -> int:
        """Entries that the model works on at most."""
        return self._line.slots

    def submit(self, entries: Sequence[Entry], *, accepted: bool = False) -> None:
        """Queue all of them or none; the rest of a request whose beginning was ``accepted`` is never refused.

        Raises ``QueueFullError`` or ``EngineStoppedError``.
        """
        if not self.alive:
            raise EngineStoppedError("the model's thread has ended")
        self._line.enter(entries, accepted=accepted)

    def cancel(self, entries: Iterable[Entry]) -> None:
        """Free what they hold, at the next turn. Harmless for entries that are complete."""
        self._line.cancel(entries)

    def close(self, message: str) -> None:
        """End the thread after its current turn; whatever is unfinished fails with ``message``."""
        self._line.close(message)

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            model = self._load()
            worker = self._worker(model)
        except BaseException as error:
            self.loaded.set_exception(error)
            return
        self.loaded.set_result(model)
        failures = 0
        while failures < FAILURES_UNTIL_DEATH and self._line.wait_for_work():
            try:
                worker.turn()
                failures = 0
            except Exception as error:
                failures += 1
                log.exception("the model failed (%d in a row)", failures)
                worker.recover(error)
        self._line.close("the server's model thread has ended")

    def _worker(self, model: Model) -> Worker:
        # By what it can do: a Protocol is satisfied without being inherited.
        if hasattr(model, "run_batch"):
            return BatchWorker(cast("BatchModel", model), line=self._line, observe=self._observe, clock=self._clock)
        return StepWorker(model, line=self._line, observe=self._observe, clock=self._clock)

"""From news to work: which keys a change concerns, and the workers that reconcile them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from hostler.cluster.errors import ApiError, Conflict, NotLeading, TooManyRequests, Unavailable
from hostler.cluster.queue import Priority, WorkQueue
from hostler.cluster.store import Change, Store
from hostler.controllers.ports import Controller, Key, Seeded

_log = logging.getLogger(__name__)

RECONCILE_TIMEOUT = 60.0
NOT_LEADING_PAUSE = 1.0
"""Seconds until a key is looked at again whose reconcile was not allowed to write."""
OUTAGE_PAUSE = 30.0
"""The longest pause in seconds after what is the API server's own trouble, not the object's: when it is back,
everything goes on within this time, however long it was away."""
RESULTS = ("success", "conflict", "error", "timeout", "not_leading")


class ReconcileMetrics(Protocol):
    """What the workers report."""

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One reconcile."""


class Dispatcher:
    """Turns changes of the store into keys, while this replica leads."""

    def __init__(self, controllers: Sequence[Controller], *, queue: WorkQueue[Key], store: Store) -> None:
        self._controllers = controllers
        self._queue = queue
        self._store = store
        self._active = False
        store.subscribe(self.changed)

    def start(self) -> None:
        """Let changes through, and begin with everything there is."""
        self._active = True
        self.enqueue_all()

    def stop(self) -> None:
        """Let nothing through."""
        self._active = False

    def wake(self, key: Key, *, priority: Priority = Priority.CHANGE) -> None:
        """Queue one key, for a reason that is no change of an object."""
        if self._active:
            self._queue.add(key, priority=priority)

    def changed(self, change: Change) -> None:
        """Queue every key that this concerns: what the object was counts as well as what it is."""
        if not self._active:
            return
        born = _key(change.kind, change.new) if change.old is None and change.new is not None else None
        for controller in self._controllers:
            for key in controller.affected(change):
                self._queue.add(key, priority=Priority.START if key == born else Priority.CHANGE)

    def enqueue_all(self) -> None:
        """Look at everything again, after whatever is urgent."""
        if not self._active:
            return
        for controller in self._controllers:
            if isinstance(controller, Seeded):
                keys = controller.seeds()
            else:
                keys = (_key(controller.kind, obj) for obj in self._store.list(controller.kind))
            for key in keys:
                self._queue.add(key, priority=Priority.RESYNC)


class Workers:
    """A fixed number of tasks that take keys from the queue."""

    def __init__(
        self,
        controllers: Iterable[Controller],
        *,
        queue: WorkQueue[Key],
        metrics: ReconcileMetrics,
        timeout: float = RECONCILE_TIMEOUT,
        rng: random.Random | None = None,
    ) -> None:
        self._rng = rng or random.Random()
        self._controllers = {controller.kind: controller for controller in controllers}
        self._queue = queue
        self._metrics = metrics
        self._timeout = timeout
        self._tasks: list[asyncio.Task[None]] = []
        self._busy_since: dict[int, float] = {}

    def start(self, count: int) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(self._work(number), name=f"worker-{number}") for number in range(count)]

    async def stop(self) -> None:
        """End now, wherever each worker is: a reconcile may be cut off at any await."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def trouble(self) -> str | None:
        """What is wrong with the workers, or None."""
        if dead := sum(task.done() for task in self._tasks):
            return f"{dead} workers have ended"
        limit = time.monotonic() - 2 * self._timeout
        if stuck := sum(since < limit for since in self._busy_since.values()):
            return f"{stuck} workers are stuck in one reconcile"
        return None

    async def _work(self, number: int) -> None:
        while True:
            key = await self._queue.get()
            self._busy_since[number] = time.monotonic()
            try:
                await self._reconcile(key)
            finally:
                del self._busy_since[number]
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        started = time.monotonic()
        result = "error"
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await self._controllers[key.kind].reconcile(key)
            result = "success"
        except Conflict as error:
            # Our picture was old, or a name is not free yet: look again, that is what the queue is for.
            result = "conflict"
            self._retry(key, error, logging.INFO)
        except NotLeading as error:
            # No fault of the key. Either the process is about to end, or a renewal that was late arrives after all;
            # then nobody else would remember what this reconcile was for.
            result = "not_leading"
            _log.debug("not reconciled: %s", error, extra={"key": str(key)})
            self._queue.add_after(key, NOT_LEADING_PAUSE)
        except ApiError as error:
            self._retry(key, error, logging.WARNING)
        except TimeoutError as error:
            result = "timeout"
            self._retry(key, error, logging.ERROR)
        except Exception as error:
            self._retry(key, error, logging.ERROR)
        else:
            self._queue.forget(key)
            if outcome.requeue_after is not None:
                self._queue.add_after(key, outcome.requeue_after)
        finally:
            self._metrics.reconciled(key.kind, result, time.monotonic() - started)

    def _retry(self, key: Key, error: Exception, level: int) -> None:
        at_least = (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0
        outage = isinstance(error, Unavailable | TooManyRequests)
        spread = OUTAGE_PAUSE * (0.5 + 0.5 * self._rng.random())
        delay = self._queue.retry(key, at_least=at_least, at_most=spread if outage else float("inf"))
        expected = isinstance(error, ApiError | TimeoutError)
        what = str(error) or f"no end within {self._timeout:g} s"
        _log.log(
            level,
            "reconcile failed: %s",
            what,
            exc_info=None if expected else error,
            extra={"key": str(key), "failures": self._queue.failures(key), "retry_in": f"{delay:.3f}"},
        )


def _key(kind: str, obj: dict[str, object]) -> Key:
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    return Key(kind=kind, namespace=metadata.get("namespace", ""), name=metadata["name"])

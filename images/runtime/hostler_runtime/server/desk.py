"""What all routes share: the model, and the way of a request to a model that answers whole requests, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from starlette.requests import Request

from hostler_contract import ServingConfig
from hostler_runtime.protocols.serving import BatchModel, LanguageModel, PromptRejectedError
from hostler_runtime.protocols.tasks import TaskRequest, TaskResult
from hostler_runtime.server.batching import Done, Rejected, Task
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.errors import ApiError, engine_failed, model_not_found, not_ready, queue_full
from hostler_runtime.server.fields import Fields
from hostler_runtime.server.line import EngineStoppedError, Failed, QueueFullError
from hostler_runtime.server.metrics import ServingMetrics
from hostler_runtime.server.observer import Observer, Unmeasured
from hostler_runtime.server.streaming import while_connected

T = TypeVar("T")
R = TypeVar("R", bound=TaskResult)


class Desk:
    """One replica's model, seen from its routes."""

    def __init__(self, config: ServingConfig, *, engine: Engine, metrics: ServingMetrics, revision: str) -> None:
        self.config = config
        self.engine = engine
        self.metrics = metrics
        self.revision = revision
        # One thread: tokenizers and decoders are fast, but not safe to share, and must not hold up the event loop.
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="helper")

    @property
    def tasks(self) -> frozenset[type]:
        """What the model answers: classes of requests, or ``LanguageModel``; empty until it is loaded."""
        loaded = self.engine.loaded
        if not loaded.done() or loaded.exception() is not None:
            return frozenset()
        model = loaded.result()
        return cast("BatchModel", model).tasks if hasattr(model, "run_batch") else frozenset({LanguageModel})

    def language_model(self) -> LanguageModel:
        """The model, on paths that only language models serve."""
        return cast("LanguageModel", self.engine.loaded.result())

    def take_model(self, fields: Fields) -> None:
        """Read the field ``model``, which must name the served one."""
        self.refuse_other(fields.required_text("model"))

    def refuse_other(self, model: str) -> None:
        """Raises ``ApiError`` 404 for another model than the served one."""
        if model != self.config.model_id:
            raise model_not_found(model, served=self.config.model_id)

    def observer(self, request: Request) -> Observer:
        """Who measures a request: nobody where it is the sample request."""
        return Unmeasured() if request.scope["hostler.sample"] else self.metrics

    async def helped(self, work: Callable[[], T], *, param: str) -> T:
        """Run ``work`` beside the event loop. What the model rejects becomes an error of ``param``."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._helper, work)
        except PromptRejectedError as error:
            raise _rejected(error, param=param) from error

    async def answers(self, request: Request, tasks: Sequence[TaskRequest], *, param: str, result: type[R]) -> list[R]:
        """Results of ``tasks``, in order, for as long as the client waits. ``param`` is blamed for what is rejected.

        Raises ``ApiError`` and ``ClientGoneError``.
        """
        keys = await self.accepted(tasks, param=param)
        work = self.perform(tasks, keys, observer=self.observer(request), param=param)
        results = await while_connected(request.receive, work)
        return cast("list[R]", results)

    async def accepted(self, tasks: Sequence[TaskRequest], *, param: str) -> list[Hashable]:
        """Batch keys of tasks that the model can take. Raises ``ApiError`` where it cannot."""
        model = cast("BatchModel", self.engine.loaded.result())

        def check() -> list[Hashable]:
            for task in tasks:
                model.check(task)
            return [model.batch_key(task) for task in tasks]

        return await self.helped(check, param=param)

    async def perform(
        self, tasks: Sequence[TaskRequest], keys: Sequence[Hashable], *, observer: Observer, param: str
    ) -> list[TaskResult]:
        """Results of tasks, in order. Being cancelled cancels them. Raises ``ApiError``.

        A request of more tasks than fit into a batch, or into the queue, is worked off in portions, which leaves room
        for others.
        """
        results: list[TaskResult] = []
        # No larger than the queue, or a request could only be accepted while nobody else is there.
        portion = min(self.engine.slots, self.config.max_queue)
        for start in range(0, len(tasks), portion):
            part = slice(start, start + portion)
            results += await self._portion(tasks[part], keys[part], observer=observer, param=param, accepted=start > 0)
        return results

    async def _portion(
        self,
        tasks: Sequence[TaskRequest],
        keys: Sequence[Hashable],
        *,
        observer: Observer,
        param: str,
        accepted: bool,
    ) -> list[TaskResult]:
        loop = asyncio.get_running_loop()
        mailbox: asyncio.Queue[Done | Rejected | Failed] = asyncio.Queue()

        def deliver(outcome: Done | Rejected | Failed) -> None:
            # The loop is closed only when the process is about to end; nobody waits for the outcome then.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(mailbox.put_nowait, outcome)

        entries = [
            Task(deliver=deliver, observer=observer, request=task, key=key, index=index)
            for index, (task, key) in enumerate(zip(tasks, keys, strict=True))
        ]
        try:
            self._submit(entries, accepted=accepted)
            results: dict[int, TaskResult] = {}
            while len(results) < len(entries):
                outcome = await mailbox.get()
                if isinstance(outcome, Failed):
                    raise engine_failed(outcome.message)
                if isinstance(outcome, Rejected):
                    raise _rejected(outcome.error, param=param)
                results[outcome.index] = outcome.result
            return [results[index] for index in range(len(entries))]
        finally:
            self.engine.cancel(entries)

    def _submit(self, entries: Sequence[Task], *, accepted: bool) -> None:
        try:
            self.engine.submit(entries, accepted=accepted)
        except QueueFullError as error:
            raise queue_full(error.retry_after) from error
        except EngineStoppedError as error:
            raise not_ready(str(error)) from error


def _rejected(error: PromptRejectedError, *, param: str) -> ApiError:
    return ApiError(str(error), param=error.param or param, code=error.code)

"""The event loop's side of one request: it submits sequences and receives what the engine says about them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hostler_runtime.protocols.serving import LanguageModel, Prompt, Sampling, SamplingDefaults
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.errors import engine_failed, not_ready, queue_full
from hostler_runtime.server.line import EngineStoppedError, Failed, QueueFullError
from hostler_runtime.server.observer import Observer
from hostler_runtime.server.parameters import Order
from hostler_runtime.server.seeds import derived_seeds
from hostler_runtime.server.sequence import Delta
from hostler_runtime.server.sequence import Sequence as EngineSequence
from hostler_runtime.server.text import TextAssembler

_keys = itertools.count()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request, as they are billed: each prompt once, every generated token."""

    prompt_tokens: int
    completion_tokens: int


class Generation:
    """All choices of one request. Whoever creates one calls ``cancel`` when it is done with it, in any case."""

    def __init__(self, engine: Engine, *, prompts: Iterable[Sequence[int]]) -> None:
        self._engine = engine
        self._prompts = [tuple(prompt) for prompt in prompts]
        self._mailbox: asyncio.Queue[Delta | Failed] = asyncio.Queue()
        self._sequences: list[EngineSequence] = []
        self._choices = 0
        self._produced: dict[int, int] = {}

    @property
    def usage(self) -> Usage:
        """So far."""
        return Usage(sum(map(len, self._prompts)), sum(self._produced.values()))

    def submit(
        self, order: Order, model: LanguageModel, *, limits: Sequence[int], observer: Observer, arrived: float
    ) -> None:
        """Queue every choice of every prompt; ``limits`` holds the tokens to generate for each prompt.

        Raises ``ApiError`` 429 when the queue is full, 503 when the engine has ended.
        """
        loop = asyncio.get_running_loop()

        def deliver(event: Delta | Failed) -> None:
            # The loop is closed only when the process is about to end; nobody waits for the event then.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._mailbox.put_nowait, event)

        samplings = _samplings(order, model.defaults)
        self._choices = len(self._prompts) * order.choices
        for choice in range(self._choices):
            index, repeat = divmod(choice, order.choices)
            if limits[index] == 0:
                self._mailbox.put_nowait(Delta(choice, "", 0, "length"))
                continue
            self._sequences.append(
                EngineSequence(
                    prompt=Prompt(next(_keys), self._prompts[index], next(samplings)),
                    limit=limits[index],
                    choice=choice,
                    assembler=TextAssembler(model.decode, stop=order.stop),
                    deliver=deliver,
                    observer=observer,
                    arrived=arrived,
                    input_tokens=len(self._prompts[index]) if repeat == 0 else 0,
                )
            )
        self._enqueue()

    def _enqueue(self) -> None:
        try:
            if self._sequences:
                self._engine.submit(self._sequences)
        except QueueFullError as error:
            raise queue_full(error.retry_after) from error
        except EngineStoppedError as error:
            raise not_ready(str(error)) from error

    async def deltas(self) -> AsyncIterator[Delta]:
        """What is generated, until every choice is complete. Raises ``ApiError`` when the model failed."""
        unfinished = self._choices
        while unfinished:
            event = await self._mailbox.get()
            if isinstance(event, Failed):
                raise engine_failed(event.message)
            self._produced[event.choice] = event.produced
            unfinished -= event.finish_reason is not None
            yield event

    def cancel(self) -> None:
        """Free the slots of whatever is not complete."""
        if self._sequences:
            self._engine.cancel(self._sequences)


def _samplings(order: Order, defaults: SamplingDefaults) -> Iterator[Sampling]:
    """One for each choice: the same settings, seeds that differ but follow from the request's."""
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    asked = {name: value for name in names if (value := getattr(order, name)) is not None}
    settings = {name: getattr(defaults, name) for name in names} | asked
    for seed in derived_seeds(order.seed):
        yield Sampling(seed, **settings)

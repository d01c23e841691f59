"""One request from JSON to answer, for both completion APIs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_contract import ServingConfig
from hostler_runtime.families.serving_protocol import LanguageModel, PromptRejectedError
from hostler_runtime.server.engine import Engine
from hostler_runtime.server.errors import (
    ApiError,
    context_length_exceeded,
    invalid_value,
    model_not_found,
)
from hostler_runtime.server.generation import Generation
from hostler_runtime.server.metrics import ServingMetrics, Unmeasured
from hostler_runtime.server.parameters import Order, parse_chat, parse_completion
from hostler_runtime.server.responses import ChatShape, Choice, CompletionShape, Envelope, Shape
from hostler_runtime.server.sequence import Delta
from hostler_runtime.server.streaming import EventStream, while_connected

MAX_BODY_BYTES = 4 * 1024 * 1024
COMPLETION_DEFAULT_TOKENS = 16
"""What the OpenAI API generates for a completion that names no limit."""

T = TypeVar("T")
Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """A validated request, ready for the engine."""

    order: Order
    prompts: tuple[Tokens, ...]
    limits: tuple[int, ...]
    shape: Shape


class Completions:
    """The endpoints that make the model work."""

    def __init__(self, config: ServingConfig, *, engine: Engine, metrics: ServingMetrics, revision: str) -> None:
        self._config = config
        self._engine = engine
        self._metrics = metrics
        self._revision = revision
        # One thread: tokenizers are fast, but not safe to share, and a long prompt must not hold up the event loop.
        self._tokenizer = ThreadPoolExecutor(1, thread_name_prefix="tokenizer")

    async def chat(self, request: Request) -> Response:
        """``POST /v1/chat/completions``."""
        wanted = parse_chat(await _read_json(request), **self._bounds())
        model = self._model_for(wanted.order)
        prompt = await self._encode(lambda: model.encode_chat(wanted.messages), param="messages")
        limit = _limit(prompt, wanted.order, model, param="messages", default=self._config.max_new_tokens)
        shape = ChatShape(self._envelope("chat", request, wanted.order))
        return await self._answer(request, Work(wanted.order, (prompt,), (limit,), shape))

    async def completion(self, request: Request) -> Response:
        """``POST /v1/completions``."""
        wanted = parse_completion(await _read_json(request), **self._bounds())
        model = self._model_for(wanted.order)
        prompts = tuple([await self._prompt(one, model) for one in wanted.prompts])
        default = min(COMPLETION_DEFAULT_TOKENS, self._config.max_new_tokens)
        limits = tuple(_limit(one, wanted.order, model, param="prompt", default=default) for one in prompts)
        echoes: dict[int, str] = {}
        if wanted.echo:
            texts = [one if isinstance(one, str) else model.decode(one) for one in wanted.prompts]
            echoes = {
                index * wanted.order.choices + repeat: text
                for index, text in enumerate(texts)
                for repeat in range(wanted.order.choices)
            }
        shape = CompletionShape(self._envelope("completion", request, wanted.order), echoes=echoes)
        return await self._answer(request, Work(wanted.order, prompts, limits, shape))

    async def _answer(self, request: Request, work: Work) -> Response:
        self._refuse_too_many(len(work.prompts) * work.order.choices)
        generation = Generation(self._engine, prompts=work.prompts)
        try:
            generation.submit(
                work.order,
                self._engine.loaded.result(),
                limits=work.limits,
                observer=Unmeasured() if request.scope["hostler.sample"] else self._metrics,
                arrived=request.scope["hostler.arrived"],
            )
            if work.order.stream:
                return await _streamed(request, work, generation)
            return await while_connected(request.receive, _whole(work.shape, generation))
        except BaseException:
            generation.cancel()
            raise

    def _bounds(self) -> dict[str, int]:
        return {"max_choices": self._config.max_batch_size, "max_new_tokens": self._config.max_new_tokens}

    def _model_for(self, order: Order) -> LanguageModel:
        if order.model != self._config.model:
            raise model_not_found(order.model, served=self._config.model)
        return self._engine.loaded.result()

    def _refuse_too_many(self, sequences: int) -> None:
        most = self._config.max_queue
        if sequences > most:
            raise invalid_value("n", f"{sequences} answers in one request; this server takes at most {most}.")

    async def _prompt(self, prompt: str | Tokens, model: LanguageModel) -> Tokens:
        if isinstance(prompt, str):
            return await self._encode(lambda: model.encode(prompt), param="prompt")
        if not all(0 <= token < model.vocabulary_size for token in prompt):
            raise invalid_value("prompt", f"token ids lie from 0 to {model.vocabulary_size - 1}.")
        return prompt

    async def _encode(self, encode: Callable[[], Sequence[int]], *, param: str) -> Tokens:
        try:
            tokens = await asyncio.get_running_loop().run_in_executor(self._tokenizer, encode)
        except PromptRejectedError as error:
            raise ApiError(str(error), param=param, code=error.code) from error
        if not tokens:
            raise invalid_value(param, "it holds no token, and this model has none to begin with.")
        return tuple(tokens)

    def _envelope(self, kind: Any, request: Request, order: Order) -> Envelope:
        prefix = "chatcmpl" if kind == "chat" else "cmpl"
        return Envelope(
            kind=kind,
            id=f"{prefix}-{request.scope['hostler.request_id']}",
            created=int(time.time()),
            model=self._config.model,
            fingerprint=self._revision,
            with_usage=order.include_usage,
        )


def _limit(prompt: Tokens, order: Order, model: LanguageModel, *, param: str, default: int) -> int:
    """Tokens to generate. Raises ``ApiError`` where the context has no room for what was asked."""
    room = model.context_length - len(prompt)
    wanted = max(1, min(default, room)) if order.max_tokens is None else order.max_tokens
    if wanted > room:
        raise context_length_exceeded(param, limit=model.context_length, prompt=len(prompt), answer=wanted)
    return wanted


async def _whole(shape: Shape, generation: Generation) -> Response:
    texts: dict[int, list[str]] = {}
    reasons: dict[int, str] = {}
    async for delta in generation.deltas():
        texts.setdefault(delta.choice, []).append(delta.text)
        if delta.finish_reason is not None:
            reasons[delta.choice] = delta.finish_reason
    choices = {index: Choice("".join(parts), reasons[index]) for index, parts in texts.items()}
    return JSONResponse(shape.whole(choices, generation.usage))


async def _streamed(request: Request, work: Work, generation: Generation) -> Response:
    deltas = generation.deltas()
    # The status line waits for the first token, so that a failure until then is still a proper status.
    first = await while_connected(request.receive, _next(deltas))
    documents = _documents(work, generation, first=first, rest=deltas)
    return EventStream(documents, release=generation.cancel)


async def _next(deltas: AsyncIterator[Delta]) -> Delta:
    return await anext(deltas)


async def _documents(
    work: Work, generation: Generation, *, first: Delta, rest: AsyncIterator[Delta]
) -> AsyncGenerator[dict[str, Any], None]:
    opened: set[int] = set()
    delta: Delta | None = first
    while delta is not None:
        if delta.choice not in opened:
            opened.add(delta.choice)
            opening = work.shape.opening(delta.choice)
            if opening is not None:
                yield opening
        if delta.text:
            yield work.shape.piece(delta.choice, delta.text)
        if delta.finish_reason is not None:
            yield work.shape.ending(delta.choice, delta.finish_reason)
        delta = await anext(rest, None)
    if work.order.include_usage:
        yield work.shape.usage(generation.usage)


async def _read_json(request: Request) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            message = f"The request body is larger than {MAX_BODY_BYTES} bytes."
            raise ApiError(message, status=413, code="request_too_large")
    try:
        return json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise ApiError(f"The request body is not valid JSON: {error}.", code="invalid_json") from error

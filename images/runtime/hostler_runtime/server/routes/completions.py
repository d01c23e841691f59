"""``/v1/chat/completions`` and ``/v1/completions``: one request from JSON to answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hostler_runtime.protocols.serving import LanguageModel
from hostler_runtime.server.body import read_json
from hostler_runtime.server.desk import Desk
from hostler_runtime.server.errors import context_length_exceeded, invalid_value
from hostler_runtime.server.generation import Generation
from hostler_runtime.server.parameters import Order, parse_chat, parse_completion
from hostler_runtime.server.responses import ChatShape, Choice, CompletionShape, Envelope, Shape
from hostler_runtime.server.routes.endpoint import Endpoint
from hostler_runtime.server.sequence import Delta
from hostler_runtime.server.streaming import EventStream, while_connected

COMPLETION_DEFAULT_TOKENS = 16
"""What the OpenAI API generates for a completion that names no limit."""

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """A validated request, ready for the engine."""

    order: Order
    prompts: tuple[Tokens, ...]
    limits: tuple[int, ...]
    shape: Shape


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Both completion APIs."""
    completions = _Completions(desk)
    return (
        Endpoint(
            path="chat/completions", answer=completions.chat, tasks=(LanguageModel,), proof="usage.completion_tokens"
        ),
        Endpoint(
            path="completions", answer=completions.completion, tasks=(LanguageModel,), proof="usage.completion_tokens"
        ),
    )


class _Completions:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._config = desk.config
        self._engine = desk.engine

    async def chat(self, request: Request) -> Response:
        """``POST /v1/chat/completions``."""
        wanted = parse_chat(await read_json(request), **self._bounds())
        model = self._model_for(wanted.order)
        prompt = await self._encode(lambda: model.encode_chat(wanted.messages), param="messages")
        longest = min(self._config.max_new_tokens, model.defaults.max_new_tokens or self._config.max_new_tokens)
        limit = _limit(prompt, wanted.order, model, param="messages", default=longest)
        shape = ChatShape(self._envelope("chat", request, wanted.order))
        return await self._answer(request, Work(wanted.order, (prompt,), (limit,), shape))

    async def completion(self, request: Request) -> Response:
        """``POST /v1/completions``."""
        wanted = parse_completion(await read_json(request), **self._bounds())
        model = self._model_for(wanted.order)
        prompts = tuple([await self._prompt(one, wanted.suffix, model) for one in wanted.prompts])
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
                self._desk.language_model(),
                limits=work.limits,
                observer=self._desk.observer(request),
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
        self._desk.refuse_other(order.model)
        return self._desk.language_model()

    def _refuse_too_many(self, sequences: int) -> None:
        most = self._config.max_queue
        if sequences > most:
            raise invalid_value("n", f"{sequences} answers in one request; this server takes at most {most}.")

    async def _prompt(self, prompt: str | Tokens, suffix: str | None, model: LanguageModel) -> Tokens:
        if isinstance(prompt, str) and suffix is not None:
            return await self._encode(lambda: model.encode_infill(prompt, suffix), param="suffix")
        if isinstance(prompt, str):
            return await self._encode(lambda: model.encode(prompt), param="prompt")
        if not all(0 <= token < model.vocabulary_size for token in prompt):
            raise invalid_value("prompt", f"token ids lie from 0 to {model.vocabulary_size - 1}.")
        return prompt

    async def _encode(self, encode: Callable[[], Sequence[int]], *, param: str) -> Tokens:
        tokens = await self._desk.helped(encode, param=param)
        if not tokens:
            raise invalid_value(param, "it holds no token, and this model has none to begin with.")
        return tuple(tokens)

    def _envelope(self, kind: Any, request: Request, order: Order) -> Envelope:
        prefix = "chatcmpl" if kind == "chat" else "cmpl"
        return Envelope(
            kind=kind,
            id=f"{prefix}-{request.scope['hostler.request_id']}",
            created=int(time.time()),
            model=self._config.model_id,
            fingerprint=self._desk.revision,
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

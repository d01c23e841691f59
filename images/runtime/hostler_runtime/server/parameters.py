"""From a request's JSON to an ``Order``. What cannot be honoured is refused by name, nothing is silently ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hostler_runtime.server.errors import invalid_type, invalid_value, missing_parameter
from hostler_runtime.server.fields import ANYTHING, NEUTRAL, Fields, is_tokens

MAX_STOP_STRINGS: Final = 4
MAX_PROMPTS: Final = 128
MOST_CANDIDATES: Final = 1 << 20
"""Of ``top_k``: more tokens than any vocabulary has."""
MIN_REPETITION_PENALTY: Final = 0.01
"""Logits are divided by it."""

SAMPLING_NEUTRAL: Final[Mapping[str, Any]] = {
    **NEUTRAL,
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
}
CHAT_NEUTRAL: Final[Mapping[str, Any]] = {
    **SAMPLING_NEUTRAL,
    "audio": (),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "parallel_tool_calls": ANYTHING,
    "prediction": (),
    "prompt_cache_options": ANYTHING,
    "prompt_cache_retention": ANYTHING,
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
MESSAGE_NEUTRAL: Final[Mapping[str, Any]] = {
    "annotations": ([],),
    "audio": (),
    "function_call": (),
    "refusal": (),
    "tool_call_id": (),
    "tool_calls": ([],),
}
COMPLETION_NEUTRAL: Final[Mapping[str, Any]] = {**SAMPLING_NEUTRAL, "best_of": (1,), "logprobs": ()}


@dataclass(frozen=True, slots=True)
class Order:
    """What both kinds of completion have in common."""

    model: str
    temperature: float | None
    """None leaves it, like the settings below, to the model's own defaults."""
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    seed: int | None
    stop: tuple[str, ...]
    choices: int
    """Answers to each prompt."""
    max_tokens: int | None
    """As asked for; None leaves it to the server."""
    stream: bool
    include_usage: bool


@dataclass(frozen=True, slots=True)
class ChatOrder:
    """A conversation to continue."""

    order: Order
    messages: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class CompletionOrder:
    """Texts, or tokens, to continue."""

    order: Order
    prompts: tuple[str | tuple[int, ...], ...]
    echo: bool
    suffix: str | None
    """What follows the text that is to be written; None continues the prompt without end in sight."""


def parse_chat(body: Any, *, max_choices: int, max_new_tokens: int) -> ChatOrder:
    """The order in a body for ``/v1/chat/completions``. Raises ``ApiError``."""
    fields = Fields(body)
    messages = _messages(fields.take("messages"))
    limit = _chat_limit(fields, max_new_tokens=max_new_tokens)
    order = _order(fields, max_choices=max_choices, max_tokens=limit)
    fields.refuse_rest(CHAT_NEUTRAL)
    return ChatOrder(order, messages)


def parse_completion(body: Any, *, max_choices: int, max_new_tokens: int) -> CompletionOrder:
    """The order in a body for ``/v1/completions``. Raises ``ApiError``."""
    fields = Fields(body)
    prompts = _prompts(fields.take("prompt"))
    limit = fields.integer("max_tokens", low=0, high=max_new_tokens)
    echo = fields.flag("echo")
    suffix = _suffix(fields, prompts, echo=echo)
    order = _order(fields, max_choices=max_choices, max_tokens=limit)
    fields.refuse_rest(COMPLETION_NEUTRAL)
    return CompletionOrder(order, prompts, echo, suffix)


def _suffix(fields: Fields, prompts: tuple[str | tuple[int, ...], ...], *, echo: bool) -> str | None:
    suffix = fields.text("suffix")
    if not suffix:
        return None
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise invalid_value("suffix", "it needs prompts that are texts, not token ids.")
    if echo:
        raise invalid_value("echo", "the prompt is not repeated where a 'suffix' is given.")
    return suffix


def _order(fields: Fields, *, max_choices: int, max_tokens: int | None) -> Order:
    model = fields.required_text("model")
    stream = fields.flag("stream")
    return Order(
        model=model,
        temperature=fields.number("temperature", low=0.0, high=2.0),
        top_p=fields.number("top_p", low=0.0, high=1.0),
        top_k=fields.integer("top_k", low=0, high=MOST_CANDIDATES),
        min_p=fields.number("min_p", low=0.0, high=1.0),
        repetition_penalty=fields.number("repetition_penalty", low=MIN_REPETITION_PENALTY, high=2.0),
        seed=fields.integer("seed", low=-(2**63), high=2**63 - 1),
        stop=_stop(fields.take("stop")),
        choices=fields.integer("n", low=1, high=max_choices) or 1,
        max_tokens=max_tokens,
        stream=stream,
        include_usage=_include_usage(fields.take("stream_options"), stream=stream),
    )


def _chat_limit(fields: Fields, *, max_new_tokens: int) -> int | None:
    older = fields.integer("max_tokens", low=1, high=max_new_tokens)
    newer = fields.integer("max_completion_tokens", low=1, high=max_new_tokens)
    if older is not None and newer is not None and older != newer:
        raise invalid_value("max_tokens", "'max_completion_tokens' says another number; give one of them.")
    return older if newer is None else newer


def _include_usage(options: Any, *, stream: bool) -> bool:
    if options is None:
        return False
    if not isinstance(options, dict):
        raise invalid_type("stream_options", want="an object")
    if not stream:
        raise invalid_value("stream_options", "it is only allowed when 'stream' is true.")
    fields = Fields({f"stream_options.{name}": value for name, value in options.items()})
    include = fields.flag("stream_options.include_usage")
    fields.refuse_rest({"stream_options.include_obfuscation": (False,)})
    return include


def _stop(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise invalid_type("stop", want="a string or an array of strings")
    if len(stops) > MAX_STOP_STRINGS:
        raise invalid_value("stop", f"at most {MAX_STOP_STRINGS} strings are allowed.")
    if not all(stops):
        raise invalid_value("stop", "an empty string would end every answer at once.")
    return tuple(stops)


def _prompts(value: Any) -> tuple[str | tuple[int, ...], ...]:
    if value is None:
        raise missing_parameter("prompt")
    several = value if isinstance(value, list) and not is_tokens(value) else [value]
    if not 1 <= len(several) <= MAX_PROMPTS:
        raise invalid_value("prompt", f"expected 1 to {MAX_PROMPTS} prompts.")
    prompts: list[str | tuple[int, ...]] = []
    for one in several:
        if isinstance(one, str):
            prompts.append(one)
        elif isinstance(one, list) and is_tokens(one):
            prompts.append(tuple(one))
        else:
            raise invalid_type("prompt", want="a string, an array of strings, or arrays of token ids")
    return tuple(prompts)


def _messages(value: Any) -> tuple[dict[str, str], ...]:
    if value is None:
        raise missing_parameter("messages")
    if not isinstance(value, list):
        raise invalid_type("messages", want="an array of objects")
    if not value:
        raise invalid_value("messages", "at least one message is needed.")
    return tuple(_message(one, f"messages[{index}]") for index, one in enumerate(value))


def _message(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise invalid_type(where, want="an object")
    fields = Fields({f"{where}.{name}": part for name, part in value.items()})
    role = fields.take(f"{where}.role")
    if role is None:
        raise missing_parameter(f"{where}.role")
    if role not in ("system", "developer", "user", "assistant"):
        raise invalid_value(f"{where}.role", "expected 'system', 'developer', 'user' or 'assistant'.")
    content = _content(fields.take(f"{where}.content"), f"{where}.content")
    name = fields.text(f"{where}.name")
    # An assistant's message may come back as the client's library wrote it: with empty lists and nulls.
    fields.refuse_rest({f"{where}.{key}": accepted for key, accepted in MESSAGE_NEUTRAL.items()})
    # Templates know 'system'; 'developer' is the same thing under a newer name. Few know who is called what.
    return {"role": "system" if role == "developer" else role, "content": content} | ({"name": name} if name else {})


def _content(value: Any, where: str) -> str:
    if value is None:
        raise missing_parameter(where)
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid_type(where, want="a string or an array of text parts")
    texts = []
    for index, part in enumerate(value):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise invalid_type(f"{where}[{index}]", want="an object with a 'type'")
        if part["type"] != "text":
            raise invalid_value(f"{where}[{index}].type", f"this model takes text only, not '{part['type']}'.")
        if not isinstance(part.get("text"), str):
            raise invalid_type(f"{where}[{index}].text", want="a string")
        texts.append(part["text"])
    return "".join(texts)

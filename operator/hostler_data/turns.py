"""Conversations as data: turns with their roles, what the assistant says and which tools it calls, and whether it is to
be learnt.

The format is that of OpenAI's API for chat and fine-tuning, as far as a model of text can use it; ``reasoning_content``
is what DeepSeek and Qwen3 added to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hostler_data.errors import DataError
from hostler_data.record import Record, kind_of

ROLES = ("system", "user", "assistant", "tool")
_ALIASES = {"developer": "system"}
"""A newer name for the same thing; templates know the older one."""
_REASONING = ("reasoning_content", "reasoning", "thinking")
KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "weight", *_REASONING)
"""What is read of a turn. Everything else has no place in a chat template."""
WEIGHT = "weight"
_MEANT = dict.fromkeys(("human", "customer", "prompter"), "user") | dict.fromkeys(
    ("gpt", "chatgpt", "bot", "ai", "model", "agent"), "assistant"
)
"""What other names of roles stand for: not taken as such, because what wrote them may mean more by them."""

Turn = dict[str, Any]
"""``role``, ``content`` (text, absent where the assistant only calls tools), and where the data has them ``name``,
``tool_calls`` (with arguments as objects), ``tool_call_id``, ``reasoning_content`` and ``weight`` (0 or 1)."""


def turns_of(record: Record, role: str = "messages") -> list[Turn]:
    """The turns in a row's column, checked. Raises ``DataError``."""
    value = record.require(role)
    if not isinstance(value, list | tuple) or not value:
        found = "an empty list" if isinstance(value, list | tuple) else kind_of(value)
        raise record.error(f"{role} is {found}, not a list of turns such as {{'role': 'user', 'content': 'Hello'}}")
    return [_turn(record, one, where=f"turn {number}") for number, one in enumerate(value, start=1)]


def conversation_of(record: Record) -> list[Turn]:
    """A row's ``messages``, of which the assistant says something that is to be learnt. Raises ``DataError``."""
    turns = turns_of(record)
    spoken = [turn for turn in turns if turn["role"] == "assistant"]
    if not spoken:
        raise record.error(
            "the assistant says nothing in these messages, so there is nothing to learn: add its answer, or leave the "
            "row out"
        )
    if not any(is_learnt(turn) for turn in spoken):
        raise record.error("every turn of the assistant has weight 0, so there is nothing to learn: leave the row out")
    return turns


def is_learnt(turn: Turn) -> bool:
    """Whether a turn is the assistant's and not only context."""
    return turn["role"] == "assistant" and turn.get(WEIGHT) != 0


def tools_of(record: Record) -> list[dict[str, Any]] | None:
    """JSON schemas of the functions that a row's assistant may call: a list, or the same as JSON text. Raises
    ``DataError``."""
    value = record.values.get("tools")
    if isinstance(value, str):
        value = _json(record, value, where="tools")
    if value is None or value == []:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
        raise record.error(
            f"tools is {kind_of(value)}, not a list of functions: write their JSON schemas, or the same as JSON text"
        )
    return [dict(one) for one in value]


def said(turn: Turn) -> str:
    """All that a turn says, as text: reasoning, content and calls."""
    calls = turn.get("tool_calls")
    parts = (turn.get("reasoning_content"), turn.get("content"), json.dumps(calls) if calls else None)
    return "\n".join(part for part in parts if part)


def _hint(role: Any) -> str:
    meant = _MEANT.get(role.lower()) if isinstance(role, str) else None
    return f": write {meant}" if meant else ""


def _turn(record: Record, value: Any, *, where: str) -> Turn:
    if not isinstance(value, Mapping):
        raise record.error(f"{where} is {kind_of(value)}, not an object: write {{'role': 'user', 'content': 'Hello'}}")
    role = _ALIASES.get(str(value.get("role")), value.get("role"))
    if role not in ROLES:
        raise record.error(
            f"{where} has the role {value.get('role')!r}; the roles are {', '.join(ROLES)}{_hint(value.get('role'))}"
        )
    turn: Turn = {"role": role}
    content = _content(record, value.get("content"), where=where)
    calls = _calls(record, value.get("tool_calls"), where=where)
    if calls and role != "assistant":
        raise record.error(f"{where} is of the role {role} and has tool_calls: only the assistant calls tools")
    if content.strip() or role == "tool":
        turn["content"] = content
    elif not calls:
        raise record.error(f"{where} has no content: write it, or leave the turn out")
    if calls:
        turn["tool_calls"] = calls
    reasoning = next((value[key] for key in _REASONING if value.get(key)), None)
    if reasoning is not None:
        turn["reasoning_content"] = _text(record, reasoning, where=f"{where}'s reasoning")
    for key in ("name", "tool_call_id"):
        if value.get(key) is not None:
            turn[key] = _text(record, value[key], where=f"{where}'s {key}")
    if value.get(WEIGHT) is not None:
        turn[WEIGHT] = _weight(record, value[WEIGHT], where=where)
    return turn


def _content(record: Record, value: Any, *, where: str) -> str:
    """Text, or the parts that clients of OpenAI's API send, as far as they are text."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list | tuple):
        texts = [one.get("text") if isinstance(one, Mapping) and one.get("type") == "text" else None for one in value]
        if all(isinstance(text, str) for text in texts):
            return "".join(map(str, texts))
        raise record.error(
            f"{where} has content that is no text: only parts of the type text can be learnt; leave the "
            "others, or the row, out"
        )
    raise record.error(
        f"{where} has content that is {kind_of(value)}, not text: write it in quotes, or as parts of the type text"
    )


def _calls(record: Record, value: Any, *, where: str) -> list[dict[str, Any]]:
    if value is None or (isinstance(value, list | tuple) and not value):
        return []
    if not isinstance(value, list | tuple):
        raise record.error(
            f"{where} has tool_calls that are {kind_of(value)}, not a list: write "
            "[{'function': {'name': ..., 'arguments': ...}}]"
        )
    return [_call(record, one, where=f"{where}'s call {number}") for number, one in enumerate(value, start=1)]


def _call(record: Record, value: Any, *, where: str) -> dict[str, Any]:
    function = value.get("function", value) if isinstance(value, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
        raise record.error(f"{where} names no function: write {{'function': {{'name': ..., 'arguments': ...}}}}")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        # As the API sends it; templates write the object itself, and would quote a text once more.
        arguments = _json(record, arguments, where=f"{where}'s arguments") if arguments.strip() else {}
    if arguments is not None and not isinstance(arguments, Mapping):
        raise record.error(
            f"{where} has arguments that are {kind_of(arguments)}, not an object: write one by name and value, or the "
            "same as JSON text"
        )
    identity = {"id": value["id"]} if value.get("id") is not None else {}
    return {**identity, "type": "function", "function": {"name": name, "arguments": dict(arguments or {})}}


def _weight(record: Record, value: Any, *, where: str) -> int:
    if isinstance(value, bool) or value not in (0, 1):
        raise record.error(
            f"{where} has the weight {value!r}: a weight is 1 (is learnt) or 0 (is only context for what follows)"
        )
    return int(value)


def _text(record: Record, value: Any, *, where: str) -> str:
    if not isinstance(value, str):
        raise record.error(f"{where} is {kind_of(value)}, not text: write it in quotes")
    return value


def _json(record: Record, value: str, *, where: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise DataError(
            file=record.file, row=record.row, message=f"{where} is not JSON ({error}): correct it"
        ) from error

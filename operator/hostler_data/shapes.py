"""Conversations in the shapes that other tools write become ``messages``: ShareGPT's turns, Alpaca's rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hostler_data.readers import Found
from hostler_data.record import Record

_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
}
"""Speakers of ShareGPT's files; others keep their names, and are refused by them."""


def with_messages(rows: Iterator[Found]) -> Iterator[Found]:
    """The rows, with ``messages`` where they have a conversation under another name or in another shape."""
    for found in rows:
        values = _with_messages(found.values) if isinstance(found, Record) else None
        yield found if values is None else replace(found, values=values)  # type: ignore[type-var]


def _with_messages(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """New values, None where they stay."""
    if _is_turns(values.get("messages")):
        return {**values, "messages": _messages(values["messages"])}
    if "messages" in values:
        return None
    if isinstance(values.get("conversations"), list):
        return _without(values, "conversations", "system", messages=_told(values, values["conversations"]))
    if "instruction" in values and "output" in values:
        parts = [values[key] for key in ("instruction", "input") if values.get(key) not in (None, "")]
        # Two texts are one question; anything else is left to be refused as it is.
        asked = "\n\n".join(parts) if all(isinstance(part, str) for part in parts) else parts[0]
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": values["output"]}]
        return _without(values, "instruction", "input", "output", "system", messages=_told(values, turns))
    return None


def _told(values: Mapping[str, Any], turns: list[Any]) -> list[Any]:
    """The turns, after the column ``system`` where there is one."""
    system = values.get("system")
    return [*([{"role": "system", "content": system}] if system else []), *_messages(turns)]


def _without(values: Mapping[str, Any], *names: str, messages: list[Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names} | {"messages": messages}


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and any(_is_turn(each) for each in value)


def _is_turn(message: Any) -> bool:
    return isinstance(message, Mapping) and "from" in message and "value" in message


def _messages(turns: list[Any]) -> list[Any]:
    return [_message(turn) if _is_turn(turn) else turn for turn in turns]


def _message(turn: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in turn.items() if key not in ("from", "value")}
    speaker = turn["from"]
    known = _SPEAKERS.get(speaker.lower(), speaker) if isinstance(speaker, str) else speaker
    return {**rest, "role": known, "content": turn["value"]}

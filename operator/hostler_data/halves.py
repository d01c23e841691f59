"""Half characters: JSON can write one half of a UTF-16 pair (``\\ud83d``), and no encoding of text can."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class HalfCharacter:
    """Where one stands."""

    path: str
    """Way to the text, such as ``messages[0].content``; empty where the value is the text."""
    code: str
    """As JSON writes it, such as ``\\ud83d``."""


def half_character(value: Any) -> HalfCharacter | None:
    """The first half character in a value of JSON, in its keys or its texts; None where all of it can be encoded."""
    return next(_halves(value, ""), None)


def half_said(half: HalfCharacter) -> str:
    """What is wrong with a row that has one."""
    where = half.path or "the text"
    return f"{where} has half a character ({half.code}), as when an emoji is cut in the middle: remove it"


def _halves(value: Any, path: str) -> Iterator[HalfCharacter]:
    if isinstance(value, str):
        if found := _HALF.search(value):
            yield HalfCharacter(path, f"\\u{ord(found[0]):04x}")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _halves(key, path)
            yield from _halves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _halves(part, f"{path}[{index}]")

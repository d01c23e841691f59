"""Filling in the middle: a text is rearranged so that its middle comes last (arXiv 2207.14255).

``PSM`` (prefix, suffix, middle) is the order in which a server asks; ``SPM`` lets prefix and middle touch as they do in
the text. Borders may lie anywhere, also within what would be one token, because that is where an editor's cursor is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hostler_runtime.text.tokenizer import encode

FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX = "<fim_prefix>", "<fim_middle>", "<fim_suffix>"
"""The names that StarCoder gave them (arXiv 2305.06161)."""
FIM_TOKENS = (FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX)
_SPELLINGS = (FIM_TOKENS, ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"))
"""Other models' names for the same tokens, in the same order."""


@dataclass(frozen=True)
class Cut:
    """A text in three parts."""

    prefix: str
    middle: str
    suffix: str


@dataclass(frozen=True)
class Sentinels:
    """Tokens that announce the parts."""

    prefix: int
    middle: int
    suffix: int


def sentinels_of(tokenizer: Any) -> Sentinels | None:
    """Of a tokenizer that has them."""
    known = tokenizer.get_vocab()
    for names in _SPELLINGS:
        if all(name in known for name in names):
            return Sentinels(*(int(known[name]) for name in names))
    return None


def infill_prompt(tokenizer: Any, *, prefix: str, suffix: str) -> list[int] | None:
    """Tokens after which the middle is written; None where the tokenizer knows no such order."""
    marks = sentinels_of(tokenizer)
    if marks is None:
        return None
    return [marks.prefix, *encode(tokenizer, prefix), marks.suffix, *encode(tokenizer, suffix), marks.middle]


def arranged(
    marks: Sentinels, *, prefix: Sequence[int], middle: Sequence[int], suffix: Sequence[int], spm: bool, end: int
) -> list[int]:
    """A training document with the middle last, and the end after it that tells the model where to stop."""
    if spm:
        return [marks.prefix, marks.suffix, *suffix, marks.middle, *prefix, *middle, end]
    return [marks.prefix, *prefix, marks.suffix, *suffix, marks.middle, *middle, end]

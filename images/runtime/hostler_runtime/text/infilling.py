"""Filling in the middle: a text is rearranged so that its middle comes last (arXiv 2207.14255).

``PSM`` (prefix, suffix, middle) is the usual order; ``SPM`` lets prefix and middle touch as they do in the text.
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
_ORDER = "fim_order"
"""Entry of tokenizer_config.json; absent means prefix first, as other servers ask."""


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


def prefer_spm(tokenizer: Any) -> None:
    """Note in the tokenizer's files that its model is to be asked suffix first. Small models need it: the middle then
    goes on where the prefix ends, instead of far behind it."""
    tokenizer.init_kwargs[_ORDER] = "spm"


def infill_prompt(tokenizer: Any, *, prefix: str, suffix: str) -> list[int] | None:
    """Tokens after which the middle is written, in the order that suits the model; None where it knows none."""
    marks = sentinels_of(tokenizer)
    if marks is None:
        return None
    before, after = encode(tokenizer, prefix), encode(tokenizer, suffix)
    if tokenizer.init_kwargs.get(_ORDER) == "spm":
        return [marks.prefix, marks.suffix, *after, marks.middle, *before]
    return [marks.prefix, *before, marks.suffix, *after, marks.middle]


def arranged(
    marks: Sentinels, *, prefix: Sequence[int], middle: Sequence[int], suffix: Sequence[int], spm: bool, end: int
) -> list[int]:
    """A training document with the middle last, and the end after it that tells the model where to stop."""
    if spm:
        return [marks.prefix, marks.suffix, *suffix, marks.middle, *prefix, *middle, end]
    return [marks.prefix, *prefix, marks.suffix, *suffix, marks.middle, *middle, end]

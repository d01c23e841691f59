"""Text that standard loads learn from: made up, the same bytes on every machine, of documents of many lengths.

What it says does not matter for speed; how long its documents are does, because rows are packed of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from hostler.planning.benchmarks.numbers import numbers

_ONSETS = ("b", "br", "d", "dr", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("", "", "l", "m", "n", "r", "s", "t")
_WORDS = 4000


def json_lines(*, count: int, words: int, seed: int) -> bytes:
    """Documents as JSON lines with one column, ``text``. Their lengths are spread as those of real texts are: the
    logarithm is about normal, around that of ``words``."""
    random = numbers(seed)
    known = [_word(random) for _ in range(_WORDS)]
    lines = [json.dumps({"text": _document(random, known, median=words)}) for _ in range(count)]
    return ("\n".join(lines) + "\n").encode()


def _word(random: Iterator[float]) -> str:
    syllables = 1 + int(3 * next(random))
    return "".join(_one(random, parts) for _ in range(syllables) for parts in (_ONSETS, _VOWELS, _CODAS))


def _one(random: Iterator[float], among: tuple[str, ...]) -> str:
    return among[int(next(random) * len(among))]


def _document(random: Iterator[float], words: list[str], *, median: int) -> str:
    spread = sum(next(random) for _ in range(6)) - 3
    length = max(3, round(median * math.exp(0.9 * spread)))
    # Few words are frequent and many are rare, as in every language (Zipf's law).
    return " ".join(words[int(len(words) ** next(random)) - 1] for _ in range(length)).capitalize() + "."

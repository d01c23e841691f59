"""Word error rate, and what is compared with it."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words(text: str) -> list[str]:
    """Lower case, without punctuation."""
    return re.findall(r"[\w']+", text.lower())


def edits(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Fewest words to insert, leave out or replace (Levenshtein)."""
    row = list(range(len(found) + 1))
    for index, word in enumerate(wanted, start=1):
        before, row[0] = row[0], index
        for place, other in enumerate(found, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def word_error_rate(wanted: Sequence[str], found: Sequence[str]) -> float:
    """Edits for each word that was said, over all sentences together."""
    pairs = [(words(one), words(other)) for one, other in zip(wanted, found, strict=True)]
    return sum(edits(one, other) for one, other in pairs) / sum(len(one) for one, _ in pairs)

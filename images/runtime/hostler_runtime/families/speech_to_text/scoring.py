"""Word and character error rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from transformers.models.whisper.english_normalizer import BasicTextNormalizer

_normalise = BasicTextNormalizer()


def words_of(text: str) -> list[str]:
    """Words as they are compared: without case and punctuation, as Whisper's authors do."""
    return str(_normalise(text)).split()


def edits(wanted: Sequence[str], found: Sequence[str]) -> int:
    """Insertions, deletions and substitutions that lead from one sequence to the other (Levenshtein)."""
    row = list(range(len(found) + 1))
    for count, left in enumerate(wanted, 1):
        diagonal, row[0] = row[0], count
        for place, right in enumerate(found, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (left != right))
    return row[-1]


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Edits of words per wanted word, over pairs of wanted and found text; may exceed 1."""
    return _rate([(words_of(wanted), words_of(found)) for wanted, found in pairs])


def character_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Edits of characters per wanted character."""
    return _rate([(list(" ".join(words_of(wanted))), list(" ".join(words_of(found)))) for wanted, found in pairs])


def _rate(pairs: list[tuple[list[str], list[str]]]) -> float:
    wanted = sum(len(each) for each, _ in pairs)
    return sum(edits(each, found) for each, found in pairs) / max(1, wanted)

"""Answers as stretches of a context: where they stand in tokens, which one a network means, and how good it is."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hostler_runtime.families.bert.tokenizer import Window

LONGEST_ANSWER = 30
"""Tokens; longer spans are not considered, as in the reference evaluation of SQuAD."""
_CANDIDATE_ENDS = 20
_ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a context, in characters."""

    start: int
    end: int
    score: float
    """Logits of both ends, summed; a probability once ``as_probabilities`` has compared the spans of a question."""


def token_span(window: Window, *, start: int, end: int) -> tuple[int, int]:
    """First and last token of the characters ``start`` to ``end`` of the context; (0, 0), which is the first token of
    the sequence, where the window does not hold all of them."""
    covered = [
        index
        for index, (first, after) in enumerate(window.characters)
        if first < end and after > start and after > first
    ]
    if not covered or window.characters[covered[0]][0] > start or window.characters[covered[-1]][1] < end:
        return 0, 0
    return window.second + covered[0], window.second + covered[-1]


def best_spans(window: Window, *, begins: np.ndarray, ends: np.ndarray, count: int) -> list[Span]:
    """The likeliest spans of one window from the logits of its tokens."""
    context = slice(window.second, window.second + len(window.characters))
    begins, ends = begins[context], ends[context]
    found = []
    for begin in np.argsort(-begins)[:_CANDIDATE_ENDS].tolist():
        for end in np.argsort(-ends)[:_CANDIDATE_ENDS].tolist():
            if begin <= end < begin + LONGEST_ANSWER:
                score = float(begins[begin] + ends[end])
                found.append(Span(window.characters[begin][0], window.characters[end][1], score))
    return sorted(found, key=lambda span: -span.score)[:count]


def as_probabilities(spans: Sequence[Span]) -> list[Span]:
    """The different spans of one question over all its windows, best first; scores sum to 1."""
    best: dict[tuple[int, int], float] = {}
    for span in spans:
        key = (span.start, span.end)
        best[key] = max(span.score, best.get(key, span.score))
    if not best:
        return []
    ordered = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    scores = np.array([score for _, score in ordered])
    weights = np.exp(scores - scores[0])
    weights /= weights.sum()
    return [Span(start, end, float(weight)) for ((start, end), _), weight in zip(ordered, weights, strict=True)]


def exact_match(answer: str, wanted: Sequence[str]) -> float:
    """1 where the answer is one of those wanted but for case, punctuation and articles (SQuAD, arXiv 1606.05250)."""
    return float(any(_plain(answer) == _plain(one) for one in wanted))


def f1(answer: str, wanted: Sequence[str]) -> float:
    """Best harmonic mean of precision and recall of the answer's words (SQuAD, arXiv 1606.05250)."""
    return max(_overlap(_plain(answer).split(), _plain(one).split()) for one in wanted)


def _overlap(answer: list[str], wanted: list[str]) -> float:
    common = sum((Counter(answer) & Counter(wanted)).values())
    return 2 * common / (len(answer) + len(wanted)) if common else float(answer == wanted)


def _plain(text: str) -> str:
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", kept).split())

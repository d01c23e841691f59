"""Answers: stretches of a context, and verdicts on what a model said."""

from __future__ import annotations

from typing import Any

from hostler_data.record import Record, shown


def find_answer(record: Record) -> tuple[str, int]:
    """The answer that is learnt and its first character in the context. Raises ``DataError``."""
    answer, start = answers_of(record)[0]
    context = record.text("context")
    if not answer.strip():
        raise record.error("the answer is empty: write what stands in the context, or remove the row")
    if start is None:
        start = context.find(answer)
        if start < 0:
            raise record.error(
                f"the answer {answer[:80]!r} does not stand in its context: write it as it stands there, or remove "
                "the row"
            )
    elif context[start : start + len(answer)] != answer:
        found = context[start : start + len(answer)]
        raise record.error(
            f"the answer {answer[:80]!r} does not stand at character {start} of its context: {found[:80]!r}. "
            "Correct answer_start, or leave it out"
        )
    # A blank at an end belongs to no token.
    return answer.strip(), start + len(answer) - len(answer.lstrip())


def answers_of(record: Record) -> list[tuple[str, int | None]]:
    """Answers with their first character where the data tells it: plain columns, or SQuAD's lists. Raises
    ``DataError``."""
    value = record.require("answer")
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise record.error(
                "the answer is an object without a list `text` of at least one text: write {'text': ['...'], "
                "'answer_start': [0]}"
            )
        if not isinstance(starts, list) or len(starts) != len(texts):
            starts = [None] * len(texts)
        return [(text, _start(record, start)) for text, start in zip(texts, starts, strict=True)]
    return [(record.text("answer"), _start(record, record.values.get("answer_start")))]


def praise_of(record: Record) -> bool:
    """Whether a completion is praised. Raises ``DataError``."""
    value = record.values.get("praise")
    if not isinstance(value, bool):
        raise record.error(f"praise is {shown(value)}: it must be true or false")
    return value


def _start(record: Record, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise record.error(
            f"answer_start is {shown(value)}, not the number of a character: write one from 0 on without quotes, or "
            "leave it out"
        )
    return value

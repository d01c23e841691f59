"""Conversations as training data: which tokens a chat template makes of them, and which of those are the assistant's.

Works with any chat template, ours or a base model's: it compares what the template renders before and after each of the
assistant's turns. What is learnt is what a server of the model will ask for: each answer after the very prompt that it
follows, and the token that ends it. Where a template drops something of earlier turns (Qwen3 their reasoning), a
conversation becomes several examples, so that each of its answers is learnt as it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from hostler_data.record import Record
from hostler_data.turns import Turn, conversation_of, is_learnt, said, tools_of
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.templates import (
    PLAIN_ROLE_TEMPLATE,
    ROLE_TEMPLATE,
    ROLE_TOKENS,
    TURN_END,
    Rendered,
    Template,
    chains,
    choose_template,
)

__all__ = ["PLAIN_ROLE_TEMPLATE", "ROLE_TEMPLATE", "ROLE_TOKENS", "TURN_END", "Conversations", "choose_template",
           "spoken_bytes"]  # fmt: skip


class Conversations:
    """Turns rows with ``messages`` into tokens; only what the assistant says, and the end of it, is learnt.

    Looks at the tokenizer's vocabulary and template once, when it is made.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._template = Template(tokenizer)

    def of_rows(self, rows: Iterable[Record]) -> Iterator[tuple[Record, list[Example]]]:
        """Each row with its examples, at least one. Raises ``DataError``."""
        return ((record, self.examples_of(record)) for record in rows)

    def examples_of(self, record: Record) -> list[Example]:
        """Those of one row: one, unless the template writes earlier turns differently. Raises ``DataError``."""
        turns, tools = conversation_of(record), tools_of(record)
        self._refuse_forgery(record, turns, tools)
        self._template.check(record, turns, tools=tools)
        answers = (
            self._template.answer(record, turns[: place + 1], tools=tools)
            for place, turn in enumerate(turns)
            if is_learnt(turn)
        )
        return [self._tokens(chain) for chain in chains(answers)]

    def example(self, record: Record) -> Example:
        """The example that has a row's last answer. Raises ``DataError``."""
        return self.examples_of(record)[-1]

    def _refuse_forgery(self, record: Record, turns: Sequence[Turn], tools: Any) -> None:
        """Data must not be able to end a turn or change the speaker."""
        for where, value in (
            *((f"turn {number}", turn) for number, turn in enumerate(turns, start=1)),
            ("tools", tools),
        ):
            for text in _texts(value):
                if (token := self._template.controls_in(text)) is not None:
                    raise record.error(f"{where} contains {token!r}, which the chat template uses itself: remove it")

    def _tokens(self, chain: Sequence[Rendered]) -> Example:
        spans = [span for answer in chain for span in answer.spans]
        text = chain[-1].text[: chain[-1].end]
        tokens, places = encode_at(self._tokenizer, text, borders=sorted({place for span in spans for place in span}))
        learnt, behind = [False] * len(text), 0
        for first, last in spans:
            learnt[first:last] = [True] * (last - first)
        taught = []
        for start, end in places:
            # White space before a token may be missing in its place, and bytes of one character have all the same one.
            taught.append(any(learnt[min(start, behind) : end]))
            behind = max(behind, end)
        return Example(tokens=tokens, learnt=taught)


def encode_at(tokenizer: Any, text: str, *, borders: Sequence[int]) -> tuple[list[int], list[tuple[int, int]]]:
    """Tokens of a rendered conversation, and the characters that each stands for.

    The text is cut as a whole, as a server cuts it, but where a token would reach over one of the ``borders``: there a
    server's prompt ends.
    """
    tokens, places = _encoded(tokenizer, text)
    crossed = _crossed(places, borders)
    if not crossed:
        return tokens, places
    tokens, places = [], []
    for start, end in pairwise([0, *crossed, len(text)]):
        part, found = _encoded(tokenizer, text[start:end])
        tokens += part
        places += [(start + first, start + last) for first, last in found]
    return tokens, places


def _encoded(tokenizer: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    if not getattr(tokenizer, "is_fast", False):  # knows no places: any token may be anywhere in the text
        tokens = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        return tokens, [(0, len(text))] * len(tokens)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return list(encoded["input_ids"]), [(int(start), int(end)) for start, end in encoded["offset_mapping"]]


def _crossed(places: Sequence[tuple[int, int]], borders: Sequence[int]) -> list[int]:
    """The borders that a token reaches over. White space before a token is its own, whatever its place says."""
    found: list[int] = []
    behind, waiting = 0, list(reversed(borders))
    for start, end in places:
        while waiting and waiting[-1] <= min(start, behind):
            waiting.pop()
        while waiting and waiting[-1] < end:
            found.append(waiting.pop())
        behind = max(behind, end)
    return found


def spoken_bytes(rows: Iterable[Record]) -> int:
    """Bytes of what the assistant says and a model is to learn."""
    return sum(len(said(turn).encode()) for record in rows for turn in conversation_of(record) if is_learnt(turn))


def _texts(value: Any) -> Iterator[str]:
    """All texts in a structure of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)

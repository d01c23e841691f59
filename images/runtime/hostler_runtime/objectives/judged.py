"""Answers that people judged, as tokens: each a completion of its prompt, which may be a text or a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hostler_data.judged import judged_talks, judged_texts
from hostler_data.record import Record
from hostler_data.turns import WEIGHT, Turn
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.conversations import Conversations
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.templates import adopt_template, knows_roles


class JudgedAnswers:
    """Makes examples as a server of the model would see them: the last turn of a conversation where the model knows
    roles or the data has turns (``talks``), else plain text.

    Gives the tokenizer a chat template where it needs one. Looks at its vocabulary once, however many answers follow.
    """

    def __init__(self, tokenizer: Any, completions: Completions, *, talks: bool) -> None:
        self._tokenizer = tokenizer
        self._completions = completions
        self._conversations: Conversations | None = None
        if talks or knows_roles(tokenizer):
            adopt_template(tokenizer)
            self._conversations = Conversations(tokenizer)

    def examples(self, record: Record, roles: Sequence[str]) -> list[Example]:
        """One for the answer in each of the row's columns ``roles``. Raises ``DataError``."""
        if self._conversations is None:
            prompt, answers = judged_texts(record, roles)
            return [self._completions.plain(self._tokenizer, prompt=prompt, answer=answer) for answer in answers]
        return [self._spoken(self._conversations, record, talk) for talk in judged_talks(record, roles)]

    def _spoken(self, conversations: Conversations, record: Record, talk: list[Turn]) -> Example:
        context = [turn | {WEIGHT: 0} if turn["role"] == "assistant" else turn for turn in talk[:-1]]
        turns = [*context, talk[-1] | {WEIGHT: 1}]
        values = {"messages": turns, "tools": record.values.get("tools")}
        spoken = conversations.example(replace(record, values=values))
        border = list(spoken.learnt or ()).index(True)
        return self._completions.joined(spoken.tokens[:border], spoken.tokens[border:])

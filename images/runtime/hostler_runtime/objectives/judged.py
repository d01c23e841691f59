"""Answers that people judged, as tokens: each a completion of its prompt, which may be a text or a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hostler_data.record import Record
from hostler_data.turns import WEIGHT, Turn, turns_of
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.conversations import Conversations
from hostler_runtime.text.sequences import Example
from hostler_runtime.text.templates import adopt_template, knows_roles

PROMPT = "prompt"
_ROLES = (PROMPT, "chosen", "rejected", "completion")


def are_messages(record: Record) -> bool:
    """Whether a row's prompt or answers are turns of a conversation."""
    return any(isinstance(record.values.get(role), list | tuple) for role in _ROLES)


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
            prompt = record.text(PROMPT)
            return [self._completions.plain(self._tokenizer, prompt=prompt, answer=record.text(role)) for role in roles]
        talks = [_conversation(record, role) for role in roles]
        for role, talk in zip(roles[1:], talks[1:], strict=True):
            if talk[:-1] != talks[0][:-1]:
                raise record.error(
                    f"{roles[0]} and {role} answer different conversations: only the last turn may differ"
                )
        return [self._spoken(self._conversations, record, talk) for talk in talks]

    def _spoken(self, conversations: Conversations, record: Record, talk: list[Turn]) -> Example:
        context = [turn | {WEIGHT: 0} if turn["role"] == "assistant" else turn for turn in talk[:-1]]
        turns = [*context, talk[-1] | {WEIGHT: 1}]
        values = {"messages": turns, "tools": record.values.get("tools")}
        spoken = conversations.example(replace(record, values=values))
        border = list(spoken.learnt or ()).index(True)
        return self._completions.joined(spoken.tokens[:border], spoken.tokens[border:])


def _conversation(record: Record, role: str) -> list[Turn]:
    """What was said before the answer, and the answer."""
    answer = record.require(role)
    prompt = _prompt(record)
    if not isinstance(answer, list | tuple):
        record.require(PROMPT)
        return [*prompt, *_turns(record, "assistant", record.text(role), of=role)]
    turns = turns_of(record, role)
    if turns[-1]["role"] != "assistant":
        raise record.error(f"{role} ends with a turn of the {turns[-1]['role']}: its last turn must be the assistant's")
    if len(turns) == 1:
        record.require(PROMPT)
        return [*prompt, *turns]
    if prompt and turns[:-1] != prompt:
        raise record.error(f"the turns before the answer in {role} are not those of the prompt: leave one of them out")
    return turns


def _prompt(record: Record) -> list[Turn]:
    value = record.values.get(PROMPT)
    if value is None:
        return []
    return (
        turns_of(record, PROMPT)
        if isinstance(value, list | tuple)
        else _turns(record, "user", record.text(PROMPT), of=PROMPT)
    )


def _turns(record: Record, speaker: str, text: str, *, of: str) -> list[Turn]:
    if not text.strip():
        raise record.error(f"{of} is empty")
    return [{"role": speaker, "content": text}]

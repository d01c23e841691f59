"""Answers that people judged: texts, or turns of a conversation of which the last one is the answer."""

from __future__ import annotations

from collections.abc import Sequence

from hostler_data.record import Record
from hostler_data.turns import Turn, turns_of

PROMPT = "prompt"
_ROLES = (PROMPT, "chosen", "rejected", "completion")


def are_messages(record: Record) -> bool:
    """Whether a row's prompt or answers are turns of a conversation."""
    return any(isinstance(record.values.get(role), list | tuple) for role in _ROLES)


def judged_texts(record: Record, roles: Sequence[str]) -> tuple[str, list[str]]:
    """A row's prompt, and the answers in its columns ``roles``. Raises ``DataError``."""
    return record.text(PROMPT), [record.text(role) for role in roles]


def judged_talks(record: Record, roles: Sequence[str]) -> list[list[Turn]]:
    """For each of the row's columns ``roles`` what was said before the answer, and the answer. Texts become turns.
    Raises ``DataError``, also where what was said before is not the same for all of them."""
    talks = [_talk(record, role) for role in roles]
    for role, talk in zip(roles[1:], talks[1:], strict=True):
        if talk[:-1] != talks[0][:-1]:
            raise record.error(f"{roles[0]} and {role} answer different conversations: only the last turn may differ")
    return talks


def _talk(record: Record, role: str) -> list[Turn]:
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
        raise record.error(f"{of} is empty: write it, or remove the row")
    return [{"role": speaker, "content": text}]

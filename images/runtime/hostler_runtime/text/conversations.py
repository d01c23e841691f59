"""Conversations as training data: which tokens a chat template makes of them, and which of those are the assistant's.

Works with any chat template, ours or a base model's, because it only compares what the template renders with and
without a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import TemplateError

from hostler_data.record import Record
from hostler_data.turns import Turn, conversation_of, is_learnt, said
from hostler_runtime.text.sequences import Example

ROLES = ("system", "user", "assistant")
TURN_END = "<|end|>"
ROLE_TOKENS = (*(f"<|{role}|>" for role in ROLES), TURN_END)
"""Announce who speaks, and end what is said."""

ROLE_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('the roles are system, user and assistant, not ' ~ message['role']) }}{% endif %}"
    "{{ '<|' ~ message['role'] ~ '|>' ~ message['content'] ~ '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
PLAIN_ROLE_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['role'] | capitalize ~ ': ' ~ message['content'] ~ eos_token ~ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For base models that know no roles and whose vocabulary is fixed."""


def choose_template(tokenizer: Any) -> str:
    """The chat template to train with: a base model's own, unless it has none or knows no roles."""
    template = tokenizer.chat_template
    if isinstance(template, str) and "role" in template:
        return template
    known = tokenizer.get_vocab()
    return ROLE_TEMPLATE if all(token in known for token in ROLE_TOKENS) else PLAIN_ROLE_TEMPLATE


class Conversations:
    """Turns rows with ``messages`` into tokens; only what the assistant says, and the end of it, is learnt."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        known = tokenizer.get_vocab()
        self._reserved = {*tokenizer.all_special_tokens, *(token for token in ROLE_TOKENS if token in known)}

    def of_rows(self, rows: Iterable[Record]) -> Iterator[tuple[Record, Example]]:
        """Each row with what is learnt from it. Raises ``DataError``."""
        return ((record, self.example(record)) for record in rows)

    def example(self, record: Record) -> Example:
        """One row. Raises ``DataError``."""
        messages = conversation_of(record)
        self._refuse_forgery(record, messages)
        tokens: list[int] = []
        learnt: list[bool] = []
        rendered = ""
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            if "content" not in message:
                raise record.error(
                    f"turn {index + 1} calls a tool and says nothing: the chat template has no place for it"
                )
            before = self._render(record, messages[:index], answering=True)
            after = self._render(record, messages[: index + 1], answering=False)
            if not before.startswith(rendered) or not after.startswith(before):
                raise record.error(
                    "the base model's chat template rewrites earlier turns, so the assistant's words cannot be told "
                    "apart"
                )
            for text, speaks in ((before[len(rendered) :], False), (after[len(before) :], is_learnt(message))):
                part = self._tokenizer(text, add_special_tokens=False)["input_ids"]
                tokens += part
                learnt += [speaks] * len(part)
            rendered = after
        return Example(tokens=tokens, learnt=learnt)

    def _refuse_forgery(self, record: Record, messages: list[Turn]) -> None:
        """Data must not be able to end a turn or change the speaker."""
        for number, message in enumerate(messages, start=1):
            for token in self._reserved:
                if token in said(message):
                    raise record.error(
                        f"turn {number} contains {token!r}, which the chat template uses itself: remove it"
                    )

    def _render(self, record: Record, messages: list[Turn], *, answering: bool) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answering)
        except TemplateError as error:
            raise record.error(f"the chat template refuses these messages: {error}") from error
        return text


def spoken_bytes(rows: Iterable[Record]) -> int:
    """Bytes of what the assistant says and a model is to learn."""
    return sum(len(said(turn).encode()) for record in rows for turn in conversation_of(record) if is_learnt(turn))

"""Conversations as training data: which tokens a chat template makes of them, and which of those are the assistant's.

Works with any chat template, ours or a base model's, because it only compares what the template renders with and
without a turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError

from hostler_data.record import Record
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

    def examples(self, rows: Iterable[Record]) -> Iterator[Example]:
        """One example for each row. Raises ``DataError``."""
        return (self.example(record) for record in rows)

    def example(self, record: Record) -> Example:
        """One row. Raises ``DataError``."""
        messages = messages_of(record)
        self._refuse_forgery(record, messages)
        tokens: list[int] = []
        learnt: list[bool] = []
        rendered = ""
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._render(record, messages[:index], answering=True)
            after = self._render(record, messages[: index + 1], answering=False)
            if not before.startswith(rendered) or not after.startswith(before):
                raise record.error(
                    "the base model's chat template rewrites earlier turns, so the assistant's words cannot be told "
                    "apart"
                )
            for text, speaks in ((before[len(rendered) :], False), (after[len(before) :], True)):
                part = self._tokenizer(text, add_special_tokens=False)["input_ids"]
                tokens += part
                learnt += [speaks] * len(part)
            rendered = after
        return Example(tokens=tokens, learnt=learnt)

    def _refuse_forgery(self, record: Record, messages: list[dict[str, str]]) -> None:
        """Data must not be able to end a turn or change the speaker."""
        for number, message in enumerate(messages, start=1):
            for token in self._reserved:
                if token in message["content"]:
                    raise record.error(
                        f"turn {number} contains {token!r}, which the chat template uses itself: remove it"
                    )

    def _render(self, record: Record, messages: list[dict[str, str]], *, answering: bool) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answering)
        except TemplateError as error:
            raise record.error(f"the chat template refuses these messages: {error}") from error
        return text


def messages_of(record: Record) -> list[dict[str, str]]:
    """A row's conversation, checked. Raises ``DataError``."""
    messages = record.require("messages")
    if not isinstance(messages, list | tuple) or not messages:
        raise record.error("messages is not a list of turns such as {'role': 'user', 'content': 'Hello'}")
    checked = []
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, Mapping):
            raise record.error(f"turn {number} is not an object with role and content")
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise record.error(f"turn {number} has the role {role!r}; the roles are {', '.join(ROLES)}")
        if not isinstance(content, str) or not content.strip():
            raise record.error(f"turn {number} has no content")
        checked.append({"role": role, "content": content})
    if all(message["role"] != "assistant" for message in checked):
        raise record.error("the assistant says nothing in these messages, so there is nothing to learn")
    return checked


def spoken_bytes(rows: Iterable[Record]) -> int:
    """Bytes of what the assistant says."""
    return sum(
        len(message["content"].encode())
        for record in rows
        for message in messages_of(record)
        if message["role"] == "assistant"
    )

"""Chat templates: which one a model is trained with, what it makes of turns, and which tokens end an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

from hostler_contract import ErrorReason
from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_data.turns import Turn
from hostler_runtime.errors import RuntimeFailure

SPEAKERS = ("system", "user", "assistant")
TURN_END = "<|end|>"
ROLE_TOKENS = (*(f"<|{role}|>" for role in SPEAKERS), TURN_END)
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

_DEFAULT, _WITH_TOOLS = "default", "tool_use"
"""Names that transformers gives a model's own templates."""
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_END_OF_REASONING = "</think>"


def choose_template(tokenizer: Any) -> str:
    """The chat template to train with: a base model's own, of several the one named default, unless it has none or
    knows no roles. Raises ``RuntimeFailure`` where several have names and none is the default."""
    own = default_template(tokenizer)
    if own is not None and "role" in own:
        return own
    known = tokenizer.get_vocab()
    return ROLE_TEMPLATE if all(token in known for token in ROLE_TOKENS) else PLAIN_ROLE_TEMPLATE


def adopt_template(tokenizer: Any) -> None:
    """Give the tokenizer the template that is chosen for it, beside those that it has for tools and others."""
    chosen, stored = choose_template(tokenizer), tokenizer.chat_template
    tokenizer.chat_template = {**stored, _DEFAULT: chosen} if isinstance(stored, dict) else chosen


def default_template(tokenizer: Any) -> str | None:
    """The template that a model answers with; None where it has none. Raises ``RuntimeFailure``."""
    stored = tokenizer.chat_template
    if not isinstance(stored, dict):
        return stored if isinstance(stored, str) and stored else None
    if _DEFAULT in stored or len(stored) < 2:
        return next((stored[name] for name in (_DEFAULT, *stored) if name in stored), None)
    raise RuntimeFailure(
        ErrorReason.ARTIFACT_UNREADABLE,
        f"the base model has the chat templates {', '.join(sorted(stored))} and none is named {_DEFAULT}: "
        f"rename the one to train with in its tokenizer_config.json (or write it to chat_template.jinja)",
    )


def knows_roles(tokenizer: Any) -> bool:
    """Whether a model holds conversations. Raises ``RuntimeFailure``."""
    return "role" in (default_template(tokenizer) or "")


def control_tokens(tokenizer: Any) -> frozenset[str]:
    """Tokens that are no text: data must not spell them, and answers end with one."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return frozenset({*tokenizer.all_special_tokens, *(each.content for each in added if each.special)} - {""})


@dataclass(frozen=True)
class Rendered:
    """An assistant's turn after all that was said before it, as text."""

    text: str
    """Up to its end; what a template writes behind it may follow."""
    border: int
    """Characters of ``text`` up to where the assistant begins: the prompt that a server gives."""
    end: int
    """Characters of ``text`` up to where the assistant has ended."""
    spans: tuple[tuple[int, int], ...]
    """What of it is to be learnt."""
    ending: str | None
    """The control token that ends it; None where the template writes none."""


class Template:
    """One tokenizer's template, asked about conversations."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        stored = tokenizer.chat_template
        # A single template is the default whatever its name is.
        self._named: dict[str, str] = stored if isinstance(stored, dict) else {}
        self._default = default_template(tokenizer) or ""
        self.controls = control_tokens(tokenizer)
        self._control = re.compile("|".join(map(re.escape, sorted(self.controls, key=len, reverse=True))) or r"(?!)")
        self._shown: set[str] = set()

    def source(self, *, tools: bool) -> str:
        """The template of a conversation with or without tools."""
        return self._named.get(_WITH_TOOLS, self._default) if tools else self._default

    def controls_in(self, text: str) -> str | None:
        """The first control token that a text spells."""
        found = self._control.search(text)
        return found.group() if found else None

    def check(self, record: Record, turns: Sequence[Turn], *, tools: Sequence[Any] | None) -> None:
        """That nothing of a conversation is left out. Raises ``DataError``."""
        source = self.source(tools=bool(tools))
        for key, what in (("tool_calls", "calls of tools"), ("reasoning_content", "reasoning")):
            names = ("reasoning_content", "thinking", "reasoning") if key == "reasoning_content" else (key,)
            if any(key in turn for turn in turns) and not any(name in source for name in names):
                raise record.error(
                    f"the chat template has no place for {what} ({key}), and would leave it out: take it out of the "
                    "data, or give the base model a template that has one"
                )
        if tools and "tools" not in source:
            raise record.error(
                "the chat template has no place for tools, and would leave them out: take them out of the data, or "
                "give the base model a template that has one"
            )
        for index, turn in enumerate(turns):
            if turn["role"] in ("system", "tool") and turn["role"] not in self._shown:
                self._require_shown(record, turns, index, tools=tools)

    def answer(self, record: Record, turns: Sequence[Turn], *, tools: Sequence[Any] | None) -> Rendered:
        """The last of the turns, which is the assistant's. Raises ``DataError``."""
        turn, number = turns[-1], len(turns)
        after = self._render(record, turns, tools=tools, answering=False)
        words = turn.get("content", "").strip()
        if number == 1:
            border = max(0, after.find(words))
        else:
            before = self._render(record, turns[:-1], tools=tools, answering=True)
            border = _shared(before, after)
            if border < len(before):
                after = self._opened(record, turns, before=before, after=after, tools=tools)
                border = len(before)
        if _END_OF_REASONING in words and _END_OF_REASONING not in after[border:]:
            raise record.error(
                f"turn {number}: the chat template leaves out the reasoning of the answer itself (all before "
                f"{_END_OF_REASONING}), so that it cannot be learnt: take it out, or give the base model a template "
                "that keeps it"
            )
        return self._ended(turn, after, border=border, marks=self._marks(turns, after, tools=tools))

    def _opened(
        self, record: Record, turns: Sequence[Turn], *, before: str, after: str, tools: Sequence[Any] | None
    ) -> str:
        """Where a template opens an answer with words that it does not write again (``<think>``): the answer after
        them, as a server of the model will ask for it."""
        border = _shared(before, after)
        said_before = self._render(record, turns[:-1], tools=tools, answering=False)
        if border < _shared(said_before, before):
            raise record.error(
                f"turn {len(turns)}: the base model's chat template writes what was said before differently once it is "
                "answered, so the assistant's words cannot be told apart: give the base model another template"
            )
        opening, content = before[border:], str(turns[-1].get("content", ""))
        if not opening.strip() or not content.lstrip().startswith(opening.strip()):
            return before + after[border:]
        # The data opens its answer in the same way, and the template took all of it away again.
        visible = content.rpartition(_END_OF_REASONING)[2].strip()
        place = after.find(visible, border) + len(visible)
        return before + content.lstrip().removeprefix(opening.strip()).strip("\n") + after[place:]

    def _ended(self, turn: Turn, text: str, *, border: int, marks: Sequence[tuple[int, int]] | None) -> Rendered:
        words, calls = turn.get("content", "").strip(), bool(turn.get("tool_calls"))
        behind = max(border, text.find(words, border) + len(words))
        found = list(self._control.finditer(text, behind))
        if found:
            # The first one after the words. Calls of tools may have tokens of their own, and the last one ends them.
            last = found[-1 if calls or not words else 0]
            mark, end, ending = last.start(), last.end(), last.group()
        else:
            eos = getattr(self._tokenizer, "eos_token", None)
            mark, ending = len(text), None
            if eos is not None:
                kept = text.rfind(words, border) + len(words) if words and not calls else 0
                mark = kept if kept > border else len(text.rstrip())
                text = text[:mark] + eos
            end = len(text)
        spans = [(border, end)]
        if marks:
            # Not every template marks its end too, and a model that has not learnt it does not stop.
            spans = [*((max(border, start), min(mark, stop)) for start, stop in marks), (mark, end)]
        return Rendered(text, border, end, tuple(span for span in spans if span[0] < span[1]), ending)

    def _marks(
        self, turns: Sequence[Turn], text: str, *, tools: Sequence[Any] | None
    ) -> Sequence[tuple[int, int]] | None:
        """What the template itself marks as the assistant's (``{% generation %}``), where it does."""
        source = self.source(tools=bool(tools))
        if not _GENERATION.search(source):
            return None
        rendered, marks = render_jinja_template(
            conversations=[_shown(turns)],
            tools=list(tools) if tools else None,
            chat_template=source,
            return_assistant_tokens_mask=True,
            **self._tokenizer.special_tokens_map,
        )
        return marks[0] if rendered[0] == text and marks[0] else None

    def _require_shown(self, record: Record, turns: Sequence[Turn], index: int, *, tools: Sequence[Any] | None) -> None:
        """A template may pass over a role that it does not know, without a word."""
        role = turns[index]["role"]
        shown = self._render(record, turns, tools=tools, answering=False)
        try:
            without = self._render(record, [*turns[:index], *turns[index + 1 :]], tools=tools, answering=False)
        except DataError:
            without = ""
        if shown == without:
            raise record.error(
                f"turn {index + 1}: the chat template has no place for the role {role}, and leaves it out: "
                "take the turn out, or give the base model a template that has one"
            )
        self._shown.add(role)

    def _render(self, record: Record, turns: Sequence[Turn], *, tools: Sequence[Any] | None, answering: bool) -> str:
        asked = {"tools": list(tools)} if tools else {}
        try:
            text: str = self._tokenizer.apply_chat_template(
                _shown(turns), tokenize=False, add_generation_prompt=answering, **asked
            )
        except Exception as error:  # a template is somebody else's program and may fail in any way
            raise record.error(
                f"the chat template refuses these messages ({error}): change them, or give the base model another "
                "template"
            ) from error
        return text


def answer_ends(tokenizer: Any) -> list[int]:
    """Tokens that the chat template writes after an answer, which a model that has learnt it ends with."""
    if not tokenizer.chat_template:
        return []
    probe, found = Record(file="", row=1, values={}), []
    question: Turn = {"role": "user", "content": "Hello"}
    call = {"type": "function", "function": {"name": "look", "arguments": {}}}
    says: tuple[Turn, ...] = ({"content": "Hi"}, {"tool_calls": [call]})
    for answer in says:
        turns = [question, {"role": "assistant", **answer}]
        try:
            template = Template(tokenizer)
            template.check(probe, turns, tools=None)
            ending = template.answer(probe, turns, tools=None).ending
        except (DataError, RuntimeFailure):
            continue  # a template without tools, with demands of its own, or without a default
        if ending is not None:
            found.append(int(tokenizer.convert_tokens_to_ids(ending)))
    return found


def joins(turn: Rendered, following: Rendered) -> bool:
    """Whether the next answer's text has this one in it as it was learnt."""
    return turn.ending is not None and following.text[: following.border].startswith(turn.text[: turn.end])


def chains(turns: Iterable[Rendered]) -> list[list[Rendered]]:
    """Answers that can be learnt in one text, because none of them changes once it is answered."""
    found: list[list[Rendered]] = []
    for turn in turns:
        if found and joins(found[-1][-1], turn):
            found[-1].append(turn)
        else:
            found.append([turn])
    return found


def _shown(turns: Sequence[Turn]) -> list[Turn]:
    """As a template sees them: a weight is none of its business."""
    return [{key: value for key, value in turn.items() if key != "weight"} for turn in turns]


def _shared(one: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(place for place, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its)

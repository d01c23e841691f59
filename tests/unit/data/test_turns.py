"""Turns of a conversation: what is read of them, and what is refused with file and row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_data.turns import Turn, conversation_of, is_learnt, tools_of, turns_of


def record(**values: Any) -> Record:
    """A row."""
    return Record("rows.jsonl", 3, values)


@pytest.mark.parametrize(
    ("turn", "want"),
    [
        pytest.param({"role": "user", "content": "a"}, {"role": "user", "content": "a"}, id="text"),
        pytest.param({"role": "developer", "content": "a"}, {"role": "system", "content": "a"}, id="a newer role"),
        pytest.param(
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "ab"}, id="parts of text",
        ),
        pytest.param(
            {"role": "assistant", "content": "a", "weight": 0.0}, {"role": "assistant", "content": "a", "weight": 0},
            id="a weight as a table of numbers has it",
        ),
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {
                "name": "f", "arguments": '{"a": 1}'}}]},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {
                "name": "f", "arguments": {"a": 1}}}]},
            id="a call with its arguments as text",
        ),
        pytest.param(
            {"role": "tool", "content": "", "tool_call_id": "1", "name": None},
            {"role": "tool", "content": "", "tool_call_id": "1"}, id="a result without words",
        ),
        pytest.param(
            {"role": "assistant", "content": "a", "thinking": "b", "tool_calls": None, "weight": None, "id": 7},
            {"role": "assistant", "content": "a", "reasoning_content": "b"},
            id="reasoning by another name, and fields of a table that are empty",
        ),
    ],
)  # fmt: skip
def test_a_turn_is_read_as_templates_want_it(turn: dict[str, Any], want: Turn) -> None:
    assert turns_of(record(messages=[turn])) == [want]


@pytest.mark.parametrize(
    ("turn", "want"),
    [
        pytest.param(None, "turn 1 is null, not an object", id="null"),
        pytest.param({"role": ["user"], "content": "a"}, "turn 1 has the role ['user']; the roles",
                     id="a list of roles"),
        pytest.param({"role": "user", "content": 3}, "turn 1 has content that is a number, not text", id="a number"),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url"}]}, "only parts of the type text can be learnt",
            id="a picture",
        ),
        pytest.param({"role": "user", "content": " \n"}, "turn 1 has no content", id="white space"),
        pytest.param(
            {"role": "user", "content": "a", "tool_calls": [{"function": {"name": "f"}}]},
            "only the assistant calls tools", id="a call by somebody else",
        ),
        pytest.param(
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]},
            "turn 1's call 1 has arguments that are a list, not an object", id="a list of arguments",
        ),
        pytest.param({"role": "assistant", "content": "a", "weight": True}, "turn 1 has the weight True", id="true"),
        pytest.param({"role": "assistant", "content": "a", "weight": "0"}, "turn 1 has the weight '0'", id="text"),
    ],
)  # fmt: skip
def test_a_turn_that_cannot_be_used_is_named(turn: Any, want: str) -> None:
    with pytest.raises(DataError) as refused:
        turns_of(record(messages=[turn]))

    assert str(refused.value).startswith("rows.jsonl:3: ")
    assert want in str(refused.value)


def test_only_the_assistants_turns_with_weight_are_learnt() -> None:
    asked = {"role": "user", "content": "a", "weight": 1}
    turns = conversation_of(
        record(
            messages=[asked, {"role": "assistant", "content": "b", "weight": 0}, {"role": "assistant", "content": "c"}]
        )
    )

    assert [is_learnt(turn) for turn in turns] == [False, False, True]


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param(None, None, id="none"),
        pytest.param([], None, id="an empty list"),
        pytest.param([{"name": "f"}], [{"name": "f"}], id="a list"),
        pytest.param('[{"name": "f"}]', [{"name": "f"}], id="the same as text, which tables hold"),
    ],
)
def test_tools_are_a_list_or_its_text(value: Any, want: Any) -> None:
    assert tools_of(record(tools=value)) == want


def test_the_documented_conversation_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "concepts" / "text.md").read_text()
    block = next(part for part in page.split("```json\n")[1:] if part.startswith('{"messages"'))
    found = record(**json.loads(block.partition("```")[0]))

    assert [is_learnt(turn) for turn in conversation_of(found)] == [False, False, False, False, True, False, True]
    assert tools_of(found) is not None


def test_tools_that_are_no_list_are_named() -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl:3: tools is an object, not a list of functions"):
        tools_of(record(tools='{"name": "f"}'))

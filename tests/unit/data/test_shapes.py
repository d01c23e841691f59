"""Conversations in the shapes of other tools: ShareGPT's turns and Alpaca's rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tables import table
from unit.data.makers import opened, write_lines

from hostler_data.describe import describe

Row = dict[str, Any]
HUMAN, GPT = {"from": "human", "value": "hi"}, {"from": "gpt", "value": "yes"}
USER, ASSISTANT = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}


@table(
    "row, want",
    {
        "ShareGPT": ({"conversations": [HUMAN, GPT]}, {"messages": [USER, ASSISTANT]}),
        "ShareGPT with a prompt of the system beside it, and a key more": (
            {"conversations": [HUMAN, GPT | {"weight": 0}], "system": "Be short.", "id": 3},
            {
                "messages": [{"role": "system", "content": "Be short."}, USER, ASSISTANT | {"weight": 0}],
                "id": 3,
            },
        ),
        "ShareGPT's turns under the usual name": ({"messages": [HUMAN, GPT]}, {"messages": [USER, ASSISTANT]}),
        "the usual turns under ShareGPT's name": (
            {"conversations": [USER, ASSISTANT]},
            {"messages": [USER, ASSISTANT]},
        ),
        "Alpaca": ({"instruction": "hi", "input": "", "output": "yes"}, {"messages": [USER, ASSISTANT]}),
        "Alpaca with an input": (
            {"instruction": "Translate", "input": "oui", "output": "yes"},
            {"messages": [{"role": "user", "content": "Translate\n\noui"}, ASSISTANT]},
        ),
        "Alpaca whose rows have the whole text as well": (
            {"instruction": "hi", "output": "yes", "text": "### hi yes"},
            {"messages": [USER, ASSISTANT], "text": "### hi yes"},
        ),
        "what is called so and is something else": (
            {"conversations": 3, "text": "a"},
            {"conversations": 3, "text": "a"},
        ),
    },
)
def test_rows_of_other_tools_become_messages(row: Row, want: Row, tmp_path: Path) -> None:
    (record,) = opened(write_lines(tmp_path / "a.jsonl", [row]), "jsonl")

    assert record.values == want


def test_a_column_may_be_mapped_first(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"talk": [HUMAN, GPT]}])

    (record,) = opened(path, "jsonl", messages="talk")

    assert record.values == {"messages": [USER, ASSISTANT]}


@table(
    "row, want",
    {
        "a speaker whom no template knows": (
            {"conversations": [{"from": "observation", "value": "x"}, GPT]},
            "a.jsonl:1: turn 1 has the role 'observation'; the roles are system, user, assistant, tool",
        ),
        "an answer that is empty": (
            {"instruction": "hi", "input": "", "output": ""},
            "a.jsonl:1: turn 2 has no content: write it, or leave the turn out",
        ),
        "a question that is a number": (
            {"instruction": 3, "input": "x", "output": "yes"},
            "a.jsonl:1: turn 1 has content that is a number, not text: write it in quotes, or as parts of the type "
            "text",
        ),
        "no question": (
            {"instruction": "", "output": "yes"},
            "a.jsonl:1: turn 1 has no content: write it, or leave the turn out",
        ),
    },
)
def test_what_is_wrong_in_them_is_named(row: Row, want: str, tmp_path: Path) -> None:
    report = describe(opened(write_lines(tmp_path / "a.jsonl", [row]), "jsonl"), family="chat")

    assert [str(error) for error in report.errors] == [want]

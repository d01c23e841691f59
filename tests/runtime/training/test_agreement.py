"""Trainers refuse what `hostler data validate` and the Dataset call an error, at the same row, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tables import table

from hostler_data.answers import praise_of
from hostler_data.describe import describe
from hostler_data.errors import DataError
from hostler_data.judged import are_messages
from hostler_data.record import Record
from hostler_data.records import open_records
from hostler_data.transcripts import transcript_of
from hostler_data.turns import conversation_of
from hostler_runtime.families.bert import preparation
from hostler_runtime.families.speech_to_text import dataset as speech
from hostler_runtime.images import store
from hostler_runtime.objectives import verdicts
from hostler_runtime.objectives.judged import JudgedAnswers
from hostler_runtime.text import conversations
from hostler_runtime.text.completions import Completions
from hostler_runtime.text.tokenizer import train_tokenizer

Row = dict[str, Any]
USER, ASSISTANT = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}


def bert_labels(record: Record) -> object:
    """As the family that classifies reads a row."""
    return preparation.labelled(record)


def bert_answers(record: Record) -> object:
    """As the family that answers questions reads a row."""
    return preparation.find_answer(record)


def chat_talks(record: Record) -> object:
    """As the family that talks reads a row."""
    return conversations.spoken_bytes([record])


def judged_pairs(record: Record) -> object:
    """As a trainer with a base model reads a pair that people judged."""
    tokenizer = train_tokenizer([], vocabulary_size=270, context_length=64, special_tokens=())
    answers = JudgedAnswers(tokenizer, Completions(context_length=64), talks=are_messages(record))
    return answers.examples(record, ["chosen", "rejected"])


@table(
    ("row", "read", "family"),
    {
        "a conversation": ({"messages": [USER, ASSISTANT]}, chat_talks, "chat"),
        "a role": ({"messages": [{"role": "human", "content": "hi"}, ASSISTANT]}, chat_talks, "chat"),
        "an empty turn": ({"messages": [{"role": "user", "content": ""}, ASSISTANT]}, chat_talks, "chat"),
        "a question alone": ({"messages": [USER]}, chat_talks, "chat"),
        "a weight": ({"messages": [USER, ASSISTANT | {"weight": 2}]}, chat_talks, "chat"),
        "ShareGPT": ({"conversations": [{"from": "gpt", "value": "x"}]}, chat_talks, "chat"),
        "a label": ({"text": "a", "label": 3}, bert_labels, "bert"),
        "a label that is a truth": ({"text": "a", "label": True}, bert_labels, "bert"),
        "an answer": ({"question": "q", "context": "Ann", "answer": "Ann"}, bert_answers, "bert"),
        "an answer of elsewhere": ({"question": "q", "context": "Ann", "answer": "Bob"}, bert_answers, "bert"),
        "an answer at a text": (
            {"question": "q", "context": "Ann", "answer": "Ann", "answer_start": "0"}, bert_answers, "bert",
        ),
        "praise": ({"prompt": "q", "completion": "a", "praise": True}, praise_of, "chat"),
        "praise as a number": ({"prompt": "q", "completion": "a", "praise": 1}, praise_of, "chat"),
        "a pair of texts": ({"prompt": "q", "chosen": "a", "rejected": "b"}, judged_pairs, "chat"),
        "a pair of turns": ({"chosen": [USER, ASSISTANT], "rejected": [USER, ASSISTANT]}, judged_pairs, "chat"),
        "an answer that is no text": ({"prompt": "q", "chosen": 3, "rejected": "b"}, judged_pairs, "code"),
        "a pair of turns without a prompt": ({"chosen": [ASSISTANT], "rejected": [ASSISTANT]}, judged_pairs, "chat"),
        "a question as an answer": ({"chosen": [USER], "rejected": [USER, ASSISTANT]}, judged_pairs, "chat"),
        "answers to different questions": (
            {"chosen": [USER, ASSISTANT], "rejected": [USER, USER, ASSISTANT]}, judged_pairs, "chat",
        ),
        "a pair with a prompt of another role": (
            {"prompt": [{"role": "human", "content": "hi"}], "chosen": "a", "rejected": "b"}, judged_pairs, "chat",
        ),
        "null text": ({"text": None}, Record.text, "code"),
    },
)  # fmt: skip
def test_validate_and_the_trainer_agree(
    row: Row, read: Callable[[Record], object], family: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(row) + "\n")
    records = open_records([file], root=tmp_path, format="jsonl")

    found = [str(error) for error in describe(records, family=family).errors]

    assert trained(records, read) == found


def trained(records: Iterable[Record], read: Callable[[Record], object]) -> list[str]:
    """What a trainer says of the rows."""
    said = []
    for record in records:
        try:
            read(record)
        except DataError as error:
            said.append(str(error))
    return said


@pytest.mark.parametrize("language", ["en", "EN", "english", "zh-CN", None])
@pytest.mark.parametrize("text", ["hello", "", None])
def test_transcripts_are_read_alike(language: str | None, text: str | None, tmp_path: Path) -> None:
    row = {"audio": [0.0] * 160, "text": text, "language": language}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(row) + "\n")
    records = open_records([file], root=tmp_path, format="jsonl")

    found = [str(error) for error in describe(records, family="speech-to-text").errors]

    assert trained(records, lambda record: transcript_of(record, default="en")) == found


def test_the_trainers_have_no_checks_of_their_own() -> None:
    assert speech.transcript_of is transcript_of
    assert conversations.conversation_of is conversation_of
    assert verdicts.praise_of is praise_of
    assert store.label_of.__module__ == preparation.class_of.__module__ == "hostler_data.labels"

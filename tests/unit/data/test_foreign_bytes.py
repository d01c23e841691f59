"""Bytes that nobody foresaw: each an error with file and row, and the rows after it are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet
from tables import table
from unit.data.makers import errors, opened, png, write_tar

from hostler_data.errors import DataError, MissingLibraryError
from hostler_data.halves import HalfCharacter, half_character
from hostler_data.readers import Found, guarded
from hostler_data.record import Record

HALF = "\ud83d"


@table(
    "value, want",
    {
        "whole characters": ({"a": ["😀", {"b": "ü"}], "c": 3, "d": None}, None),
        "a text that ends in half an emoji": (f"thanks {HALF}", HalfCharacter("", "\\ud83d")),
        "deep within": (
            {"messages": [{"content": "a"}, {"content": HALF}]},
            HalfCharacter("messages[1].content", "\\ud83d"),
        ),
        "the second half alone": ({"a": "\udc00"}, HalfCharacter("a", "\\udc00")),
        "a name of a column": ({HALF: 1}, HalfCharacter("", "\\ud83d")),
    },
)
def test_half_characters_are_found(value: Any, want: HalfCharacter | None) -> None:
    assert half_character(value) == want


def test_half_a_character_is_an_error_of_its_line(tmp_path: Path) -> None:
    lines = [{"text": "fine \\ud83d\\ude00"}, {"text": HALF}, {"text": "😀"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    records = opened(tmp_path, "jsonl")

    assert errors(records) == [
        "a.jsonl:2: text has half a character (\\ud83d), as when an emoji is cut in the middle: remove it"
    ]
    assert [found.row for found in records.scan() if isinstance(found, Record)] == [1, 3]


def test_half_a_character_in_a_shard(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1.json": b'{"text": "\\ud83d"}', "2.json": b'{"text": "fine"}'})

    (error,) = errors(opened(tmp_path, "webdataset"))

    assert error.startswith("a.tar:1: 1.json: text has half a character")


def test_parquet_texts_that_are_none(tmp_path: Path) -> None:
    texts = [b"fine", "Zürich".encode("latin-1"), b"fine too"]
    column = arrow.array(texts, type=arrow.binary()).view(arrow.string())
    parquet.write_table(arrow.table({"text": column, "label": [1, 2, 3]}), tmp_path / "a.parquet")

    records = opened(tmp_path, "parquet")

    assert errors(records) == ["a.parquet:2: text is not UTF-8 text: convert or remove it"]
    found = [(each.row, each.values["text"]) for each in records.scan() if isinstance(each, Record)]
    assert found == [(1, "fine"), (3, "fine too")]


def test_a_caption_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    (tmp_path / "1.txt").write_bytes(b"caf\xe9")

    assert errors(opened(tmp_path, "images")) == ["1.txt:1: is not UTF-8 text (byte 3 is 0xe9): convert or remove it"]


def reading(error: Exception, *, rows: int) -> Iterator[Found]:
    """So many rows, then an exception."""
    for row in range(1, rows + 1):
        yield Record(file="a.x", row=row, values={})
    raise error


@table(
    "error, want",
    {
        "whatever a library raises": (
            KeyError("x\ny"),
            "a.x:3: cannot be read (KeyError: 'x\\ny'): repair or remove it",
        ),
        "an error of data": (DataError(file="a.x", row=9, message="is broken"), "a.x:9: is broken"),
    },
)
def test_an_exception_of_a_reader_is_an_error_of_the_row(error: Exception, want: str) -> None:
    *rows, last = guarded(reading(error, rows=2), name="a.x")

    assert [found.row for found in rows] == [1, 2]
    assert str(last) == want


@pytest.mark.parametrize("error", [MemoryError(), MissingLibraryError("needs av")], ids=type)
def test_what_is_no_fault_of_the_data_is_none_of_its_errors(error: Exception) -> None:
    with pytest.raises(type(error)):
        list(guarded(reading(error, rows=1), name="a.x"))


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet", "webdataset", "text", "images"])
def test_every_reader_is_guarded(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"jsonl": "a.jsonl", "csv": "a.csv", "parquet": "a.parquet", "webdataset": "a.tar", "text": "a.txt"}
    file = tmp_path / names.get(format, "metadata.jsonl")
    file.write_bytes(b"x\n")
    inner = {
        "jsonl": "jsonl._no_lines", "csv": "csv._header", "parquet": "parquet.library", "text": "text._newlines",
        "webdataset": "webdataset._samples", "images": "manifest._with_media",
    }[format]  # fmt: skip
    if format == "images":
        file.write_text("{}\n")

    def fails(*_: Any, **__: Any) -> Any:
        raise LookupError("surprise")

    monkeypatch.setattr(f"hostler_data.readers.{inner}", fails)

    assert errors(opened(tmp_path, format)) == [
        f"{file.name}:1: cannot be read (LookupError: surprise): repair or remove it"
    ]

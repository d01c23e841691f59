"""Columns that play roles, and the hash that tells one dataset from another."""

from __future__ import annotations

import hashlib
import pickle
import tracemalloc
from pathlib import Path

import pytest
from unit.data.makers import errors, opened, png, write_images, write_lines

from hostler_data.errors import DataError, MissingColumnError
from hostler_data.files import DataNotFoundError, files_below
from hostler_data.records import Records


def test_columns_take_the_names_of_the_roles_that_they_play(tmp_path: Path) -> None:
    root = write_lines(tmp_path / "a.jsonl", [{"body": "b", "text": "t", "id": 1}])

    (record,) = opened(root, "jsonl", text="body", caption="text")

    assert record.values == {"text": "b", "caption": "t", "id": 1}


@pytest.mark.parametrize(
    ("role", "want"),
    [
        ("txet", "data: `columns` names the role 'txet', which no family reads; did you mean text?"),
        (
            "zzz",
            "data: `columns` names the role 'zzz', which no family reads; the roles are: answer, answer_start, audio",
        ),
    ],
)
def test_a_role_that_nobody_plays_is_named_before_anything_is_read(role: str, want: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "data" / "a.jsonl", [{"body": "a"}])

    with pytest.raises(DataError) as raised:
        opened(tmp_path / "data", "jsonl", **{role: "body"})

    assert str(raised.value).removeprefix(f"{tmp_path}/").startswith(want)


def test_a_column_that_no_row_has_is_an_error_that_names_those_that_are(tmp_path: Path) -> None:
    root = write_lines(tmp_path / "a.jsonl", [{"body": "b", "id": 1}, {"body": "c"}])

    assert errors(opened(root, "jsonl", text="boddy", label="id")) == [
        "a.jsonl:1: there is no column 'boddy' for the role text; the columns are: body, id; did you mean 'body'?"
    ]


def test_a_column_may_be_absent_from_some_rows(tmp_path: Path) -> None:
    """Semi-supervised training has rows without a label on purpose."""
    root = write_lines(tmp_path / "a.jsonl", [{"body": "b"}, {"body": "c", "class": 1}])

    assert [record.values.get("label") for record in opened(root, "jsonl", label="class")] == [None, 1]


def test_a_wrong_column_is_the_first_thing_that_is_told(tmp_path: Path) -> None:
    """A trainer stops at the first error, and that of the row would not say that a name is wrong."""
    root = write_lines(tmp_path / "a.jsonl", [{"body": "b"}] * 3000)

    with pytest.raises(MissingColumnError, match="there is no column 'text'"):
        next(iter(opened(root, "jsonl", text="text")))


def test_a_column_may_turn_up_late_but_not_at_the_very_end(tmp_path: Path) -> None:
    def rows(late: int) -> Records:
        root = write_lines(tmp_path / "a.jsonl", [{"body": "b"}] * late + [{"body": "b", "class": 1}])
        return opened(root, "jsonl", text="body", label="class")

    assert errors(rows(999)) == []
    assert errors(rows(1000)) == [
        "a.jsonl:1: there is no column 'class' for the role label; the columns are: body; correct `columns`"
    ]


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ({"body": "b"}, "a.jsonl:1: there is no text; the columns are: body. Name the column that is the text"),
        ({"text": None}, "a.jsonl:1: text is empty; the columns are: text"),
        ({"text": 3}, "a.jsonl:1: text is the number 3, not text: write it in quotes"),
        ({"text": ["a"]}, "a.jsonl:1: text is a list, not text"),
    ],
)
def test_a_role_that_must_be_text(row: dict[str, object], want: str, tmp_path: Path) -> None:
    (record,) = opened(write_lines(tmp_path / "a.jsonl", [row]), "jsonl")

    with pytest.raises(DataError) as raised:
        record.text()

    assert str(raised.value).startswith(want)


def test_one_file_has_the_hash_of_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    for place in ("claim/books/text", "download/ab12", "configmap/key"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(b"the same text")

    hashes = {
        opened(tmp_path / "claim" / "books" / "text").sha256,
        opened(tmp_path / "download").sha256,
        opened(tmp_path / "configmap" / "key").sha256,
    }

    assert hashes == {hashlib.sha256(b"the same text").hexdigest()}


def test_names_count_where_there_are_several_files(tmp_path: Path) -> None:
    """A folder's name is a label: the same images under other labels are other data."""
    first = write_images(tmp_path / "first", labels=["one", "two"], each=2)
    same = write_images(tmp_path / "same", labels=["two", "one"], each=2)
    other = write_images(tmp_path / "other", labels=["one", "three"], each=2)

    assert opened(first, "images").sha256 == opened(same, "images").sha256
    assert opened(first, "images").sha256 != opened(other, "images").sha256


def test_a_changed_byte_is_other_data(tmp_path: Path) -> None:
    root = write_images(tmp_path, labels=["one", "two"], each=2)
    before = opened(root, "images").sha256
    (root / "one" / "0.png").write_bytes(png(200))

    assert opened(root, "images").sha256 != before


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """The kubelet mounts a timestamped directory, a link to it, and links to the files in that."""
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "..2026_01_01" / "text").write_bytes(b"text")
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "text").symlink_to("..data/text")

    assert files_below(tmp_path) == [tmp_path / "text"]


@pytest.mark.parametrize(
    ("make", "want"),
    [
        ("absent", "absent: does not exist: check the path"),
        ("empty", "empty: holds no files: put the data's files there"),
        ("hidden", "hidden: holds no files"),
    ],
)
def test_places_without_data(make: str, want: str, tmp_path: Path) -> None:
    if make != "absent":
        (tmp_path / make).mkdir()
    if make == "hidden":
        (tmp_path / make / ".git").mkdir()
        (tmp_path / make / ".git" / "config").write_text("text")

    with pytest.raises(DataNotFoundError, match=want):
        files_below(tmp_path / make)


def test_data_larger_than_memory_is_streamed(tmp_path: Path) -> None:
    """Forty megabytes pass while less than two are held."""
    root = write_lines(tmp_path / "a.jsonl", [{"text": "x" * 10_000}] * 4_000)
    tracemalloc.start()
    try:
        assert sum(len(record.text()) for record in opened(root, "jsonl")) == 40_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000


def test_an_error_survives_the_way_to_another_process() -> None:
    error = DataError(file="a.jsonl", row=3, message="is not JSON")

    copy = pickle.loads(pickle.dumps(error))

    assert (str(copy), copy.file, copy.row, copy.message) == ("a.jsonl:3: is not JSON", "a.jsonl", 3, "is not JSON")

"""Text files as documents: what is one, where it is cut, and what is no text."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.data.makers import errors, opened

from hostler_data.errors import DataError
from hostler_data.files import files_below
from hostler_data.readers.text import TextReader
from hostler_data.records import Rows, open_records


def write(root: Path, *documents: str) -> Path:
    """Documents in files ``0``, ``1``, ..."""
    root.mkdir()
    for index, document in enumerate(documents):
        (root / str(index)).write_text(document)
    return root


def texts(rows: Rows) -> list[str]:
    """The text of all rows."""
    return [record.text() for record in rows]


@pytest.mark.parametrize(
    ("documents", "percent", "want_train", "want_validation"),
    [
        pytest.param(["a\nb\nc\nd\n"], 25, "a\nb\nc\n", "d\n", id="one document is cut at the end of a line"),
        pytest.param(["aaaaaaaa"], 25, "aaaaaa", "aa", id="without line ends it is cut where it is"),
        pytest.param(["ääää"], 40, "ää", "ää", id="but never within a character"),
        pytest.param(["aaaa", "bbbb"], 50, "aaaa|bbbb", "", id="a border between documents cuts none"),
    ],
)
def test_the_held_out_part_is_the_tail(
    documents: list[str], percent: int, want_train: str, want_validation: str, tmp_path: Path
) -> None:
    train, validation = opened(write(tmp_path / "data", *documents)).split(percent)

    if want_validation:
        assert texts(train) == [want_train]
        assert texts(validation) == [want_validation]
    else:
        assert "|".join(sorted(texts(train) + texts(validation))) == want_train
        assert len(texts(train)) == len(texts(validation)) == 1


@pytest.mark.parametrize("percent", [1, 10, 33, 50])
def test_the_two_parts_are_the_whole(percent: int, tmp_path: Path) -> None:
    documents = [f"document {index}\n" + "line é\n" * (37 * index % 11) for index in range(40)]
    root = write(tmp_path / "data", *documents)

    train, validation = opened(root).split(percent)

    parts = texts(train) + texts(validation)
    assert sorted("".join(parts)) == sorted("".join(documents))
    held_out = sum(map(len, texts(validation))) / sum(map(len, documents))
    assert abs(held_out - percent / 100) < 0.03
    assert len(parts) <= len(documents) + 1


def test_files_are_shuffled_the_same_way_every_time(tmp_path: Path) -> None:
    root = write(tmp_path / "data", *(f"document {index}" for index in range(20)))

    first, second = (texts(opened(root)) for _ in range(2))

    assert first == second
    assert sorted(first) == sorted(f"document {index}" for index in range(20))
    assert first != [f"document {index}" for index in range(20)]


def test_rows_say_on_which_line_they_begin(tmp_path: Path) -> None:
    root = write(tmp_path / "data", "".join(f"line {index}\n" for index in range(1, 101)))

    _, validation = opened(root).split(10)

    (record,) = validation
    assert record.text().startswith(f"line {record.row}\n")
    assert record.row > 80


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_a_document_larger_than_a_block_is_cut_and_loses_nothing(block: int, tmp_path: Path) -> None:
    text = "".join(f"line {index} with é and 漢字\n" for index in range(200)) + "x" * 500 + "😀" * 50
    (tmp_path / "data").write_text(text)
    reader = TextReader(files_below(tmp_path / "data"), root=tmp_path, location="here", block=block)

    found = [record for record in reader.scan() if not isinstance(record, DataError)]

    assert "".join(record.text() for record in found) == text
    assert max(len(record.text().encode()) for record in found) <= block
    assert [record.row for record in found] == sorted(record.row for record in found)


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(
            "Zürich".encode("latin-1"),
            ["data:1: is not UTF-8 text (byte 1 is 0xfc): convert or remove it"],
            id="an old encoding",
        ),
        pytest.param(
            b"fine\nfine\n\x89PNG\r\n",
            ["data:3: is not UTF-8 text (byte 10 is 0x89): convert or remove it"],
            id="the row is the line",
        ),
        pytest.param("\ufeffHello".encode(), [], id="a byte order mark is no error"),
        pytest.param(
            b"\xef\xbb\xbfab\xff",
            ["data:1: is not UTF-8 text (byte 5 is 0xff): convert or remove it"],
            id="after a mark",
        ),
    ],
)
def test_what_is_no_text(content: bytes, want: list[str], tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)

    assert errors(opened(tmp_path / "data")) == want


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes("\ufeffHello".encode())

    assert texts(opened(tmp_path / "data")) == ["Hello"]


@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_data_without_text_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text(content)

    with pytest.raises(DataError, match=r"data: holds no text: all its files are empty"):
        list(opened(tmp_path / "data"))


def test_a_part_without_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("text\n" * 20 + " " * 200)
    _, validation = opened(tmp_path / "data").split(10)

    with pytest.raises(DataError, match="the validation part has no text: add data or change validationPercent"):
        list(validation)


@pytest.mark.parametrize(
    ("location", "refused"),
    [
        ("https://example.org/talks.jsonl?token=x", True),
        ("https://example.org/talks.txt?as=a.jsonl", False),
        ("/data/talks.csv", True),
        ("hf://datasets/me/books", False),
    ],
)
def test_a_download_is_known_by_where_it_came_from(location: str, refused: object, tmp_path: Path) -> None:
    (tmp_path / "content").write_text("{}")

    if not refused:
        open_records([tmp_path / "content"], root=tmp_path, location=location)
        return
    with pytest.raises(DataError, match="not a document: set `format: "):
        open_records([tmp_path / "content"], root=tmp_path, location=location)

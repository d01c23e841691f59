"""CSV and TSV: rows by the names of the first line, types by role, and what is wrong with file and row."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from tables import table
from unit.data.makers import errors, opened, png, tone

from hostler_data.describe import describe

TURNS = '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]'


def rows(root: Path, format: str = "csv", **columns: str) -> list[tuple[int, dict[str, Any]]]:
    """Row and values of everything."""
    return [(record.row, dict(record.values)) for record in opened(root, format, **columns)]


@table(
    "name, content, want",
    {
        "commas, and quotes over several lines": (
            "a.csv",
            b'text,label\n"one, two",cat\n"three\n""four""",dog\n\nfive,cat\n',
            [
                (2, {"text": "one, two", "label": "cat"}),
                (3, {"text": 'three\n"four"', "label": "dog"}),
                (6, {"text": "five", "label": "cat"}),
            ],
        ),
        "tabs": ("a.tsv", b"text\tlabel\none, two\tcat\n", [(2, {"text": "one, two", "label": "cat"})]),
        "semicolons, as spreadsheets of half of Europe write them": (
            "a.csv", b"text;label\none;cat\n", [(2, {"text": "one", "label": "cat"})],
        ),
        "a mark before the first name": ("a.csv", b"\xef\xbb\xbftext\r\none\r\n", [(2, {"text": "one"})]),
        "compressed": ("a.csv.gz", gzip.compress(b"text\none\n"), [(2, {"text": "one"})]),
        "an empty cell is no value": ("a.csv", b"text,label\none,\n", [(2, {"text": "one", "label": None})]),
        "types by role: whole numbers, truths": (
            "a.csv", b"text,label,praise\n7,7,True\n07,07,maybe\n",
            [(2, {"text": "7", "label": 7, "praise": True}), (3, {"text": "07", "label": "07", "praise": "maybe"})],
        ),
    },
)  # fmt: skip
def test_a_table_is_read(name: str, content: bytes, want: list[tuple[int, dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    assert rows(tmp_path) == want


def test_types_follow_the_role_and_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body,class\n12,3\n")

    assert rows(tmp_path, text="body", label="class") == [(2, {"text": "12", "label": 3})]


def test_a_cell_longer_than_the_librarys_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text\n{'x' * 200_000}\n")

    assert [len(values["text"]) for _, values in rows(tmp_path)] == [200_000]


def test_a_conversation_in_a_cell_is_json(tmp_path: Path) -> None:
    quoted = TURNS.replace('"', '""')
    (tmp_path / "a.csv").write_text(f'messages\n"{quoted}"\n')

    assert describe(opened(tmp_path, "csv"), family="chat").valid


@table(
    "content, want",
    {
        "a cell too many": (
            b"text,label\none, two,cat\nthree,dog\n",
            ["a.csv:2: has 3 cells, and the first line names 2: quote cells that hold a separator"],
        ),
        "a name twice": (
            b"text,text\na,b\n",
            ["a.csv:1: the first line names 'text' twice: the first line has the columns' names"],
        ),
        "bytes that are no UTF-8": (
            b"text\none\ncaf\xe9\n",
            ["a.csv:3: is not UTF-8 text (byte 0xe9): convert the file"],
        ),
        "a quote that nobody closes": (
            b'text\none\n"two\n',
            ["a.csv:3: is not CSV: unexpected end of data; quote cells, and double quotes within them"],
        ),
        "half a compressed file": (
            gzip.compress(b"text\none\n")[:-6],
            [
                "a.csv:3: the compressed file is damaged: Compressed file ended before the end-of-stream marker "
                "was reached"
            ],
        ),
    },
)
def test_a_broken_table(content: bytes, want: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)

    assert errors(opened(tmp_path, "csv")) == want


def test_a_table_describes_images_and_recordings(tmp_path: Path) -> None:
    for folder, file, content in (("images", "a.png", png(1)), ("audio", "a.wav", tone(seconds=1.0))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_bytes(content)
    (tmp_path / "images" / "metadata.csv").write_text("file_name,text\na.png,a grey square\n")
    (tmp_path / "audio" / "metadata.csv").write_text("file_name,text,duration\na.wav,beep,0.5\n")

    ((_, image),) = rows(tmp_path / "images", "images")
    ((_, sound),) = rows(tmp_path / "audio", "audio")

    assert (image["image"], image["caption"]) == ("a.png", "a grey square")
    assert sound == {"audio": "a.wav", "text": "beep", "duration": 0.5}
    assert describe(opened(tmp_path / "images", "images"), family="text-to-image").notes == []

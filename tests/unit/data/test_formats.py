"""Every format: its rows by role, and what is said of data that is broken, with file and row."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from pyarrow import parquet
from unit.data.makers import errors, opened, png, tone, write_images, write_lines, write_tar

from hostler_data.errors import DataError

Write = Callable[[Path], object]


def rows(root: Path, format: str, **columns: str) -> list[tuple[str, int, dict[str, Any]]]:
    """File, row and values of everything."""
    return [(record.file, record.row, dict(record.values)) for record in opened(root, format, **columns)]


def test_json_lines_are_rows_and_blank_lines_are_none(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"text": "one"}\n\n{"text": "two", "label": 3}')
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'\xef\xbb\xbf{"text": "zero"}\n'))
    (tmp_path / "README.md").write_text("about the data")

    assert rows(tmp_path, "jsonl") == [
        ("a.jsonl.gz", 1, {"text": "zero"}),
        ("b.jsonl", 1, {"text": "one"}),
        ("b.jsonl", 3, {"text": "two", "label": 3}),
    ]


def test_parquet_rows_are_counted_over_batches(tmp_path: Path) -> None:
    table = arrow.table({"body": [f"text {index}" for index in range(600)]})
    parquet.write_table(table, tmp_path / "data.parquet", row_group_size=100)

    found = rows(tmp_path, "parquet", text="body")

    assert [row for _, row, _ in found] == list(range(1, 601))
    assert found[-1] == ("data.parquet", 600, {"text": "text 599"})


def test_a_folder_is_a_label(tmp_path: Path) -> None:
    write_images(tmp_path / "data", labels=["three", "two"], each=2)

    assert rows(tmp_path / "data", "images") == [
        ("three/0.png", 1, {"image": "0.png", "label": "three"}),
        ("three/1.png", 1, {"image": "1.png", "label": "three"}),
        ("two/0.png", 1, {"image": "0.png", "label": "two"}),
        ("two/1.png", 1, {"image": "1.png", "label": "two"}),
    ]


def test_images_without_folders_have_no_label(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))

    assert rows(tmp_path, "images") == [("a.png", 1, {"image": "a.png"})]


def test_metadata_describes_images_and_clips(tmp_path: Path) -> None:
    write_images(tmp_path, labels=["shots"], each=1)
    (tmp_path / "shots" / "clip.mp4").write_bytes(b"clip")
    described = [
        {"file_name": "shots/0.png", "caption": "a nought"},
        {"file_name": "shots/clip.mp4", "caption": "it moves"},
        {"frames": ["shots/0.png", "shots/0.png"], "caption": "it stands"},
    ]
    write_lines(tmp_path / "metadata.jsonl", described)

    assert [values for _, _, values in rows(tmp_path, "images")] == [
        {"image": "shots/0.png", "caption": "a nought"},
        {"video": "shots/clip.mp4", "caption": "it moves"},
        {"frames": ["shots/0.png", "shots/0.png"], "caption": "it stands"},
    ]


@pytest.mark.parametrize("column", ["audio", "file_name", "audio_filepath"])
def test_a_manifest_describes_recordings(column: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    write_lines(tmp_path / "manifest.jsonl", [{column: "a.wav", "text": "beep", "language": "en"}])

    assert rows(tmp_path, "audio") == [("manifest.jsonl", 1, {"audio": "a.wav", "text": "beep", "language": "en"})]


@pytest.mark.parametrize(("ending", "mode"), [("tar", "w"), ("tar.gz", "w:gz")])
def test_neighbours_in_a_shard_are_one_sample(ending: str, mode: str, tmp_path: Path) -> None:
    members = {
        "set/0001.png": b"image", "set/0001.txt": b"a one\n", "set/0001.cls": b"1",
        "set/0002.json": b'{"source": "web"}', "set/0002.wav": b"sound",
        "set/0003.10.png": b"last", "set/0003.9.png": b"first", "set/0003.mp4": b"clip",
    }  # fmt: skip
    write_tar(tmp_path / f"shard.{ending}", members, mode=mode)

    first, second, third = rows(tmp_path, "webdataset")

    assert first[:2] == (f"shard.{ending}", 1)
    assert first[2].items() >= {
        "key": "set/0001", "image": b"image", "text": "a one", "caption": "a one", "label": 1
    }.items()  # fmt: skip
    assert second[1:] == (2, {"key": "set/0002", "source": "web", "audio": b"sound", "wav": b"sound"})
    assert third[2]["frames"] == [b"first", b"last"]
    assert third[2]["video"] == b"clip"


def not_json(root: Path) -> None:
    write_lines(root / "a.jsonl", [{"text": "x"}])
    (root / "a.jsonl").write_text('{"text": "x"}\n{"text": \n[1]\n"x"\n')


def json_array(root: Path) -> None:
    (root / "a.json").write_text('[\n  {"text": "x"}\n]\n')


def json_array_in_a_line(root: Path) -> None:
    (root / "a.json").write_text('\n[{"text": "x"}, {"text": "y"}]\n')


def spread_json(root: Path) -> None:
    (root / "a.json").write_text('{\n  "text": "x"\n}\n{\n  "text": "y"\n}\n')


def spread_json_in_another_style(root: Path) -> None:
    (root / "a.json").write_text('{"text": "x",\n "label": 1}\n{"text": "y",\n "label": 2}\n')


def spread_json_after_a_line(root: Path) -> None:
    (root / "a.json").write_text('{"text": "x"}\n{\n  "text": "y"\n}\n')


def latin_1_json(root: Path) -> None:
    (root / "a.jsonl").write_bytes('{"text": "Zürich"}'.encode("latin-1"))


def cut_gzip(root: Path) -> None:
    content = gzip.compress(b'{"text": "x"}\n' * 1000)
    (root / "a.jsonl.gz").write_bytes(content[:-12])


def no_parquet(root: Path) -> None:
    (root / "a.parquet").write_bytes(b"PAR1 nothing of the kind")


def bad_metadata(root: Path) -> None:
    (root / "a.png").write_bytes(png(1))
    rows = [{"file_name": "a.png"}, {"file_name": "b.png"}, {"file_name": "../a.png"}, {"image": "/etc/passwd"}, {}]
    write_lines(root / "metadata.jsonl", rows)


def cut_tar(root: Path) -> None:
    write_tar(root / "a.tar", {f"{index}.txt": b"x" * 5000 for index in range(3)})
    (root / "a.tar").write_bytes((root / "a.tar").read_bytes()[:8000])


def bad_members(root: Path) -> None:
    members = {"0.json": b"{", "1.json": b"[1]", "2.cls": b"\xff", "3.txt": b"fine"}
    write_tar(root / "a.tar", members)
    write_tar(root / "b.tar", {"0.TXT": b"a", "0.txt": b"b"})


@pytest.mark.parametrize(
    ("format", "write", "want"),
    [
        pytest.param(
            "jsonl",
            not_json,
            ["a.jsonl:2: is not JSON", "a.jsonl:3: is a list, not an object with columns", "a.jsonl:4: is text, not"],
            id="lines that are no objects",
        ),
        pytest.param("jsonl", json_array, ["a.json:1: is one JSON array: write one object per line"], id="an array"),
        pytest.param(
            "jsonl", json_array_in_a_line, ["a.json:2: is one JSON array: write one object"], id="an array in one line"
        ),
        pytest.param(
            "jsonl", spread_json, ["a.json:1: begins an object that goes on over several lines"], id="indented objects"
        ),
        pytest.param(
            "jsonl",
            spread_json_in_another_style,
            ["a.json:1: begins an object that goes on over several lines: write one object per line"],
            id="objects over several lines, without indentation",
        ),
        pytest.param(
            "jsonl", spread_json_after_a_line, ["a.json:2: begins an object that goes on"], id="a later indented object"
        ),
        pytest.param("jsonl", latin_1_json, ["a.jsonl:1: is not UTF-8 text (byte 11 of the line)"], id="latin 1"),
        pytest.param("jsonl", cut_gzip, ["a.jsonl.gz:923: the compressed file is damaged"], id="half of a gzip file"),
        pytest.param("parquet", no_parquet, ["a.parquet:1: is not a Parquet file that can be read"], id="no Parquet"),
        pytest.param(
            "images",
            bad_metadata,
            [
                "metadata.jsonl:2: image 'b.png' does not exist: the path is relative to the manifest",
                "metadata.jsonl:3: image '../a.png' lies outside the dataset",
                "metadata.jsonl:4: image '/etc/passwd' lies outside the dataset",
                "metadata.jsonl:5: there is neither image nor file_name; the columns are: none",
            ],
            id="files that a manifest misses",
        ),
        pytest.param("webdataset", cut_tar, ["a.tar:2: the tar file is damaged"], id="half of a shard"),
        pytest.param(
            "webdataset",
            bad_members,
            [
                "a.tar:1: 0.json cannot be read",
                "a.tar:2: 1.json is a list, not an object",
                "a.tar:3: 2.cls cannot be read",
                "b.tar:1: 0 has two members .txt: give samples own names",
            ],
            id="members that are broken",
        ),
    ],
)
def test_broken_data(format: str, write: Write, want: list[str], tmp_path: Path) -> None:
    write(tmp_path)

    said = errors(opened(tmp_path, format))

    assert len(said) == len(want), said
    for sentence, beginning in zip(said, want, strict=True):
        assert sentence.startswith(beginning)
    with pytest.raises(DataError) as raised:
        list(opened(tmp_path, format))
    assert str(raised.value) == said[0]


@pytest.mark.parametrize(
    ("format", "want"),
    [
        ("jsonl", r"holds no file that ends in \.jsonl, \.ndjson, \.json"),
        ("parquet", r"holds no file that ends in \.parquet: check the format"),
        ("webdataset", r"holds no file that ends in \.tar"),
        ("images", "holds no image files and no metadata.jsonl or metadata.csv: check the format"),
        ("audio", "holds no manifest.jsonl that says what is in which recording"),
    ],
)
def test_files_of_another_format(format: str, want: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").write_text("text")

    with pytest.raises(DataError, match=want):
        opened(tmp_path, format)


@pytest.mark.parametrize(
    ("format", "name", "content"),
    [("jsonl", "a.jsonl", b"\n"), ("webdataset", "a.tar", b"\0" * 10240), ("audio", "manifest.jsonl", b"")],
)
def test_files_without_rows(format: str, name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=f"^{tmp_path}: holds no "):
        list(opened(tmp_path, format))

"""`hostler data`: what it shows, what it says of broken data, and its exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from unit.data.makers import clip, png, tone, write_images, write_lines, write_tar

from hostler.cli.data import size_of
from hostler.cli.main import main
from hostler_data.files import files_below
from hostler_data.formats import guess_format


def run(*arguments: Any) -> Result:
    """One call."""
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Ten rows, of 4 to 40 bytes."""
    return write_lines(tmp_path / "a.jsonl", [{"body": "x" * 4 * size} for size in range(1, 11)])


def test_describe_shows_counts_lengths_and_the_packing_factor(texts: Path) -> None:
    done = run("describe", texts, "--column", "text=body", "--max-length", 16)

    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert any(line.split() == ["rows", "10"] for line in lines)
    assert any(line.split()[:2] == ["tokens", "55"] for line in lines)
    assert any(line.split() == ["8", "4", "█" * 40] for line in lines)
    assert any(line.split() == ["4", "2", "█" * 20] for line in lines)
    assert "Packed to 16 tokens: 2.50 times fewer rows, 85.9% of positions used instead of 34.4%." in lines


def test_validate_says_that_data_is_valid(texts: Path) -> None:
    done = run("validate", texts, "--format", "jsonl", "--column", "text=body")

    assert done.exit_code == 0
    assert done.output == "10 rows in 1 file, 350 B: valid\n"


def test_one_is_said_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": 3}\n')

    assert run("validate", tmp_path, "--format", "jsonl").output.splitlines()[-1] == "1 row in 1 file, 12 B: 1 error"


def test_validate_names_file_and_row(texts: Path) -> None:
    texts.write_text(texts.read_text() + "junk\n" * 12)

    done = run("validate", texts, "--format", "jsonl", "--column", "text=body", "--errors", 2)

    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "a.jsonl:11: is not JSON: Expecting value: line 1 column 1 (char 0)",
        "a.jsonl:12: is not JSON: Expecting value: line 1 column 1 (char 0)",
        "and 10 more",
        "10 rows in 1 file, 410 B: 12 errors",
    ]


@pytest.mark.parametrize("command", ["validate", "describe"])
def test_json(command: str, texts: Path) -> None:
    done = run(command, texts, "--column", "text=body", "--json")

    document = json.loads(done.output)
    assert (document["valid"], document["rows"], document["errorCount"]) == (True, 10, 0)
    assert document["packing"]["maxLength"] == 512
    assert len(document["sha256"]) == 64


def test_describe_ends_with_status_1_where_anything_is_wrong(texts: Path) -> None:
    texts.write_text("junk\n")

    done = run("describe", texts)

    assert done.exit_code == 1
    assert "a.jsonl:1: is not JSON" in done.output


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        (["validate", "/nowhere/data"], "Error: /nowhere/data: does not exist: check the path"),
        (
            ["validate", "TEXTS", "--format", "images"],
            "holds no image files and no metadata.jsonl or metadata.csv: check the format",
        ),
        (["validate", "TEXTS", "--column", "text"], "'text' is not of the form ROLE=NAME"),
        (["validate", "TEXTS", "--column", "txet=body"], "'txet' is no role; did you mean text?"),
        (
            ["validate", "TEXTS", "--column", "zzz=body"],
            "'zzz' is no role; the roles are: answer, answer_start, audio",
        ),
        (["describe", "TEXTS", "--format", "tfrecord"], "'tfrecord' is not one of"),
    ],
)
def test_calls_that_cannot_work(arguments: list[str], want: str, texts: Path) -> None:
    done = run(*(str(texts) if argument == "TEXTS" else argument for argument in arguments))

    assert done.exit_code in {1, 2}
    assert want in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("names", "want"),
    [
        (["a.txt", "README.md"], "text"),
        (["a.jsonl", "README.md"], "jsonl"),
        (["a.csv", "README.md"], "csv"),
        (["a.tsv.gz"], "csv"),
        (["metadata.csv", "1.png"], "images"),
        (["a.json"], "jsonl"),
        (["a.parquet", "b.jsonl"], "parquet"),
        (["a.tar"], "webdataset"),
        (["manifest.jsonl", "a.wav"], "audio"),
        (["cat/1.png", "dog/2.jpg"], "images"),
        (["metadata.jsonl", "a.mp4"], "images"),
    ],
)
def test_the_format_is_guessed(names: list[str], want: str) -> None:
    assert guess_format([Path(name) for name in names]) == want


@pytest.mark.parametrize(
    ("names", "want"),
    [
        (["a.xlsx"], "a.xlsx: is in none of the formats that are read (text, jsonl, csv, parquet, images, webdataset,"),
        (["README.md", "b.ODS"], "b.ODS: is in none of the formats that are read"),
        (["a.wav", "README.md"], "a.wav: is a recording: put a manifest.jsonl beside recordings"),
        (["a.mp4"], "a.mp4: is a clip: put clips into a WebDataset tar"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "describe"])
def test_files_that_are_no_documents_are_not_taken_for_some(
    command: str, names: list[str], want: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_text("a,b\n1,2\n")

    done = run(command, tmp_path)

    assert done.exit_code == 1
    assert want in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("talks.jsonl", "talks.jsonl: is JSON lines, not a document: set `format: jsonl`"),
        ("TALKS.NDJSON.GZ", "is JSON lines, not a document: set `format: jsonl`"),
        ("a.csv", "a.csv: is a table, not a document: set `format: csv`"),
        ("a.tsv", "a.tsv: is a table, not a document: set `format: csv`"),
        ("a.parquet", "a.parquet: is Parquet, not a document: set `format: parquet`"),
        ("a.tar.gz", "a.tar.gz: is a tar shard, not a document: set `format: webdataset`"),
    ],
)
def test_what_is_no_document_is_not_read_as_text_even_when_asked(name: str, want: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a document")
    (tmp_path / name).write_text("{}")

    done = run("validate", tmp_path, "--format", "text")

    assert done.exit_code == 1
    assert want in " ".join(done.output.split())


def test_a_guessed_format_is_said_because_the_operator_guesses_none(texts: Path) -> None:
    said = "Read as jsonl: in a Dataset or a job write `format: jsonl`."

    assert said in run("validate", texts).output
    assert said not in run("validate", texts, "--format", "jsonl").output


@pytest.mark.parametrize(
    ("family", "want"),
    [
        ("chat", "valid"),
        ("bert", "1 row in 1 file"),
        ("vae", "has nothing for the family vae, which reads image, with or without label; its columns: messages"),
    ],
)
def test_rows_are_looked_at_as_a_family_would(family: str, want: str, tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}
    path = write_lines(tmp_path / "a.jsonl", [talk])

    done = run("validate", path, "--family", family)

    assert (done.exit_code, want in done.output) == (0 if family == "chat" else 1, True)


def test_rows_longer_than_the_context_are_counted(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "x" * size} for size in (4, 400, 4000)])

    assert "1 row of 3 is longer than that by the estimate" in run("describe", path, "--max-length", "100").output
    assert "2 rows of 3 are longer than that" in run("describe", path, "--max-length", "99").output
    assert "than that by" not in run("describe", path, "--max-length", "1000").output


@pytest.mark.parametrize(
    ("arguments", "want_status", "want"),
    [
        pytest.param(
            ["/nowhere/data"], 1, {"message": "does not exist: check the path", "file": "/nowhere/data"}, id="no data"
        ),
        pytest.param(
            ["TEXTS", "--column", "text"],
            2,
            {"message": "Invalid value for --column: 'text' is not of the form ROLE=NAME"},
            id="a wrong argument",
        ),
        pytest.param([], 2, {"message": "Missing argument 'PATH'."}, id="a missing argument"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "describe"])
def test_failures_are_json_too(
    command: str, arguments: list[str], want_status: int, want: dict[str, str], texts: Path
) -> None:
    given = [str(texts) if argument == "TEXTS" else argument for argument in arguments]

    done = run(command, *given, "--json")

    assert done.exit_code == want_status == run(command, *given).exit_code
    assert json.loads(done.stdout) == {"error": want}
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("missing", "want"),
    [([], []), (["av"], ["Clips were not decoded, because av is not installed: pip install hostler[data]"])],
)
def test_it_is_said_where_clips_are_not_decoded(
    missing: list[str], want: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "a.tar", {"1.mp4": clip(), "1.txt": b"fine"})
    for library in missing:
        monkeypatch.setitem(sys.modules, library, None)

    found = json.loads(run("validate", tmp_path, "--format", "webdataset", "--json").output)
    assert found["notes"] == want
    assert run("validate", tmp_path, "--format", "webdataset").output.splitlines()[1:] == want
    assert set(want) <= set(run("describe", tmp_path).output.splitlines())


def test_every_format_is_described(tmp_path: Path) -> None:
    write_images(tmp_path / "images", labels=["one", "two"], each=1)
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "a.wav").write_bytes(tone())
    write_lines(tmp_path / "audio" / "manifest.jsonl", [{"audio": "a.wav", "text": "beep"}])
    write_tar(tmp_path / "shards" / "a.tar", {"1.png": png(1), "1.txt": b"one"})
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("hello")

    for directory in ("images", "audio", "shards", "text"):
        assert guess_format(files_below(tmp_path / directory)) != "jsonl"
        assert run("describe", tmp_path / directory).exit_code == 0


@pytest.mark.parametrize(
    ("size", "want"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_for_people(size: int, want: str) -> None:
    assert size_of(size) == want

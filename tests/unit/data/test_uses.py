"""What rows can be used for: what a trainer refuses is an error here too, and what nobody reads is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tables import table
from unit.data.makers import opened, png, tone, write_images, write_lines, write_tar

from hostler.families import families, family
from hostler_contract.dataset import DatasetReport
from hostler_data.describe import describe
from hostler_data.uses import FAMILIES

Row = dict[str, Any]
USER, ASSISTANT = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}


def described(path: Path, rows: list[Row], *, family: str | None = None) -> DatasetReport:
    """What is said of JSON lines."""
    return describe(opened(write_lines(path / "a.jsonl", rows), "jsonl"), family=family)


def said(report: DatasetReport) -> list[str]:
    """Errors without the file's name."""
    return [str(error).removeprefix("a.jsonl:") for error in report.errors]


def talk(*turns: Row) -> Row:
    """A row with a conversation."""
    return {"messages": list(turns)}


@table(
    "row, want",
    {
        "a conversation": (talk(USER, ASSISTANT), []),
        "an older and a newer name of the same role": (
            talk({"role": "developer", "content": "x"}, USER, ASSISTANT),
            [],
        ),
        "a role that no template knows": (
            talk({"role": "human", "content": "hi"}, ASSISTANT),
            ["1: turn 1 has the role 'human'; the roles are system, user, assistant, tool: write user"],
        ),
        "a turn without content": (
            talk({"role": "user", "content": " "}, ASSISTANT),
            ["1: turn 1 has no content: write it, or leave the turn out"],
        ),
        "nobody who answers": (
            talk(USER),
            [
                "1: the assistant says nothing in these messages, so there is nothing to learn: add its answer, "
                "or leave the row out"
            ],
        ),
        "an answer of half a weight": (
            talk(USER, ASSISTANT | {"weight": 0.5}),
            ["1: turn 2 has the weight 0.5: a weight is 1 (is learnt) or 0 (is only context for what follows)"],
        ),
        "only answers that are not learnt": (
            talk(USER, ASSISTANT | {"weight": 0}),
            ["1: every turn of the assistant has weight 0, so there is nothing to learn: leave the row out"],
        ),
        "a text that is null": (
            {"text": None},
            ["1: text is empty; the columns are: text. Name the column that is the text under `columns`"],
        ),
        "a number without quotes": ({"text": 5}, ["1: text is the number 5, not text: write it in quotes"]),
        "praise as a number": (
            {"prompt": "q", "completion": "a", "praise": 1},
            ["1: praise is the number 1: it must be true or false"],
        ),
        "answers that are conversations": ({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]}, []),
        "a pair without its prompt": (
            {"chosen": "a", "rejected": "b"},
            [
                "1: there is no prompt; the columns are: chosen, rejected. Name the column that is the prompt under "
                "`columns`"
            ],
        ),
        "an answer that is not in its context": (
            {"question": "who?", "context": "Ann sang.", "answer": "Bob"},
            ["1: the answer 'Bob' does not stand in its context: write it as it stands there, or remove the row"],
        ),
        "a label that is neither a name nor a whole number: write one of them, in quotes where it is a name": (
            {"text": "a", "label": 0.5},
            [
                "1: label is the number 0.5, neither a name nor a whole number: write one of them, in quotes where it "
                "is a name"
            ],
        ),
        "no label, as semi-supervised training takes it": ({"text": "a", "label": None}, []),
    },
)
def test_a_row_that_a_trainer_refuses_is_an_error(row: Row, want: list[str], tmp_path: Path) -> None:
    assert said(described(tmp_path, [row])) == want


@table(
    "line, want",
    {
        "a language by its name": (
            {"text": "a", "language": "english"},
            "language 'english' is no ISO 639 code such as en, de or lb: write en for English, zh for zh-CN",
        ),
        "a language with its country": (
            {"text": "a", "language": "zh-CN"},
            "language 'zh-cn' is no ISO 639 code such as en, de or lb: write en for English, zh for zh-CN",
        ),
        "nothing that is said": ({"text": " "}, "text is empty: write what is said, or remove the row"),
        "no text": (
            {"language": "en"},
            "there is no text; the columns are: audio, language. Name the column that is the text under `columns`",
        ),
    },
)
def test_a_recording_that_a_trainer_refuses_is_an_error(line: Row, want: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    write_lines(tmp_path / "manifest.jsonl", [{"audio": "a.wav", **line}])

    assert [error.message for error in describe(opened(tmp_path, "audio")).errors] == [want]


def test_all_rows_have_to_be_of_use_for_the_same(tmp_path: Path) -> None:
    report = described(tmp_path, [talk(USER, ASSISTANT), {"text": "a document"}])

    assert said(report) == [
        "2: there is no messages; the columns are: text. Name the column that is the messages under `columns`"
    ]


def test_images_are_labelled_all_or_not_at_all(tmp_path: Path) -> None:
    write_images(tmp_path, labels=["cat"], each=1)
    (tmp_path / "zebra.png").write_bytes(png(1))

    (error,) = describe(opened(tmp_path, "images")).errors

    assert (error.file, error.message) == (
        "zebra.png",
        "has no label, and other images have: put it into a folder of that name, or remove the image",
    )


@table(
    "row, family, way_out",
    {
        "no column of a name that an encoder knows": (
            {"body": "a text"},
            "bert",
            "its columns: body. Name the one that is the text, the image, ... under `columns`.",
        ),
        "nor one that a family of recordings does": (
            {"wav": "1.wav", "said": "one"},
            "speech-to-text",
            "its columns: said, wav. Name the one that is the text, the image, ... under `columns`.",
        ),
        "one column that is missing": (
            {"question": "Who?", "context": "Ann."},
            "bert",
            "the columns are: context, question. Name the column that is the answer under `columns`",
        ),
    },
)
def test_a_row_that_has_nothing_for_a_family_is_told_the_way_out(
    row: dict[str, Any], family: str, way_out: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")

    (error,) = describe(opened(tmp_path, "jsonl"), family=family).errors

    assert error.message.endswith(way_out), error.message


@table(
    "family, want",
    {
        "a family that needs no caption": ("vae", []),
        "any family, of which one needs none": (None, []),
        "one that needs it": (
            "text-to-image",
            ["has no caption: write it into 2.txt, or remove the image"],
        ),
    },
)
def test_images_without_their_captions_are_images_still(family: str | None, want: list[str], tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / f"{name}.png").write_bytes(png(1))
    (tmp_path / "1.txt").write_text("a grey square\n")

    report = describe(opened(tmp_path, "images"), family=family)

    assert [error.message for error in report.errors] == want
    dropped = [note for note in report.notes if note.startswith("No use as captioned images: 2.png:1: has no caption")]
    assert len(dropped) == (family is None), report.notes


def test_every_family_is_known_by_what_it_reads() -> None:
    assert {name for name in families() if family(name).formats} == FAMILIES


@table(
    "rows, want",
    {
        "columns": (
            [{"text": "a", "page": 1}, {"text": "b", "page": 2, "source": "web"}, {"text": "c", "source": None}],
            ["2 columns that nobody reads: page (2 rows), source (1 row)."],
        ),
        "keys of messages": (
            [talk(USER | {"lang": "en"}, ASSISTANT | {"lang": "en", "score": 3})],
            ["2 columns that nobody reads: messages[].lang (1 row), messages[].score (1 row)."],
        ),
        "a role that has no meaning here": (
            [talk(USER, ASSISTANT) | {"label": 3}],
            ["1 column that nobody reads: label (1 row)."],
        ),
        "wide rows": (
            [{"text": "a"} | {f"f{index:03}": index for index in range(300)}],
            ["300 columns that nobody reads: " + ", ".join(f"f{i:03} (1 row)" for i in range(8)) + " and 292 more."],
        ),
        "identifiers, which hold nothing to learn": (
            [
                {"id": "x-1", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
                talk(USER | {"id": 7}, ASSISTANT) | {"uuid": "0b5c", "conversation_id": 3, "__index_level_0__": 0},
            ],
            [],
        ),
        "what only looks like an identifier": (
            [{"text": "a", "id": 1, "idea": "b", "speaker_id": 4}],
            ["2 columns that nobody reads: idea (1 row), speaker_id (1 row)."],
        ),
        "nothing": ([{"text": "a"}], []),
    },
)
def test_columns_that_nobody_reads_are_counted_and_named(rows: list[Row], want: list[str], tmp_path: Path) -> None:
    report = described(tmp_path, rows)

    assert (report.valid, report.notes) == (True, want)


def test_files_that_nobody_reads_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    (tmp_path / "b.wav").write_bytes(tone())
    (tmp_path / "LICENSE").write_text("free")
    write_lines(tmp_path / "manifest.jsonl", [{"audio": "a.wav", "text": "beep"}])

    assert describe(opened(tmp_path, "audio")).notes == ["2 files that nobody reads: LICENSE, b.wav."]


@pytest.mark.parametrize("extra", [{}, {"1.npy": b"x"}])
def test_members_of_a_shard_are_read_by_their_role(extra: dict[str, bytes], tmp_path: Path) -> None:
    members = {"1.png": png(1), "1.txt": b"one", "1.json": json.dumps({"label": 1}).encode(), **extra}
    write_tar(tmp_path / "a.tar", members)

    want = ["1 column that nobody reads: npy (1 row)."] if extra else []
    assert describe(opened(tmp_path, "webdataset")).notes == want


def test_a_library_that_fails_on_a_row_is_no_failure_of_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise KeyError("surprise")

    monkeypatch.setattr("hostler_data.describe.length_of", fails)

    assert said(described(tmp_path, [{"text": "a"}])) == [
        "1: cannot be read (KeyError: 'surprise'): repair or remove the row"
    ]

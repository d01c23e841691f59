"""A dataset in figures: what it holds, how long its rows are, and everything that is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from unit.data.makers import clip, opened, png, tone, write_images, write_lines, write_tar

from hostler_contract.dataset import DatasetReport, LengthFacts, PackingFacts
from hostler_contract.errors import ErrorReason
from hostler_contract.result import TERMINATION_MESSAGE_LIMIT
from hostler_data.describe import describe, length_facts, length_of, packing_facts
from hostler_data.errors import DataError
from hostler_data.packing import expect
from hostler_data.record import Record


def said(report: DatasetReport) -> list[str]:
    """The errors as they are shown."""
    return [str(error) for error in report.errors]


def test_rows_lengths_and_the_packing_factor(tmp_path: Path) -> None:
    root = write_lines(tmp_path / "a.jsonl", [{"text": "x" * size} for size in (4, 40, 400, 4000)])

    report = describe(opened(root, "jsonl"), max_length=512)

    assert report.valid
    assert (report.rows, report.files, report.size_bytes) == (4, 1, root.stat().st_size)
    assert report.sha256 == opened(root, "jsonl").sha256
    assert report.roles == ["text"]
    assert report.lengths is not None
    assert (report.lengths.shortest, report.lengths.median, report.lengths.longest) == (1, 10, 1000)
    assert report.lengths.total == 1111
    assert [bucket.rows for bucket in report.lengths.buckets] == [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    pieces = {1: 1, 10: 1, 100: 1, 512: 1, 488: 1}
    assert report.packing is not None
    assert report.packing.factor == round(expect(pieces, max_length=512).factor, 4) == round(5 / 3, 4)
    assert report.packing.unpacked_efficiency == round(1111 / (5 * 512), 4)


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param({"text": "abcde"}, 2, id="a token is four bytes, begun ones count"),
        pytest.param({"text": "漢字漢字"}, 3, id="bytes, not characters"),
        pytest.param({"messages": [{"role": "user", "content": "abcd"}] * 3}, 3, id="all turns of a conversation"),
        pytest.param(
            {"prompt": [{"role": "user", "content": "abcd"}], "chosen": "abcd", "rejected": "abcdefgh"},
            4,
            id="a prompt of turns and two answers",
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]},
            17,
            id="a call of a tool as JSON",
        ),
        pytest.param({"question": "abcd", "context": "abcdefgh", "answer": "abcd"}, 4, id="question and context"),
        pytest.param({"text": "abcd", "caption": "abcd"}, 1, id="one text in two roles"),
        pytest.param({"label": 3}, 0, id="no text"),
        pytest.param({"audio": [0.0] * 16_001, "text": "abcd"}, 2, id="seconds of a recording, begun ones count"),
    ],
)
def test_the_length_of_a_row(values: dict[str, Any], want: int) -> None:
    assert length_of(Record(file="a", row=1, values=values)) == want


@pytest.mark.parametrize(
    ("lengths", "want"),
    [
        pytest.param({1: 5}, [(1, 5)], id="one token"),
        pytest.param({3: 1, 4: 1, 5: 1}, [(4, 2), (8, 1)], id="a power of two belongs to its own bucket"),
        pytest.param({2: 1, 16: 3}, [(2, 1), (4, 0), (8, 0), (16, 3)], id="empty ones in between stay"),
    ],
)
def test_buckets(lengths: dict[int, int], want: list[tuple[int, int]]) -> None:
    facts: LengthFacts = length_facts(lengths, unit="tokens")

    assert [(bucket.up_to, bucket.rows) for bucket in facts.buckets] == want


def test_sequences_that_are_too_long_are_cut_for_the_forecast() -> None:
    facts: PackingFacts = packing_facts({1024: 1}, max_length=512)

    assert (facts.factor, facts.efficiency, facts.unpacked_efficiency) == (1, 1, 1)


def test_images_have_no_lengths(tmp_path: Path) -> None:
    report = describe(opened(write_images(tmp_path / "data", labels=["one", "two"], each=2), "images"))

    assert report.valid
    assert report.rows == 4
    assert report.roles == ["image", "label"]
    assert report.lengths is None
    assert report.packing is None


def test_recordings_are_measured_in_seconds_and_not_packed(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone(seconds=1.5))
    write_lines(tmp_path / "manifest.jsonl", [{"audio": "a.wav", "text": "beep"}])

    report = describe(opened(tmp_path, "audio"))

    assert report.valid
    assert report.lengths is not None
    assert (report.lengths.unit, report.lengths.total) == ("seconds", 2)
    assert report.packing is None


def test_every_error_names_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "b.png").write_bytes(b"junk")
    rows = [
        {"file_name": "a.png", "caption": "fine"},
        {"file_name": "b.png", "caption": "broken"},
        {"file_name": "c.png", "caption": "missing"},
        {"file_name": "a.png", "caption": 7, "label": [1]},
    ]
    write_lines(tmp_path / "metadata.jsonl", rows)

    report = describe(opened(tmp_path, "images"))

    assert not report.valid
    assert report.error_count == 4
    assert said(report) == [
        "metadata.jsonl:2: image b.png is not an image file. Repair or remove it",
        "metadata.jsonl:3: image 'c.png' does not exist: the path is relative to the manifest",
        "metadata.jsonl:4: caption is the number 7, not text: write it in quotes",
        "metadata.jsonl:4: label is a list, neither text nor a whole number: write one of them",
    ]


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ({"body": "b"}, "a.jsonl:1: no column plays a role; the columns are: body. Name the one that is the text"),
        ({"messages": "hello"}, "a.jsonl:1: messages is text, not a list of turns such as {'role': 'user'"),
        ({"messages": []}, "a.jsonl:1: messages is an empty list, not a list of turns such as"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "user"}]},
            "a.jsonl:1: turn 2 has no content",
        ),
        ({"text": ["a"]}, "a.jsonl:1: text is a list, not text"),
        (
            {"prompt": ["a"], "chosen": "b", "rejected": "c"},
            "a.jsonl:1: turn 1 is text, not an object: write {'role': 'user', 'content': 'Hello'}",
        ),
        (
            {"messages": [{"role": "assistant", "content": "a", "weight": 2}]},
            "a.jsonl:1: turn 1 has the weight 2: a weight is 1 (is learnt) or 0 (is only context",
        ),
        (
            {"prompt": "a", "completion": "b", "label": True},
            "a.jsonl:1: no family can use these columns alone: completion, label, prompt. To be learnt as "
            "conversations, rename prompt to instruction and completion to output. For verdicts praise is missing: "
            "name its column under `columns`. Families read messages; or",
        ),
        (
            {"instruction": "a", "response": "b"},
            "a.jsonl:1: no column plays a role; the columns are: instruction, response. To be learnt as conversations, "
            "rename response to output.",
        ),
        ({"prompt": "a"}, "a.jsonl:1: no family can use these columns alone: prompt. Families read messages; or"),
    ],
)
def test_rows_that_no_family_can_use(row: dict[str, Any], want: str, tmp_path: Path) -> None:
    report = describe(opened(write_lines(tmp_path / "a.jsonl", [row]), "jsonl"))

    assert said(report)[0].startswith(want)


MISSING = "a.jsonl:1: there is no column 'nope' for the role text; the columns are: body; correct `columns`"
ROLELESS = (
    "no column plays a role; the columns are: body. Name the one that is the text, the image, ... under `columns`."
)
NO_TEXT = "there is no text; the columns are: body. Name the column that is the text under `columns`"


@pytest.mark.parametrize(
    ("columns", "rows", "want"),
    [
        pytest.param({"text": "nope"}, [{"body": "a"}] * 20, [MISSING], id="a column that is not there, said once"),
        pytest.param(
            {"text": "nope"},
            [{"body": "a"}, {"caption": 3}],
            [
                MISSING.replace("body;", "body, caption;"),
                "a.jsonl:2: caption is the number 3, not text: write it in quotes",
            ],
            id="and other mistakes after it",
        ),
        pytest.param(
            {"chosen": "prefered"},
            [{"prompt": "a", "preferred": "b", "rejected": "c"}] * 3,
            [
                "a.jsonl:1: there is no column 'prefered' for the role chosen; the columns are: preferred, prompt, "
                "rejected; did you mean 'preferred'?"
            ],
            id="a name that is nearly right",
        ),
        pytest.param(
            {"text": "line"},
            [{"line": "a"}, {"body": "b"}, {"line": 3}, {"body": "d"}],
            [
                f"a.jsonl:2: {NO_TEXT}",
                "a.jsonl:3: text is the number 3, not text: write it in quotes",
                f"a.jsonl:4: {NO_TEXT}",
            ],
            id="a column that some rows lack, in the order of the rows",
        ),
        pytest.param({}, [{"body": "a"}] * 2, [f"a.jsonl:{row}: {ROLELESS}" for row in (1, 2)], id="no mapping"),
    ],
)
def test_one_mistake_is_one_error(
    columns: dict[str, str], rows: list[dict[str, Any]], want: list[str], tmp_path: Path
) -> None:
    report = describe(opened(write_lines(tmp_path / "a.jsonl", rows), "jsonl", **columns))

    assert said(report) == want
    assert report.error_count == len(want)


def test_the_first_errors_are_told_whatever_their_kind(tmp_path: Path) -> None:
    rows = [{"text": 1}, {"body": "a"}, {"text": 2}, {"body": "b"}, {"text": 3}]

    report = describe(opened(write_lines(tmp_path / "a.jsonl", rows), "jsonl"), most_errors=3)

    assert [error.row for error in report.errors] == [1, 2, 3]
    assert report.error_count == 5


def test_clips_are_decoded_as_far_as_their_first_frame(tmp_path: Path) -> None:
    members = {"1.mp4": clip(), "1.txt": b"fine", "2.mp4": b"junk", "2.txt": b"broken"}
    write_tar(tmp_path / "a.tar", members)

    report = describe(opened(tmp_path, "webdataset"))

    (error,) = said(report)
    assert error.startswith("a.tar:2: video cannot be decoded")


def test_where_clips_cannot_be_decoded_the_rest_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    write_tar(tmp_path / "a.tar", {"1.mp4": b"junk", "1.txt": b"fine"})

    report = describe(opened(tmp_path, "webdataset"))

    assert report.valid
    assert report.lengths is not None


def test_a_recording_in_a_shard_is_no_clip_although_its_ending_may_be_one(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1.webm": tone(), "1.txt": b"beep"})

    assert said(describe(opened(tmp_path, "webdataset"))) == []


def test_only_the_first_errors_are_told_and_all_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + "junk\n" * 50)

    report = describe(opened(tmp_path, "jsonl"), most_errors=3)

    assert [error.row for error in report.errors] == [2, 3, 4]
    assert report.error_count == 50
    assert report.rows == 1


def test_data_without_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")

    with pytest.raises(DataError, match="holds no rows: all its files are empty"):
        describe(opened(tmp_path, "jsonl"))


def test_a_report_fits_into_a_termination_message() -> None:
    errors = [{"file": "ü" * 300, "row": row, "message": "ö" * 300} for row in range(1, 50)]
    full = {"rows": 5, "sha256": "a" * 64, "errorCount": 49, "errors": errors, "roles": ["r" * 200] * 50}
    report = DatasetReport.model_validate(full)

    text = report.to_termination_message()

    assert len(text.encode()) <= TERMINATION_MESSAGE_LIMIT
    kept = DatasetReport.from_json(text)
    assert (kept.rows, kept.error_count, kept.sha256) == (5, 49, "a" * 64)
    assert kept.errors[0].row == 1


def test_a_long_failure_fits_too() -> None:
    report = DatasetReport(reason=ErrorReason.DATASET_NOT_FOUND, message="ü" * 9000)

    assert len(report.to_termination_message().encode()) <= TERMINATION_MESSAGE_LIMIT
    assert not report.valid


@pytest.mark.parametrize("fields", [{}, {"sha256": "a" * 64, "reason": "DatasetInvalid"}])
def test_a_report_says_either_what_the_data_is_or_why_that_is_not_known(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either the content's hash or the reason"):
        DatasetReport.model_validate(fields)

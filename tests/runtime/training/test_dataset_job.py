"""The container of a Dataset's Job: a report as the termination message, whatever the data is like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from runtime.training.harness import ROOT

from hostler_contract import DatasetConfig, DatasetReport, DatasetSource, ErrorReason, InspectionConfig
from hostler_contract.result import TERMINATION_MESSAGE_LIMIT
from hostler_runtime.dataset import CONFIG_VARIABLE, inspect


def configured(tmp_path: Path, data: Path, **dataset: object) -> dict[str, str]:
    """The environment of a Job that looks at ``data``."""
    source = DatasetSource(kind="path", location=str(data))
    config = InspectionConfig(
        name="books",
        namespace="team",
        dataset=DatasetConfig.model_validate({"source": source, "format": "jsonl", **dataset}),
        max_length=64,
    )
    (tmp_path / "dataset.json").write_text(config.to_json())
    return {CONFIG_VARIABLE: str(tmp_path / "dataset.json")}


def run(tmp_path: Path, environ: dict[str, str]) -> tuple[int, DatasetReport]:
    """The module as the container runs it."""
    message = tmp_path / "message"
    done = subprocess.run(
        [sys.executable, "-m", "hostler_runtime.dataset"],
        env={
            **os.environ,
            **environ,
            "HOSTLER_TERMINATION_LOG": str(message),
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'images/runtime'}",
        },
        capture_output=True,
        check=False,
    )
    text = message.read_text()
    assert len(text.encode()) <= TERMINATION_MESSAGE_LIMIT
    return done.returncode, DatasetReport.from_json(text)


def test_sound_data(tmp_path: Path) -> None:
    data = tmp_path / "books.jsonl"
    data.write_text('{"body": "some words"}\n' * 50)

    status, report = run(tmp_path, configured(tmp_path, data, columns={"text": "body"}))

    assert status == 0
    assert report.valid
    assert (report.rows, report.size_bytes) == (50, data.stat().st_size)
    assert report.packing is not None
    assert report.packing.max_length == 64
    assert report.packing.factor == pytest.approx(50 / 3, abs=0.001)


def test_data_with_errors_is_a_result(tmp_path: Path) -> None:
    data = tmp_path / "books.jsonl"
    data.write_text('{"text": "fine"}\n' + "x" * 300 + "\n" + '{"text": 3}\n' * 400)

    status, report = run(tmp_path, configured(tmp_path, data))

    assert status == 0
    assert not report.valid
    assert report.error_count == 401
    assert str(report.errors[0]).startswith("books.jsonl:2: is not JSON")


def test_data_of_another_format_is_a_result_because_another_look_would_find_the_same(tmp_path: Path) -> None:
    data = tmp_path / "talks.jsonl"
    data.write_text('{"text": "some words"}\n')

    status, report = run(tmp_path, configured(tmp_path, data, format="text"))

    assert (status, report.reason) == (0, ErrorReason.DATASET_INVALID)
    assert report.message == "talks.jsonl: is JSON lines, not a document: set `format: jsonl`"


@pytest.mark.parametrize(
    ("name", "dataset", "want_reason", "want_words"),
    [
        pytest.param("nowhere", {}, ErrorReason.DATASET_NOT_FOUND, "does not exist in the dataset", id="no path"),
        pytest.param("empty", {}, ErrorReason.DATASET_INVALID, "holds no rows", id="no rows"),
        pytest.param("empty", {"format": "images"}, ErrorReason.DATASET_INVALID, "check the format", id="no images"),
    ],
)
def test_data_that_cannot_be_looked_at(
    name: str, dataset: dict[str, object], want_reason: ErrorReason, want_words: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("")

    report = inspect(configured(tmp_path, tmp_path / name, **dataset), cache=tmp_path)

    assert report.reason is want_reason
    assert want_words in (report.message or "")


def test_a_failure_ends_with_status_1_so_that_the_job_tries_again(tmp_path: Path) -> None:
    status, report = run(tmp_path, configured(tmp_path, tmp_path / "nowhere"))

    assert status == 1
    assert report.reason is ErrorReason.DATASET_NOT_FOUND


@pytest.mark.parametrize(
    ("content", "want"), [(None, "cannot be read: No such file"), ("{}", "is wrong at name: Field required")]
)
def test_a_configuration_that_cannot_be_read(content: str | None, want: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)

    report = inspect({CONFIG_VARIABLE: str(tmp_path / "dataset.json")}, cache=tmp_path)

    assert report.reason is ErrorReason.INVALID_CONFIGURATION
    assert want in (report.message or "")


def test_it_starts_without_torch() -> None:
    """A look at data must not wait for libraries that train."""
    code = "import sys, hostler_runtime.dataset; sys.exit('torch' in sys.modules)"
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'images/runtime'}"}

    assert subprocess.run([sys.executable, "-c", code], env=environ, check=False).returncode == 0

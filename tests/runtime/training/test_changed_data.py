"""Data that is another one when a job goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from runtime.training.harness import REFERENCE_TEXT, Train, make_job

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure


def test_data_that_changed_while_a_job_was_suspended_is_named_by_both_hashes(tmp_path: Path, train: Train) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for index, text in enumerate(REFERENCE_TEXT[start : start + 2000] for start in range(0, 60_000, 2000)):
        (data / f"{index:03d}.txt").write_text(text)
    job = make_job(tmp_path / "workspace", data=data)
    with pytest.raises(RuntimeFailure, match="asked to stop"):
        train(job, stop_after=8)
    before = json.loads((max((Path(job.workspace) / "checkpoints").glob("step-*")) / "manifest.json").read_text())[
        "datasetSha256"
    ]
    (data / "000.txt").write_text("Somebody has corrected the first page. " * 40)

    with pytest.raises(RuntimeFailure) as failure:
        train(job)

    assert failure.value.reason is ErrorReason.DATASET_CHANGED
    assert not failure.value.reason.retryable
    hashes = re.findall(r"[0-9a-f]{64}", failure.value.message)
    assert hashes[0] == before
    assert hashes[1] != before
    # What the message of the job offers: another one goes on with the data as it is.
    other = make_job(tmp_path / "other", data=data).model_copy(update={"resume_from": job.workspace})
    assert train(other).board.snapshot.resumed_from_step == 8

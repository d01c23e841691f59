"""Data and jobs for the tests of encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostler_contract import ErrorReason, JobConfig, Result
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.assembled import Surroundings
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.run import run

SIZES = {"layers": 2, "hiddenSize": 64, "heads": 4, "contextLength": 64, "vocabularySize": 1000}


@dataclass(frozen=True)
class Trained:
    """A finished job."""

    result: Result
    model: Path
    job: JobConfig


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def encoder_job(workspace: Path, *, data: Path, encoder: Mapping[str, Any] | None = None, **sections: Any) -> JobConfig:
    """A job of the bert family; ``sections`` are merged into the job's own."""
    document: dict[str, Any] = {
        "name": "encoder",
        "namespace": "tests",
        "attempt": 0,
        "family": "bert",
        "modelName": "encoder",
        "model": {} if encoder is None else {"encoder": {**SIZES, **encoder}},
        "dataset": {"source": {"kind": "path", "location": str(data)}, "format": "jsonl"},
        "hyperparameters": {"steps": 10, "batchSize": 8, "learningRate": 3e-3, "warmupSteps": 2},
        "checkpoint": {"everySteps": 100_000},
        "topology": {"pods": 1, "processesPerPod": 1},
        "workspace": str(workspace / "workspace"),
    }
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values}
    return JobConfig.model_validate(document)


def train(job: JobConfig) -> Trained:
    """Run a job in this process, through the trainer's own code."""
    return _run(job, stop_after=None)


def interrupted(job: JobConfig, *, after: int) -> Trained:
    """The same with a SIGTERM after some steps and a second attempt."""
    with pytest.raises(RuntimeFailure) as caught:
        _run(job, stop_after=after)
    assert caught.value.reason is ErrorReason.INTERRUPTED
    return _run(job, stop_after=None)


def _run(job: JobConfig, *, stop_after: int | None) -> Trained:
    workspace = Path(job.workspace)
    workspace.mkdir(parents=True, exist_ok=True)
    with joined({}) as processes:
        board = ProgressBoard(job, world_size=1)

        def stop() -> bool:
            return stop_after is not None and board.snapshot.step >= stop_after

        result = run(job, Surroundings(processes, board, stop, workspace))
    return Trained(result, workspace / "model", job)

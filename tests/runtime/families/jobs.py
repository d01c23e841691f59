"""Training one model of a family through the core, in this process, and a server process over what came out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import torch
from runtime.serving.replica import Replica, serving_config

from hostler_contract import JobConfig, Result
from hostler_runtime.training.assembled import Assembled, Surroundings
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.run import assemble, run


@dataclass(frozen=True)
class Trained:
    """A finished job."""

    job: JobConfig
    result: Result

    @property
    def model(self) -> Path:
        """The artifacts."""
        return Path(self.job.workspace) / "model"


def train(root: Path, **fields: Any) -> Trained:
    """Run a job with these fields in ``root``; what is left out suits a test."""
    document: dict[str, Any] = {
        "name": "job",
        "namespace": "tests",
        "attempt": 0,
        "modelName": "tiny",
        "checkpoint": {"everySteps": 1_000_000},
        "topology": {"pods": 1, "processesPerPod": 1},
        "workspace": str(root / "workspace"),
        **fields,
    }
    job = JobConfig.model_validate(document)
    return Trained(job, run_job(job))


def run_job(job: JobConfig) -> Result:
    """Run it to its end in this process."""
    Path(job.workspace).mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with joined({}) as alone:
        board = ProgressBoard(job, world_size=1)
        return run(job, Surroundings(alone, board, lambda: False, Path(job.workspace)))


@contextmanager
def assembled(job: JobConfig) -> Iterator[Assembled]:
    """Everything of a job before its first step, once more."""
    with joined({}) as alone:
        board = ProgressBoard(job, world_size=1)
        yield assemble(job, Surroundings(alone, board, lambda: False, Path(job.workspace)))


@contextmanager
def served(trained: Trained, directory: Path, **changes: Any) -> Iterator[openai.OpenAI]:
    """The unmodified OpenAI client of a server of the model."""
    config = serving_config(trained.model, family=trained.job.family, **changes)
    with Replica(directory, config) as replica:
        yield replica.wait_ready().client()

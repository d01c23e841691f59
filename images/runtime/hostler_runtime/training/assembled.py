"""What the stages of one attempt have in common: the job, its parts, and the process that they are on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostler_contract import JobConfig
from hostler_runtime.protocols.training import Dataset, TrainingHalf
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.loop import Trainer
from hostler_runtime.training.measuring import Measurer
from hostler_runtime.training.progress import ProgressBoard

VOLUME_ROOT = Path("/workspace")
"""Where the trainer sees the workspace volume; artifact paths are relative to it."""


@dataclass(frozen=True)
class Surroundings:
    """What one process needs beside the job."""

    processes: Processes
    board: ProgressBoard
    stop_requested: Callable[[], bool]
    volume: Path = VOLUME_ROOT


@dataclass(frozen=True)
class Assembled:
    """Everything about one job, built on this process."""

    job: JobConfig
    half: TrainingHalf
    dataset: Dataset
    measurer: Measurer
    trainer: Trainer
    around: Surroundings
    whole: bool = True
    """Whether this process has the model in one piece."""

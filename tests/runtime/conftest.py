"""Fixtures that tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from runtime.training.harness import Outcome, Train

from hostler_contract import JobConfig
from hostler_runtime.training.assembled import Surroundings
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.run import run


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two cores are shared with everything else; sums in a fixed order make runs comparable bit by bit."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def train() -> Train:
    """Run a job here; ``stop_after`` asks it to stop as SIGTERM would."""

    def go(job: JobConfig, *, stop_after: int | None = None, board: ProgressBoard | None = None) -> Outcome:
        board = board or ProgressBoard(job, world_size=1)

        def stop() -> bool:
            return stop_after is not None and board.snapshot.step >= stop_after

        # A group for each run: other tests of the same process make their own.
        with joined({}) as alone:
            return Outcome(run(job, Surroundings(alone, board, stop, Path(job.workspace))), board)

    return go

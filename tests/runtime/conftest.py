"""Fixtures that tests of training share."""

from __future__ import annotations

import gc
import sys
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


_modules_frozen = 0


@pytest.fixture(autouse=True)
def imports_are_not_searched_for_garbage() -> None:
    """A job collects garbage whenever it leaves a stage. It would search all that every test module has imported, which
    takes half a second; so what is imported is taken out of the search, once for each set of imports."""
    global _modules_frozen
    if len(sys.modules) > _modules_frozen:
        gc.collect()
        gc.freeze()
        _modules_frozen = len(sys.modules)


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

"""What a finished job leaves on its volume: the model, its samples, and as many checkpoints as somebody may want."""

from __future__ import annotations

import logging
from pathlib import Path

from hostler_contract import JobConfig
from hostler_contract.checkpoint import MANIFEST_NAME
from hostler_runtime.logs import event
from hostler_runtime.training.files import clear_directory
from hostler_runtime.training.preparing.place import release, shared_root

logger = logging.getLogger(__name__)


def tidy(job: JobConfig, *, volume: Path | None = None) -> None:
    """Rank 0, once the result is recorded: remove what was downloaded, what was prepared and no other job of the volume
    needs, and all but the newest checkpoints.

    Called so late because a job that dies before its result is known goes on from them. Whatever cannot be removed is
    logged: the model is there, and a full or broken volume must not take the success away.
    """
    workspace = Path(job.workspace)
    checkpoints = sorted(path for path in (workspace / "checkpoints").glob("step-*") if path.is_dir())
    surplus = checkpoints[: max(0, len(checkpoints) - job.checkpoint.keep_after_success)]
    freed = 0
    for path in (*surplus, workspace / "cache"):
        try:
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            # The manifest goes first: a crash in the middle must not leave half a checkpoint with one.
            (path / MANIFEST_NAME).unlink(missing_ok=True)
            clear_directory(path)
        except OSError as error:
            event(logger, "could not be removed", level=logging.WARNING, path=str(path), why=str(error))
        else:
            freed += size
    shared = shared_root(workspace=workspace, volume=volume or workspace)
    try:
        freed += release(shared, job.name)
    except OSError as error:
        event(logger, "could not be removed", level=logging.WARNING, path=str(shared), why=str(error))
    event(logger, "volume tidied", bytes=freed, checkpoints=len(checkpoints) - len(surplus))

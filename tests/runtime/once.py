"""What all workers of a test run share: made by the first one that needs it, while the others wait for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(name: str, make: Callable[[Path], None], *, directories: pytest.TempPathFactory) -> Path:
    """The directory of this name that ``make`` has filled, in whichever worker. What fails is tried again."""
    own = directories.getbasetemp()
    # Each worker has a directory of its own in that of the run.
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    directory, made = root / name, root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            directory.mkdir(exist_ok=True)
            make(directory)
            made.touch()
    return directory

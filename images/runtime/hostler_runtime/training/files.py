"""Files that are there completely or not at all, whatever kills the process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def clear_directory(path: Path) -> None:
    """Remove a directory tree if it is there."""
    if path.exists():
        shutil.rmtree(path)


def fresh_directory(path: Path) -> Path:
    """An empty directory at ``path``."""
    clear_directory(path)
    path.mkdir(parents=True)
    return path


def publish_directory(temporary: Path, target: Path) -> None:
    """Move a finished directory to its name. What was there before is gone only after the new one is on the disk."""
    for path in sorted(temporary.rglob("*")):
        if path.is_file():
            flush(path)
    flush(temporary)
    if target.exists():
        old = fresh_directory(target.with_name(f".old-{target.name}"))
        target.rename(old / target.name)
        temporary.rename(target)
        clear_directory(old)
    else:
        temporary.rename(target)
    flush(target.parent)


def write_file(path: Path, text: str) -> None:
    """Replace a file's content in one step."""
    temporary = path.with_name(f".new-{path.name}")
    temporary.write_text(text, encoding="utf-8")
    flush(temporary)
    temporary.rename(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """fsync a file or directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

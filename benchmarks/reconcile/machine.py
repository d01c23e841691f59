"""What was measured on: figures without a machine say little."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def description() -> dict[str, str | int]:
    """Processor, cores, memory and Python."""
    return {
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memoryGiB": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 2**20,
        "python": platform.python_version(),
    }


def _first(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "0 unknown"

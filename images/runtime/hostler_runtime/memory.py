"""Whether the kernel killed a process of this container for want of memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

COUNTERS = (
    Path("/sys/fs/cgroup/memory.events"),  # cgroup v2
    Path("/sys/fs/cgroup/memory/memory.oom_control"),  # cgroup v1
)
_LINE = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class MemoryWitness:
    """The kernel's count of kills at one moment, to compare with later."""

    count: int | None
    read: Callable[[], int | None]

    @classmethod
    def now(cls, paths: Sequence[Path] = COUNTERS) -> MemoryWitness:
        """Remember the count."""

        def read() -> int | None:
            return kill_count(paths)

        return cls(count=read(), read=read)

    @property
    def killed_since(self) -> bool | None:
        """True where the count has grown; None where there is no counter to read."""
        later = self.read()
        if self.count is None or later is None:
            return None
        return later > self.count


def kill_count(paths: Sequence[Path]) -> int | None:
    """Processes of this cgroup that were killed for want of memory."""
    for path in paths:
        try:
            found = _LINE.search(path.read_text())
        except OSError:
            continue
        if found:
            return int(found.group(1))
    return None

"""CPU time and working set of a pod, from the host's cgroup file system, versions 1 and 2.

Pods are found by their uid anywhere below the root: kubelets differ in driver (``pod<uid>`` or ``...-pod<uid>.slice``)
and in cgroup root, and a pod's uid is in the directory's name with all of them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from device_simulator.usage import Sample

MAX_DEPTH = 10
_POD = re.compile(r"(?:^|-)pod([0-9a-f]{8}[0-9a-f_-]{24,28})(?:\.slice)?$")


class Cgroups:
    """Reads pods' usage below one mount of the host's cgroup file system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unified = (root / "cgroup.controllers").exists()
        self._pods: dict[str, str] = {}

    def problem(self) -> str | None:
        """Why no pod's usage can be read here, and the way out; None where it can."""
        if self._unified or self._controller("cpuacct"):
            return None
        return f"no cgroup file system at {self._root}: mount the host's /sys/fs/cgroup there, read-only"

    def sample(self, uid: str, *, at: float) -> Sample | None:
        """A pod's usage now, or None where it has no cgroup (yet, or any more)."""
        found = self._read(uid, at=at)
        if found is None:
            self._pods = self._scan()
            found = self._read(uid, at=at)
        return found

    def _read(self, uid: str, *, at: float) -> Sample | None:
        place = self._pods.get(uid)
        if place is None:
            return None
        try:
            return self._read_unified(place, at=at) if self._unified else self._read_v1(place, at=at)
        except OSError:
            # The pod's cgroup went away between the look-up and the read.
            return None

    def _read_unified(self, place: str, *, at: float) -> Sample:
        folder = self._root / place
        cpu = _fields(folder / "cpu.stat")["usage_usec"] / 1e6
        return Sample(at, cpu, _working_set(folder, usage="memory.current", inactive="inactive_file"))

    def _read_v1(self, place: str, *, at: float) -> Sample | None:
        cpu, memory = self._controller("cpuacct"), self._controller("memory")
        if cpu is None:
            return None
        used = (
            _working_set(memory / place, usage="memory.usage_in_bytes", inactive="total_inactive_file")
            if memory
            else None
        )
        return Sample(at, int((cpu / place / "cpuacct.usage").read_text()) / 1e9, used)

    def _controller(self, name: str) -> Path | None:
        """The hierarchy of a version 1 controller, which may be mounted together with others."""
        entries = sorted(self._root.iterdir()) if self._root.is_dir() else []
        return next((entry for entry in entries if name in entry.name.split(",") and entry.is_dir()), None)

    def _scan(self) -> dict[str, str]:
        top = self._root if self._unified else self._controller("cpuacct")
        found: dict[str, str] = {}
        level = [""] if top else []
        for _ in range(MAX_DEPTH):
            deeper: list[str] = []
            for place in level:
                for name in _folders(Path(top or self._root) / place):
                    match = _POD.search(name)
                    path = f"{place}/{name}".lstrip("/")
                    if match:
                        found[match[1].replace("_", "-")] = path
                    else:
                        deeper.append(path)
            level = deeper
        return found


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _fields(path: Path) -> dict[str, int]:
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}


def _working_set(folder: Path, *, usage: str, inactive: str) -> float | None:
    try:
        used = int((folder / usage).read_text())
        idle = _fields(folder / "memory.stat").get(inactive, 0)
    except OSError:
        return None
    # The kubelet's own definition: page cache that could be dropped at once does not count.
    return float(max(used - idle, 0))

"""The cgroups of a cluster: they tell, without any record, which processes belong to it.

Every process of the cluster starts below `/hostler-<name>` in one hierarchy (the freezer on cgroup v1, the unified
one on v2), shims inherit that, and kubelets are told to make their pods' cgroups below it as well.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from hostler.local.errors import PreflightError, StartError

_TRACKING_PREFERENCE = ("freezer", "pids", "memory", "cpu")


@dataclass(frozen=True)
class Hierarchies:
    """Where the machine mounts its cgroup hierarchies."""

    roots: tuple[Path, ...]
    tracking: Path
    unified: bool


def parse_hierarchies(mounts: str) -> Hierarchies:
    """Find the hierarchies in the text of /proc/mounts.

    A hybrid machine (v1 controllers and an empty v2 tree beside them) counts as v1, as it does for the kubelet.
    """
    v1: list[tuple[Path, set[str]]] = []
    v2: list[Path] = []
    for line in mounts.splitlines():
        _, target, kind, options, *_ = line.split(" ")
        if kind == "cgroup":
            v1.append((Path(target), set(options.split(","))))
        elif kind == "cgroup2":
            v2.append(Path(target))
    controllers = [entry for entry in v1 if not any(option.startswith("name=") for option in entry[1])]
    if not controllers:
        if not v2:
            raise PreflightError("no cgroup hierarchy is mounted", way_out="mount -t cgroup2 none /sys/fs/cgroup")
        return Hierarchies(roots=(v2[0],), tracking=v2[0], unified=True)
    for wanted in _TRACKING_PREFERENCE:
        for root, present in controllers:
            if wanted in present:
                # The empty v2 tree of a hybrid machine counts too: runc makes groups there as well.
                return Hierarchies((*dict.fromkeys(path for path, _ in v1), *v2), root, unified=False)
    raise PreflightError("no cgroup hierarchy can hold processes", way_out="mount the freezer hierarchy of cgroup v1")


def hierarchies() -> Hierarchies:
    return parse_hierarchies(Path("/proc/mounts").read_text())


def create(found: Hierarchies, group: str) -> Path:
    """Make one group in every hierarchy and return the file that takes its processes."""
    for root in found.roots:
        path = root
        for part in Path(group).parts:
            if found.unified:
                _enable_controllers(path)
            path = path / part
            path.mkdir(exist_ok=True)
            _inherit_cpuset(path)
    return found.tracking / group / "cgroup.procs"


def _enable_controllers(path: Path) -> None:
    available = (path / "cgroup.controllers").read_text().split()
    for controller in available:
        # One that the kernel refuses (such as cpu with realtime tasks about) must not cost us the others.
        with contextlib.suppress(OSError):
            (path / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(path: Path) -> None:
    """On v1 a new cpuset is empty, and a process cannot enter it until it has processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = path / name
        if file.exists() and not file.read_text().strip():
            file.write_text((path.parent / name).read_text())


def members(found: Hierarchies, group: str) -> set[int]:
    """All processes below a group, in any hierarchy."""
    pids: set[int] = set()
    for root in found.roots:
        for file in (root / group).rglob("cgroup.procs"):
            # The group may vanish, or forbid reading (threaded cgroups), between listing and reading.
            with contextlib.suppress(OSError):
                pids.update(int(pid) for pid in file.read_text().split())
    return pids


def marked(variable: str, value: str) -> set[int]:
    """Processes that carry a variable in their environment: those killed before they entered their cgroup."""
    needle = f"{variable}={value}".encode()
    pids = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                pids.add(int(entry.name))
    return pids


def _freeze(found: Hierarchies, group: str, state: str) -> None:
    file = found.tracking / group / "freezer.state"
    with contextlib.suppress(OSError):
        if file.exists():
            file.write_text(state)


def kill(found: Hierarchies, group: str, *, variable: str, value: str, timeout: float = 20) -> int:
    """SIGKILL every process of the group until none is left; returns how many there were."""
    deadline = time.monotonic() + timeout
    seen: set[int] = set()
    while pids := members(found, group) | marked(variable, value):
        if time.monotonic() > deadline:
            raise StartError(
                f"processes {sorted(pids)} of {group} do not die", way_out="they hang in the kernel; see `dmesg`"
            )
        seen |= pids
        # Frozen, none of them can fork between the listing and the signal; the kill takes effect at the thaw.
        _freeze(found, group, "FROZEN")
        for pid in members(found, group) | pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _freeze(found, group, "THAWED")
        time.sleep(0.02)
    return len(seen)


def remove(found: Hierarchies, group: str) -> None:
    """Remove a group that no longer holds processes, bottom up, in every hierarchy."""
    for root in found.roots:
        top = root / group
        if not top.exists():
            continue
        below = sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        for path in [*below, top]:
            _remove_one(path)


def _remove_one(path: Path) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            path.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            # The last process has gone, but the kernel needs a moment to forget it.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)

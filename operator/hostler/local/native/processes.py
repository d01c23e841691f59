"""Starting the processes of a cluster: into its cgroup, its network namespace and, for nodes, a mount namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hostler.local.errors import StartError
from hostler.local.naming import MARKER_VARIABLE, Names
from hostler.local.native import cgroups

# The shell enters the cgroup before it forks the daemon: whoever waits for the shell finds the daemon inside, and no
# child can ever be outside.
_ENTER = 'echo $$ > "$1" && shift && exec setsid --fork "$@"'


_START_TIME = 19
"""Place of a process's start among the fields of /proc/PID/stat after its name, see proc(5)."""


@dataclass(frozen=True)
class Component:
    """One long-running program of a cluster."""

    name: str
    argv: tuple[str, ...]
    mount_namespace_of: int | None = None
    """Process whose mount namespace it enters."""


def command(names: Names, component: Component, *, procs: Path) -> list[str]:
    """The full command line that starts a component as a daemon of its own session."""
    enter = ["nsenter", f"--net={names.netns_path}"]
    if component.mount_namespace_of is not None:
        enter.append(f"--mount=/proc/{component.mount_namespace_of}/ns/mnt")
    return ["sh", "-c", _ENTER, "sh", str(procs), *enter, "--", *component.argv]


def environment(names: Names) -> dict[str, str]:
    """A small environment: proxies and credentials of the caller's shell have no place in the cluster."""
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": str(names.run),
        MARKER_VARIABLE: str(names.state),
    }


class Launcher:
    """Starts components of one cluster and finds them again."""

    def __init__(self, names: Names, hierarchies: cgroups.Hierarchies) -> None:
        self._names = names
        self._hierarchies = hierarchies

    def _group(self, component: str) -> str:
        return f"{self._names.cgroup}/system/{component}"

    def start(self, component: Component) -> None:
        """Start a component; its output goes to a log of its own."""
        procs = cgroups.create(self._hierarchies, self._group(component.name))
        self._names.logs.mkdir(parents=True, exist_ok=True)
        with self.log(component.name).open("ab") as log:
            subprocess.run(
                command(self._names, component, procs=procs),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._names.run,
                env=environment(self._names),
                check=True,
            )

    def log(self, component: str) -> Path:
        return self._names.logs / f"{component}.log"

    def pids(self, component: str) -> list[int]:
        """The processes of a component, oldest first: the component itself, then what it has started."""
        return oldest_first(cgroups.members(self._hierarchies, self._group(component)))

    def require_alive(self, component: str) -> None:
        """Raise with the end of its log when a component has died."""
        if self.pids(component):
            return
        raise StartError(
            f"{component} stopped: {last_words(self.log(component))}", way_out=f"see {self.log(component)}"
        )


def oldest_first(pids: Iterable[int], *, proc: Path = Path("/proc")) -> list[int]:
    """Those that are alive, in the order in which they were started.

    Their numbers do not tell: the kernel begins again at the bottom, on many machines after 32768, and a busy one gets
    there within minutes. Whoever took the lowest number for the oldest entered the mounts of a passing child.
    """
    started = []
    for pid in pids:
        with suppress(OSError):
            # The name before it may hold anything, closing brackets too.
            fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
            started.append((int(fields[_START_TIME]), pid))
    return [pid for _, pid in sorted(started)]


def last_words(log: Path) -> str:
    """The last line of a log, for an error message."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it left no log"
    return lines[-1][-400:] if lines else "its log is empty"

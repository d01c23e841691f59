"""Child processes that never outlive this one, and what the kernel knows of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 8.0
"""Seconds that a program has to end by itself."""


class DiedError(Exception):
    """A program that must run has ended."""


def stop_on_signals() -> None:
    """Let SIGTERM end this process as Ctrl-C does, by cancelling what runs, so that all that was started is stopped."""
    # A shell starts what runs in the background with Ctrl-C ignored; asyncio handles it only where it is not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


class Processes:
    """Programs by name, stopped in reverse order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str] | None = None) -> int:
        """Start one; its output goes to a log of its own. Returns the pid."""
        # The kernel ends it should this process be killed in a way that lets nobody clean up.
        command = ["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)]
        clean = {"PATH": os.environ.get("PATH", ""), "HOME": str(cwd)} | dict(env or {})
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                command, cwd=cwd, env=clean, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._running[name] = process
        return process.pid

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def require_alive(self) -> None:
        """Raise :class:`DiedError`, with the end of its log, where one has ended."""
        for name, process in self._running.items():
            if (code := process.poll()) is not None:
                raise DiedError(f"{name} ended with {code}: {self._last_words(name)}")

    def stop_all(self) -> None:
        """Stop the last one started first."""
        self.stop(reversed(list(self._running)))

    def stop(self, names: Iterable[str]) -> None:
        """Stop these, all at the same time; one that does not run is no error."""
        going = {name: self._running.pop(name) for name in names if name in self._running}
        for process in going.values():
            process.send_signal(signal.SIGTERM)
        for process in going.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-600:] or "it left no log"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface on which nothing listens now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in seconds; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine_seconds() -> float:
    """Processor time that the whole machine has used."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / _TICKS


def memory_mib(pid: int, *, peak: bool) -> float:
    """Resident memory of a process in MiB, now or at its highest; 0 where it is gone."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(wanted)), 0.0)


def reset_peak(pid: int) -> None:
    """Let the highest memory be counted from now on."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")

"""Programs of the runtime as processes of their own that begin at once.

The libraries of one such program take seconds of a processor to import, and the tests start dozens. So one process
imports them and then does nothing but fork: ``Forked("hostler_runtime.serve", ...)`` is ``python -m`` of that module,
with an environment, output and end of its own, and what ``subprocess.Popen`` offers to whoever started it. What a start
itself does (which variables are set before torch is imported, say) is for tests that start Python.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from hostler_runtime import launch

ROOT = Path(__file__).resolve().parents[2]
PATHS = [str(ROOT / name) for name in ("operator", "images/runtime", "tests")]
LIBRARIES = (
    "torch.distributed.checkpoint",
    "torch.distributed.run",
    "torch.distributed.fsdp",
    "hostler_runtime.training.run",
    "hostler_runtime.families.chat.training",
    "hostler_runtime.families.chat.serving",
    "hostler_runtime.server.process",
    "transformers.models.llama.modeling_llama",
)
"""What programs import before they do anything."""
_LARGEST_REQUEST = 1 << 18


@functools.cache
def _forker() -> tuple[socket.socket, IO[bytes], subprocess.Popen[bytes]]:
    """The process that forks: how to ask it, and what it says. It ends when this one does, which closes the socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    said = tempfile.TemporaryFile()  # noqa: SIM115 -- for as long as it runs
    path = os.pathsep.join(PATHS)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env={**os.environ, **launch.DEFAULTS, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours, said, process


class Forked:
    """One process; its standard error goes where its standard output does."""

    def __init__(
        self, module: str, *arguments: str, env: Mapping[str, str], stdout: IO[bytes], cwd: Path | None = None
    ) -> None:
        self._told, theirs = os.pipe()
        request = json.dumps(
            {"module": module, "arguments": arguments, "env": dict(env), "cwd": str(cwd or Path.cwd())}
        )
        try:
            with suppress(BrokenPipeError):  # told below, with the reason
                socket.send_fds(_forker()[0], [request.encode()], [stdout.fileno(), theirs])
        finally:
            os.close(theirs)
        self.args = ("-m", module, *arguments)
        self.pid = self._next()
        self.returncode: int | None = None

    def _next(self) -> int:
        told = b""
        while not told.endswith(b"\n"):
            more = os.read(self._told, 1)
            if not more:
                said = _forker()[1]
                said.seek(0)
                raise AssertionError(f"nobody is left who could fork {self.args}:\n{said.read().decode()}")
            told += more
        return int(told)

    def poll(self) -> int | None:
        """The exit status, minus the signal where one ended it; None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = self._next()
            os.close(self._told)
        return self.returncode

    def fileno(self) -> int:
        """Becomes readable when the process ends, for ``select``."""
        return self._told

    def wait(self, timeout: float | None = None) -> int:
        """The same, once it has ended. Raises ``TimeoutExpired`` where that takes longer."""
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        status = self.poll()
        assert status is not None
        return status

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _serve(control: socket.socket) -> None:
    """Fork for each request until nobody can make one any more."""
    for name in LIBRARIES:
        __import__(name)
    gc.collect()
    gc.freeze()
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "a process with threads must not fork"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that keep a program
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, _LARGEST_REQUEST, 2)
        if not request:
            # Programs that nobody can end any more, because a test run was killed, end here.
            os.killpg(0, signal.SIGKILL)
        output, tell = descriptors
        if os.fork() == 0:
            control.close()
            _keep(json.loads(request), output=output, tell=tell)
        os.close(output)
        os.close(tell)


def _keep(request: dict[str, Any], *, output: int, tell: int) -> NoReturn:
    """Fork the program, and tell its number and then its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    program = os.fork()
    if program == 0:
        os.close(tell)
        _become(request, output=output)
    os.close(output)
    os.write(tell, b"%d\n" % program)
    _, status = os.waitpid(program, 0)
    os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: dict[str, Any], *, output: int) -> NoReturn:
    """Be the program, as if Python had just started it."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    random.seed()
    sys.modules.pop(request["module"], None)
    sys.argv = [request["module"], *request["arguments"]]
    status: object = 1
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = 0 if ended.code is None else ended.code
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # As the runtime itself ends: libraries that are torn down may abort.
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path != str(Path(__file__).parent)]
    _serve(socket.socket(fileno=int(sys.argv[1])))

"""`kubectl port-forward` as a context manager: works on every provider, and asks for nothing but a kubeconfig."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hostler.local.errors import StartError

_LISTENING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextmanager
def forward(kubectl: Path, kubeconfig: Path, *, namespace: str, target: str, port: int) -> Iterator[str]:
    """A loopback URL that leads to ``target`` (such as ``service/prometheus``) while the block runs."""
    command = [str(kubectl), "--kubeconfig", str(kubeconfig), "-n", namespace, "port-forward", target, f":{port}"]
    # A file, not a pipe: kubectl prints a line for each connection, and a full pipe would stop it.
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
        try:
            yield f"http://127.0.0.1:{_listening_port(process, output.fileno(), what=f'{namespace}/{target}')}"
        finally:
            process.terminate()
            process.wait(timeout=10)


def _listening_port(process: subprocess.Popen[str], output: int, *, what: str, timeout: float = 30) -> int:
    deadline = time.monotonic() + timeout
    while True:
        said = Path(f"/proc/self/fd/{output}").read_text()
        if match := _LISTENING.search(said):
            return int(match.group(1))
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"port-forward to {what} did not start: {said.strip() or 'no output'}")
        time.sleep(0.05)

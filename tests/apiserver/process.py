"""The operator as a process of its own, as it runs in its container."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
from patience import PATIENCE
from ports import free_port


class Process:
    """Serves one namespace, from the start of the process until somebody ends it."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path) -> None:
        self.metrics, self.probes = free_port(), free_port()
        self.log = log
        command = [
            sys.executable, "-m", "hostler.operator", f"--kubeconfig={kubeconfig}", f"--namespace={namespace}",
            f"--watch-namespaces={namespace}", f"--metrics-port={self.metrics}", f"--probes-port={self.probes}",
            "--train-image=t", "--serve-image=s", "--log-format=json",
        ]  # fmt: skip
        with log.open("wb") as sink:
            self.popen = subprocess.Popen(command, stdout=sink, stderr=sink)

    def text(self, port: int, path: str) -> str:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/{path}", timeout=PATIENCE)
        except httpx.TransportError:
            return ""
        return answer.text if answer.is_success else ""

    def ready(self) -> bool:
        self.require_alive()
        return self.text(self.probes, "readyz") == "ok\n"

    def leads(self) -> bool:
        self.require_alive()
        return "hostler_operator_leader 1.0" in self.text(self.metrics, "metrics")

    def require_alive(self) -> None:
        """Nobody ended it."""
        assert self.popen.poll() is None, self.log.read_text()

    def end(self) -> None:
        """SIGTERM; it ends by itself and well."""
        self.popen.send_signal(signal.SIGTERM)
        code = self.popen.wait(PATIENCE)
        assert code == 0, self.log.read_text()

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        self.popen.kill()
        self.popen.wait(PATIENCE)

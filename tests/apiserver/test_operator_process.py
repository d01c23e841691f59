"""The operator as a process of its own, as in its container: who leads, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from apiserver.conftest import GIVEN
from apiserver.operating import free_port
from kubeclient import eventually
from patience import PATIENCE

pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


class Process:
    """The operator as it runs in its container."""

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
        assert self.popen.poll() is None, self.log.read_text()
        return self.text(self.probes, "readyz") == "ok\n"

    def leads(self) -> bool:
        return "hostler_operator_leader 1.0" in self.text(self.metrics, "metrics")

    def end(self) -> None:
        """SIGTERM; it ends by itself and well."""
        self.popen.send_signal(signal.SIGTERM)
        code = self.popen.wait(PATIENCE)
        assert code == 0, self.log.read_text()


@pytest.fixture
def start(kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    processes: list[Process] = []

    def started(name: str) -> Process:
        processes.append(Process(kubeconfig, namespace, tmp_path / f"{name}.log"))
        return processes[-1]

    yield started
    for process in processes:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


def test_a_standby_follows_a_leader_that_leaves(start: Callable[[str], Process]) -> None:
    first = start("first")
    eventually(first.leads, what="the first to lead")
    second = start("second")
    eventually(second.ready, what="the standby to be ready")
    assert not second.leads()
    first.end()
    assert "released the Lease" in first.log.read_text(), "the standby need not wait until it runs out"
    eventually(second.leads, what="the standby to lead")
    second.end()


def test_an_operator_that_waits_for_its_crds_can_be_stopped_too(
    start: Callable[[str], Process], tmp_path: Path, kubeconfig: Path, namespace: str
) -> None:
    nowhere = tmp_path / "nowhere.kubeconfig"
    text = kubeconfig.read_text(encoding="utf-8")
    server = next(line for line in text.splitlines() if "server:" in line).split("server:")[1].strip()
    nowhere.write_text(text.replace(server, f"https://127.0.0.1:{free_port()}"), encoding="utf-8")
    process = Process(nowhere, namespace, tmp_path / "waiting.log")
    eventually(lambda: process.text(process.probes, "healthz") == "ok\n", what="the probes")
    assert not process.ready()
    process.end()
    assert "waiting: GET /apis/hostler.dev/v1alpha1 failed" in process.log.read_text()

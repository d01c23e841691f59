"""The operator as a process of its own, as in its container: who leads, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiserver.conftest import GIVEN
from apiserver.process import Process
from kubeclient import eventually
from ports import free_port

pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    given = os.environ.get(GIVEN)
    return Path(given) if given else request.getfixturevalue("control_plane").kubeconfig


@pytest.fixture
def start(kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    processes: list[Process] = []

    def started(name: str) -> Process:
        processes.append(Process(kubeconfig, namespace, tmp_path / f"{name}.log"))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()


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

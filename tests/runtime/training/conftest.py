"""Fixtures for runs of small training jobs, and for where their data come from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from runtime.forked import Forked
from runtime.training.harness import ROOT, JobFactory, Launch, Pod, make_job
from runtime.training.webserver import Site

from hostler_contract import JobConfig

LAUNCHER = "hostler_runtime.launch"


@pytest.fixture
def job(tmp_path: Path) -> JobFactory:
    """``job(field=value, part__field=value)`` in a workspace of this test."""

    def make(**changes: Any) -> JobConfig:
        return make_job(tmp_path / "workspace", **changes)

    return make


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start the pods of an attempt; whatever is still running at the end of the test is killed.

    ``plain`` starts the launcher as a container does. The training processes that it starts always begin with Python.
    """
    started: list[Pod] = []

    def go(
        job: JobConfig | str, *, pods: int = 1, processes: int = 1, restarts: int = 0, plain: bool = False
    ) -> list[Pod]:
        run_id = len(started)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        config = tmp_path / f"job-{run_id}.json"
        config.write_text(job if isinstance(job, str) else job.to_json())
        master_port = free_port()
        attempt = []
        for rank in range(pods):
            port = free_port()
            message, log = tmp_path / f"message-{run_id}-{rank}", tmp_path / f"log-{run_id}-{rank}"
            environ = {
                **os.environ,
                "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'images/runtime'}",
                "HOSTLER_JOB_CONFIG": str(config),
                "HOSTLER_PORT": str(port),
                "HOSTLER_TERMINATION_LOG": str(message),
                "HOSTLER_VOLUME_ROOT": str(tmp_path),
                "OMP_NUM_THREADS": "1",
                # torchrun and a launcher that is killed leave directories behind, as in a container's own /tmp.
                "TMPDIR": str(scratch),
                "PET_NNODES": str(pods),
                "PET_NPROC_PER_NODE": str(processes),
                "PET_NODE_RANK": str(rank),
                "PET_MASTER_ADDR": "127.0.0.1",
                "PET_MASTER_PORT": str(master_port),
                "PET_MAX_RESTARTS": str(restarts),
            }
            process: subprocess.Popen[bytes] | Forked
            with log.open("wb") as stream:
                if plain:
                    command = [sys.executable, "-m", LAUNCHER]
                    process = subprocess.Popen(command, env=environ, stdout=stream, stderr=stream, cwd=tmp_path)
                else:
                    process = Forked(LAUNCHER, env=environ, stdout=stream, cwd=tmp_path)
            attempt.append(Pod(process, port, message, log))
        started.extend(attempt)
        return attempt

    yield go
    for pod in started:
        if pod.process.poll() is None:
            children = pod.workers()
            pod.process.kill()
            pod.process.wait()
            for child in children:
                try:
                    os.kill(child, 9)
                except ProcessLookupError:
                    continue


@pytest.fixture
def site() -> Iterator[Site]:
    """A fresh server."""
    server = Site()
    yield server
    server.close()

"""A small job on real text, and the means to run it in this process or through the launcher."""

from __future__ import annotations

import copy
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pydoc_data import topics
from typing import Any

from patience import PATIENCE
from runtime.forked import Forked

from hostler_contract import JobConfig, Progress, Result
from hostler_runtime.training.progress import ProgressBoard

ROOT = Path(__file__).parents[3]
REFERENCE_TEXT = "\n\n".join(topics.topics[key] for key in sorted(topics.topics))[:400_000]
"""Python's own language reference, as the standard library ships it (PSF licence)."""

JobFactory = Callable[..., JobConfig]


def make_job(workspace: Path, *, data: Path | str | None = None, **changes: Any) -> JobConfig:
    """A job that trains in a second; ``changes`` name fields by ``part__field``."""
    workspace.mkdir(parents=True, exist_ok=True)
    if data is None:
        data = workspace.parent / "data"
        data.mkdir(exist_ok=True)
        (data / "reference.txt").write_text(REFERENCE_TEXT[:60_000])
    document: dict[str, Any] = {
        "name": "job",
        "namespace": "team",
        "attempt": 0,
        "family": "chat",
        "modelName": "tiny",
        "model": {
            "transformer": {
                "architecture": "gpt2", "layers": 2, "hiddenSize": 32, "heads": 2, "contextLength": 32,
                "vocabularySize": 400, "dropoutPercent": 10,
            },
        },
        "dataset": {"source": {"kind": "path", "location": str(data)}},
        "hyperparameters": {"steps": 12, "batchSize": 4, "learningRate": 3e-3, "warmupSteps": 2},
        "checkpoint": {"everySteps": 4},
        "topology": {"pods": 1, "processesPerPod": 1},
        "flopsPerUnit": 1e6,
        "workspace": str(workspace),
    }  # fmt: skip
    for name, value in changes.items():
        *parts, field = name.split("__")
        target = document
        for part in parts:
            target = target[part]
        target[field] = copy.deepcopy(value)  # later changes are of this job alone
    return JobConfig.model_validate(document)


@dataclass
class Outcome:
    """A run in this process."""

    result: Result
    board: ProgressBoard


Train = Callable[..., Outcome]


@dataclass
class Pod:
    """One launcher as a container would run it."""

    process: subprocess.Popen[bytes] | Forked
    port: int
    message: Path
    log: Path

    def progress(self) -> Progress | None:
        """What rank 0 says; None while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/progress", timeout=PATIENCE) as response:
                return Progress.from_json(response.read())
        except OSError:
            return None

    def wait_for(self, condition: Callable[[Progress], bool], *, timeout: float = PATIENCE) -> Progress:
        """Poll until the progress meets a condition."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"ended early:\n{self.log.read_text()}"
            seen = self.progress()
            if seen is not None and condition(seen):
                return seen
            time.sleep(0.02)  # the poll's period
        raise AssertionError(f"condition not met within {timeout} s:\n{self.log.read_text()}")

    def wait(self, *, timeout: float = PATIENCE) -> int:
        """The exit status."""
        return self.process.wait(timeout)

    def result(self) -> Result:
        """The termination message."""
        return Result.from_json(self.message.read_bytes())

    def workers(self) -> list[int]:
        """Process ids of the training processes."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


Launch = Callable[..., list[Pod]]


def log_lines(pod: Pod) -> list[dict[str, Any]]:
    """The pod's log, line by line; fails on a line that is no JSON."""
    return [json.loads(line) for line in pod.log.read_text().splitlines()]

"""The operator's prober against a real trainer: two processes, each in its own environment, and HTTP between them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE
from runtime.training.harness import ROOT, JobFactory, Launch

from hostler_contract import Progress
from hostler_contract.progress import Stage

Told = dict[str, Any]
STEPS = 100_000

CONTROL_PLANE = ROOT / ".venv/bin/python"
"""The environment that has the operator's libraries; ``make test-runtime`` makes it first."""


class Operator:
    """The part of the operator that asks, and what it tells."""

    def __init__(self, port: int) -> None:
        path = f"{ROOT / 'operator'}:{ROOT / 'images/runtime'}:{ROOT / 'tests'}"
        self._process = subprocess.Popen(
            [str(CONTROL_PLANE), str(Path(__file__).with_name("asking.py")), str(port)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._told: queue.Queue[Told] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put(json.loads(line))

    def wait_for(self, condition: Callable[[Told], bool]) -> list[Told]:
        """Everything that is told until, and with, the first line that meets the condition. Lines come for ever, also
        where nobody answers, so that it is the condition that has to come in time."""
        found: list[Told] = []
        deadline = time.monotonic() + PATIENCE
        while not found or not condition(found[-1]):
            assert time.monotonic() < deadline, f"not told within {PATIENCE} s; last told: {found[-5:]}"
            found.append(self._told.get(timeout=PATIENCE))
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()


@pytest.fixture
def ask() -> Iterator[Callable[[int], Operator]]:
    """``ask(port)`` begins to ask."""
    asking: list[Operator] = []

    def go(port: int) -> Operator:
        asking.append(Operator(port))
        return asking[-1]

    yield go
    for operator in asking:
        operator.close()


def shown(told: list[Told]) -> list[Progress]:
    return [Progress.model_validate(line["progress"]) for line in told if "progress" in line]


def test_the_operator_reads_how_a_trainer_goes_on(
    job: JobFactory, launch: Launch, ask: Callable[[int], Operator]
) -> None:
    # More steps than it ever takes: a job that ends before it was asked would never be seen.
    (pod,) = launch(job(hyperparameters__steps=STEPS, checkpoint__everySteps=50))
    operator = ask(pod.port)
    told = operator.wait_for(lambda line: line.get("progress", {}).get("checkpointStep", 0) >= 200)
    results = [line["result"] for line in told if "result" in line]
    assert set(results) <= {"success", "unreachable"}, "until it listens, nobody is there; then every answer is one"
    assert results[-1] == "success"
    seen = shown(told)
    steps = [each.step for each in seen]
    assert steps == sorted(set(steps)) or seen[0].stage is not Stage.TRAINING
    last = seen[-1]
    assert (last.stage in {Stage.TRAINING, Stage.SAVING}, last.total_steps, last.unit) == (True, STEPS, "tokens")
    assert last.loss is not None
    assert last.units_per_second is not None
    assert last.eta_seconds is not None


def test_a_trainer_that_stands_still_is_not_heard_and_is_heard_again_when_it_goes_on(
    job: JobFactory, launch: Launch, ask: Callable[[int], Operator]
) -> None:
    """Stopped, its port still takes connections, as that of a process that swaps or waits for a disk does."""
    (pod,) = launch(job(hyperparameters__steps=STEPS, checkpoint__everySteps=50_000))
    operator = ask(pod.port)
    operator.wait_for(lambda line: line.get("progress", {}).get("step", 0) >= 5)
    stopped = pod.workers()
    for worker in stopped:
        os.kill(worker, signal.SIGSTOP)
    try:
        silence = operator.wait_for(lambda line: line.get("result") == "timeout")
    finally:
        for worker in stopped:
            os.kill(worker, signal.SIGCONT)
    before = shown(silence)[-1].step if shown(silence) else 5
    operator.wait_for(lambda line: line.get("progress", {}).get("step", 0) > before)

"""A real job that has to leave for another one loses no step that it has made, and ends as if nobody had come."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from builders import make_priority_class, make_single_pool, make_training_job
from stack import Stack, condition, wait

NAMESPACE = "leaving"
POOL = "contended"
STEPS = 1500
LONG, URGENT, ALONE = "long", "urgent", "alone"
CLASS = "leaving-urgent"


def job(name: str, *, steps: int, **spec: Any) -> dict[str, Any]:
    """One that saves nothing by itself before its end."""
    fields: dict[str, Any] = {
        "output": {
            "transformer": {"layers": 2, "hiddenSize": 64, "heads": 2, "contextLength": 64, "vocabularySize": 512}
        },
        "dataset": {"source": {"configMap": {"name": "text", "key": "text"}}},
        "training": {"steps": steps, "batchSize": 8, "learningRate": "2e-3", "warmupSteps": 5, "seed": 7},
        "checkpoint": {"everySteps": 1_000_000},
        "accelerators": {"pool": POOL},
        "resources": {"cpu": "250m", "memory": "1Gi"},
    }
    return make_training_job(name, namespace=NAMESPACE, **(fields | spec))


def status(stack: Stack, name: str) -> dict[str, Any]:
    """Of a job."""
    found = stack.get("trainingjobs", name, namespace=NAMESPACE) or {}
    shown: dict[str, Any] = found.get("status", {})
    return shown


@pytest.fixture(scope="module")
def story(stack: Stack, namespace: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """What a job said before it left, and everybody at the end."""
    namespace(NAMESPACE)
    stack.apply(make_single_pool(POOL), make_priority_class(CLASS, 1000))
    stack.apply(job(LONG, steps=STEPS))
    wait(
        lambda: status(stack, LONG).get("progress", {}).get("step", 0) >= 20,
        what="some steps",
        why=lambda: status(stack, LONG),
    )
    (pod,) = stack.pods(NAMESPACE, f"hostler.dev/training-job={LONG}")
    tools = stack.tools
    command = [str(tools.kubectl), "--kubeconfig", str(tools.kubeconfig), "-n", NAMESPACE, "logs", "-f"]
    with subprocess.Popen([*command, pod["metadata"]["name"]], stdout=subprocess.PIPE, text=True) as follower:
        try:
            stack.apply(job(URGENT, steps=20, priorityClassName=CLASS))
            said, _ = follower.communicate(timeout=300)
        finally:
            follower.kill()
    told = wait(lambda: status(stack, LONG).get("preempted"), what="it is told so", why=lambda: status(stack, LONG))
    urgent = stack.wait_condition("trainingjobs", URGENT, "Succeeded", "True", namespace=NAMESPACE)
    long = stack.wait_condition("trainingjobs", LONG, "Succeeded", "True", namespace=NAMESPACE)
    stack.apply(job(ALONE, steps=STEPS))
    alone = stack.wait_condition("trainingjobs", ALONE, "Succeeded", "True", namespace=NAMESPACE)
    yield {"said": said, "told": told, "urgent": urgent, LONG: long, ALONE: alone}
    tools.kubectl_run("delete", "priorityclass", CLASS)


def test_it_is_told_for_whom_and_why(story: dict[str, Any]) -> None:
    told = story["told"]
    assert (told["by"]["name"], told["why"], told["count"], told["attempt"]) == (URGENT, "LowerPriority", 1, 0)


def test_it_goes_on_from_the_very_step_that_it_had_made(story: dict[str, Any]) -> None:
    left = re.search(r"asked to stop after step (\d+) of", story["said"])
    assert left is not None, story["said"][-2000:]
    assert int(left[1]) >= 20
    assert story[LONG]["status"]["progress"]["resumedFromStep"] == int(left[1])


def test_it_has_cost_no_restart_and_no_disruption(story: dict[str, Any]) -> None:
    found = story[LONG]["status"]
    assert (found["attempt"], found["restarts"], found["disruptions"]) == (1, 0, 0)
    assert condition(story[LONG], "Succeeded")["status"] == "True"


def test_it_has_learnt_what_one_has_that_nobody_stopped(stack: Stack, story: dict[str, Any]) -> None:
    figures = {}
    for name in (LONG, ALONE):
        model = stack.wait_condition("models", name, "Ready", "True", namespace=NAMESPACE)
        figures[name] = {each["name"]: float(each["value"]) for each in model["spec"]["metrics"]}
    assert story[ALONE]["status"]["attempt"] == 0
    loss = figures[ALONE]["validation_loss"]
    assert figures[LONG]["validation_loss"] == pytest.approx(loss, rel=1e-3), figures

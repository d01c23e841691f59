"""Forecasts of a line of ten jobs on two pools against what happened, on a real cluster."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from builders import make_single_pool, make_training_job
from click.testing import CliRunner
from patience import PATIENCE
from stack import Stack, condition, wait

from hostler.api.queueposition import QueuePosition
from hostler.cli.main import main
from hostler.controllers.workloads import place_in_line
from hostler.planning.forecasterror import ForecastError, judge
from hostler.planning.verdicts import Place

NAMESPACE = "line"
POOLS = ("line-a", "line-b")
JOBS = [f"{pool}-{number}" for pool in POOLS for number in range(5)]
SAID = "40s"
"""What each job says of itself; how long it really takes depends on the machine and on what else runs there."""
MOST_OFF = 10.0
"""How many times longer or shorter than foretold the wait may be: what is bounded is a ratio, and machines differ."""


def job(name: str) -> dict[str, Any]:
    return make_training_job(
        name,
        namespace=NAMESPACE,
        dataset={"source": {"configMap": {"name": "text", "key": "text"}}},
        training={"steps": 20, "batchSize": 8},
        accelerators={"pool": name.rpartition("-")[0]},
        resources={"cpu": "100m", "memory": "1Gi"},
        estimatedDuration=SAID,
    )


@dataclass
class Story:
    """What was seen of one job."""

    places: list[Place] = field(default_factory=list)
    """What it was told, the newest last."""
    started: str = ""
    ended: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> dict[str, ForecastError]:
        """Its first and its last forecast against its start."""
        last = self.places[-1] if self.places else None
        told = {"first": last.first, "last": last.forecast} if last else {}
        return {which: judge(each, started=self.started) for which, each in told.items() if each is not None}


@dataclass
class Line:
    """Everything that was seen."""

    stories: dict[str, Story]
    shown: list[dict[str, Any]]
    """What `hostler queue --json` said while jobs waited."""


@pytest.fixture(scope="module")
def line(stack: Stack, namespace: Callable[[str], str]) -> Iterator[Line]:
    """Ten jobs, followed from their creation to their end."""
    namespace(NAMESPACE)
    stack.apply(*map(make_single_pool, POOLS))
    stack.apply(*map(job, JOBS))
    found = Line({name: Story() for name in JOBS}, [])

    def over() -> bool:
        _look(stack, found)
        return all(story.ended for story in found.stories.values())

    wait(
        over,
        what="ten jobs end",
        timeout=3 * PATIENCE,
        why=lambda: {name: story for name, story in found.stories.items() if not story.ended},
    )
    yield found
    for name in POOLS:
        stack.tools.kubectl_run("delete", "acceleratorpool", name, "--wait=false")


def _look(stack: Stack, found: Line) -> None:
    waiting = False
    for name, story in found.stories.items():
        if story.ended:
            continue
        obj = stack.get("trainingjobs", name, namespace=NAMESPACE)
        assert obj is not None
        status = obj.get("status") or {}
        if (said := status.get("queue")) is not None:
            waiting = True
            place = place_in_line(QueuePosition.model_validate(said))
            if place is not None and (not story.places or story.places[-1] != place):
                story.places.append(place)
        story.started = story.started or status.get("startTime", "")
        if "True" in (condition(obj, kind).get("status") for kind in ("Succeeded", "Stalled")):
            story.ended = obj
    if waiting and not found.shown:
        arguments = ["queue", "--json", "--kubeconfig", str(stack.tools.kubeconfig)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        found.shown = json.loads(result.output)


def test_all_of_them_had_their_turn_one_after_the_other(line: Line) -> None:
    for name, story in line.stories.items():
        assert condition(story.ended, "Succeeded").get("status") == "True", (name, story.ended["status"])
        assert "queue" not in story.ended["status"], "who has started is in no line"


def test_those_who_waited_were_told_their_place(line: Line) -> None:
    waited = [story for story in line.stories.values() if story.places]
    assert len(waited) >= 6, "at most two run at a time, and data is prepared for some seconds before"
    for story in waited:
        positions = [place.position for place in story.places]
        assert positions[-1] <= max(positions)
        assert all(1 <= place.position <= place.waiting for place in story.places)


def test_the_line_was_shown_by_the_command(line: Line) -> None:
    shown = {each["pool"]: each for each in line.shown}
    assert set(POOLS) <= set(shown)
    waiting = [each for name in POOLS for each in shown[name]["waiting"]]
    assert waiting
    assert {each["name"] for each in waiting} <= set(JOBS)


@pytest.mark.parametrize("which", ["first", "last"])
def test_forecasts_came_true_within_a_ratio(line: Line, which: str) -> None:
    """Most starts lie between the earliest and the latest moment that were told, and none comes later by more than
    a factor. Sooner is bounded for the first forecast alone: the last one may have been told seconds before the start,
    and what is told in whole minutes is no ratio of seconds."""
    found = {name: story.errors[which] for name, story in line.stories.items() if which in story.errors}
    assert len(found) >= 4, {name: story.places for name, story in line.stories.items()}
    assert sum(error.covered for error in found.values()) >= len(found) / 2, found
    assert max(error.ratio for error in found.values()) <= MOST_OFF, found
    if which == "first":
        assert statistics.median(error.ratio for error in found.values()) >= 1 / MOST_OFF, found


def test_the_operator_judges_its_forecasts_itself(stack: Stack, line: Line) -> None:
    told = sum("last" in story.errors for story in line.stories.values())
    query = 'sum(hostler_admission_forecasts_total{forecast="last",kind="TrainingJob"})'
    wait(
        lambda: stack.ask(query)[0].value >= told,
        what=f"the operator has counted {told} forecasts",
        why=lambda: stack.ask(query),
    )

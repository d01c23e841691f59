"""Forecasts of a line of ten jobs on two pools against what happened, in virtual time.

``tests/e2e/test_line.py`` does the same with jobs that train on a cluster.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from bench import GPU, Bench
from builders import make_pool, make_training_job
from tables import table
from world import completed, jobs

from hostler.api.queueposition import QueuePosition
from hostler.controllers.workloads import place_in_line
from hostler.planning import moments
from hostler.planning.forecast import ENOUGH_EVIDENCE
from hostler.planning.forecasterror import ForecastError, judge
from hostler.planning.verdicts import Place

POOLS = {"gpu": "gpu-1", "gpu2": "gpu-2"}
SAID = 600.0
"""Seconds that every job says it takes."""
STEP = 40.0


@dataclass
class Seen:
    """One job: how long it takes, what it was told, and when it started."""

    takes: float
    places: list[Place] = field(default_factory=list)
    started: str | None = None
    ended: bool = False


async def followed(bench: Bench, takes: dict[str, float]) -> dict[str, Seen]:
    """Jobs of whole nodes on two pools, from their creation to their end."""
    bench.cluster.node("gpu-2", labels={"hostler.dev/pool": "gpu2", "hostler.dev/simulated": "true"}, devices={GPU: 4})
    bench.cluster.put(make_pool("gpu2"))
    for name in takes:
        accelerators = {"pool": name.partition("-")[0], "perPod": 4}
        bench.cluster.put(make_training_job(name, accelerators=accelerators, estimatedDuration="10m"))
        bench.cluster.clock.advance(1)
    seen = {name: Seen(seconds) for name, seconds in takes.items()}
    while not all(job.ended for job in seen.values()):
        await bench.settle()
        for name, job in seen.items():
            await _look(bench, name, job)
        bench.cluster.clock.advance(STEP)
    return seen


async def _look(bench: Bench, name: str, job: Seen) -> None:
    now = bench.cluster.clock.now()
    if job.started is None and f"{name}-0" in jobs(bench):
        job.started = now
        for pod in bench.cluster.make_pods(f"{name}-0", node=POOLS[name.partition("-")[0]]):
            bench.cluster.run(pod)
    elif job.started is not None and not job.ended and moments.elapsed(job.started, now=now) >= job.takes:
        job.ended = True
        await completed(bench, name)
    said = bench.status("TrainingJob", name).get("queue")
    place = place_in_line(QueuePosition.model_validate(said)) if said else None
    if place is not None:
        job.places.append(place)


def errors(seen: dict[str, Seen], which: str) -> list[ForecastError]:
    """How right the first or the last forecast of each job was that was told any."""
    found = []
    for job in seen.values():
        last = job.places[-1] if job.places else None
        told = None if last is None else last.first if which == "first" else last.forecast
        if told is not None:
            assert job.started is not None
            found.append(judge(told, started=job.started))
    return found


@table(
    ("least", "most", "covered", "off"),
    {
        "estimates hold": (1.0, 1.0, 1.0, 1.35),
        "estimates are up to a factor of 1.6 wrong": (1 / 1.6, 1.6, 0.75, 2.5),
    },
)
async def test_starts_come_where_they_were_foretold(
    bench: Bench, least: float, most: float, covered: float, off: float
) -> None:
    """``covered`` is the least share of starts between low and high, ``off`` the most that a ratio is away from 1."""
    seed = 11
    print(f"seed {seed}")
    chance = random.Random(seed)
    takes = {f"{pool}-{number}": SAID * chance.uniform(least, most) for number in range(5) for pool in POOLS}
    seen = await followed(bench, takes)
    for which in ("first", "last"):
        found = errors(seen, which)
        assert len(found) >= 6, "all but those who start at once were told when"
        assert all(error.ratio <= off for error in found), (which, found)
        assert sum(error.covered for error in found) >= covered * len(found), (which, found)
    # The last word may have come when the one before was past its estimate: that ends at any moment, or much later.
    assert all(1 / off <= error.ratio for error in errors(seen, "first")), errors(seen, "first")
    value = bench.metrics.registry.get_sample_value
    counted = sum(
        value("hostler_admission_forecasts_total", {"kind": "TrainingJob", "forecast": "last", "covered": each}) or 0
        for each in ("true", "false")
    )
    assert counted == len(errors(seen, "last")), "the operator has judged them all itself"


async def test_forecasts_learn_from_the_jobs_that_have_ended(bench: Bench) -> None:
    """Twenty jobs have taken a fifth of what was said: the next one in line is told a fifth of what the one before it
    says."""
    began = bench.cluster.clock.now()
    bench.cluster.clock.advance(SAID / 5)
    ended = {"startTime": began, "completionTime": bench.cluster.clock.now(), "conditions": [_succeeded(began)]}
    for number in range(ENOUGH_EVIDENCE):
        bench.cluster.put({**make_training_job(f"ended-{number}", estimatedDuration="10m"), "status": ended})
    for name in ("runs", "waits"):
        accelerators = {"pool": "gpu", "perPod": 4}
        bench.cluster.put(make_training_job(name, accelerators=accelerators, estimatedDuration="10m"))
        await bench.settle()

    place = place_in_line(QueuePosition.model_validate(bench.status("TrainingJob", "waits")["queue"]))
    assert place is not None
    assert place.forecast is not None
    ahead = moments.elapsed(bench.cluster.clock.now(), now=place.forecast.expected)
    assert ahead == pytest.approx(SAID / 5, abs=60), "told in whole minutes"


def _succeeded(since: str) -> dict[str, str]:
    return {"type": "Succeeded", "status": "True", "reason": "ModelRegistered", "lastTransitionTime": since}

"""What holds of the planner whatever comes: seeded arrivals in virtual time, of which the seed is printed."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from queueworld import DAY, World, arrives, job, world

from hostler.planning.admission import Plan, Snapshot, plan
from hostler.planning.verdicts import Admit, Request, Wait, Workload

SEEDS = range(3)


def crowd(dice: random.Random, count: int, *, until: float, namespaces: Sequence[str] = ("a",)) -> list[Request]:
    """Gangs of all sizes, from one device to all of four nodes of four."""
    found = []
    for number in range(count):
        pods, devices = dice.choice([(1, 1), (1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (3, 1), (2, 4), (4, 4)])
        found.append(
            job(
                f"job-{number:04d}",
                at=dice.uniform(0, until),
                seconds=float(round(dice.lognormvariate(7.5, 1.0)) + 60),
                pods=pods,
                devices=devices,
                namespace=dice.choice(namespaces),
                priority=dice.choice([0, 0, 0, 100]),
            )
        )
    return found


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_each_job_starts_however_many_shorter_ones_come_after_it(seed: int) -> None:
    """All of the pool for two hours, and then for ten days more short jobs than fit.

    A job of half an hour that comes once the large one has waited for w days is ahead of it only while
    2 h / (1 + w) > half an hour, so for three days. Who is ahead by then came before, and is done in the time that
    their work takes; the load is 1.1, so that is a third of a day.
    """
    dice, least = random.Random(seed), 1800.0
    large = job("large", at=10, seconds=7200, pods=2, devices=4)
    stream, at = [], 0.0
    while at < 6 * DAY:
        seconds, devices = dice.uniform(least, 3600), dice.choice([1, 1, 2])
        stream.append(job(f"s{len(stream):05d}", at=at, seconds=seconds, devices=devices))
        at += seconds * devices / 8 / 1.1
    here = world(4, 4)
    here.run([large, *stream], until=5 * DAY)
    assert large.workload in here.started, f"seed {seed}: the large one has not started in five days"
    assert here.started[large.workload] < 4 * DAY


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_line_that_is_finite_every_job_starts(seed: int) -> None:
    asked = crowd(random.Random(seed), 120, until=DAY / 2, namespaces="abc")
    here = world(4, 4, 4, 4)
    here.counts = True
    here.run(asked)
    assert here.started.keys() == {each.workload for each in asked}, f"seed {seed}"
    assert not here.line
    assert not here.held


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_who_passes_the_first_delays_it(seed: int) -> None:
    """Without those who pass it, the first that has to wait would not start any sooner."""
    compared = 0

    def judge(here: World, snapshot: Snapshot, found: Plan) -> None:
        nonlocal compared
        passed = {who for who, verdict in found.verdicts.items() if isinstance(verdict, Admit) and verdict.backfilled}
        first = _first(found)
        if not passed or first is None:
            return
        others = [each for each in here.line.values() if each.workload not in passed]
        alone = plan(snapshot, others, here.now)
        mine, without = found.verdicts[first], alone.verdicts[first]
        assert isinstance(mine, Wait)
        assert isinstance(without, Wait)
        assert mine.forecast is not None
        assert without.forecast is not None
        assert mine.forecast.expected <= without.forecast.expected + 1e-6, f"seed {seed}, {here.now:.0f} s: {first}"
        compared += 1

    here = world(4, 4, 4, 4)
    here.after = judge
    here.run(crowd(random.Random(seed), 150, until=DAY / 2))
    assert compared > 10, f"seed {seed}: only {compared} passes had somebody who passed the first"


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_first_starts_when_it_was_told_where_estimates_hold(seed: int) -> None:
    """Everybody comes at once and nobody after, so that nobody can come before the first."""
    told: dict[Workload, float] = {}

    def remember(here: World, _snapshot: Snapshot, found: Plan) -> None:
        first = _first(found)
        if first is not None and first not in told:
            verdict = found.verdicts[first]
            assert isinstance(verdict, Wait)
            assert verdict.forecast is not None
            told[first] = here.now + verdict.forecast.expected

    here = world(4, 4, 4, 4)
    here.after = remember
    here.run(replace(each, since="2026-01-01T00:00:00Z") for each in crowd(random.Random(seed), 80, until=1))
    assert len(told) > 10
    for workload, moment in told.items():
        assert here.started[workload] <= moment + 1e-6, f"seed {seed}: {workload}"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_snapshot_gives_the_same_plan_in_whatever_order_it_is_written(seed: int) -> None:
    dice = random.Random(seed)
    compared = 0

    def judge(here: World, snapshot: Snapshot, found: Plan) -> None:
        nonlocal compared
        if len(here.line) < 4 or dice.random() > 0.2:
            return
        asked = _shuffled(dice, list(here.line.values()))
        again = plan(_permuted(dice, snapshot), asked, here.now)
        assert dict(again.verdicts) == dict(found.verdicts), f"seed {seed}, {here.now:.0f} s"
        assert dict(again.preemptions) == dict(found.preemptions), f"seed {seed}, {here.now:.0f} s"
        compared += 1

    here = world(4, 4, 4, 4)
    here.counts = True
    here.after = judge
    here.run(crowd(dice, 120, until=DAY / 4, namespaces="abc"))
    assert compared > 5


def test_ten_thousand_jobs_of_one_tenant_are_behind_the_few_of_others() -> None:
    """The tenant has had half of the pool lately; two others had their parts, too."""
    here = world(4, 4)
    here.shares = {"flood": 0.5, "b": 0.2, "c": 0.2}
    here.run([job("running", at=0, seconds=3600, pods=2, devices=4, namespace="flood")], until=0)
    few = [job(f"few-{name}", at=100, seconds=7200, namespace=name) for name in "bc"]
    many = [job(f"many-{number:05d}", at=10, seconds=60, namespace="flood") for number in range(10_000)]
    for each in (*many, *few):
        here.line[each.workload] = each
    here.now = 200
    verdicts = here.decide().verdicts
    places = [verdict.position for each in few if isinstance(verdict := verdicts[each.workload], Wait)]
    assert sorted(places) == [1, 2]


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_a_tenant_who_floods_the_line_delays_nobody_else_beyond_its_share(seed: int) -> None:
    """Two tenants use a fifth of the pool each, while a third has asked for ten hours of it all: whoever comes of
    the two starts when a job ends that runs."""
    dice, longest = random.Random(seed), 1200.0
    flood = [
        job(f"f{number:04d}", at=0, seconds=dice.uniform(300, longest), namespace="flood") for number in range(150)
    ]
    few, at = [], 2 * 3600.0
    while at < 4 * 3600:
        at += dice.expovariate(1 / 900)
        few.append(job(f"few-{len(few)}", at=at, seconds=600, devices=1, namespace=dice.choice("bc")))
    here = world(4)
    here.counts = True
    here.run([*flood, *few], until=6 * 3600)
    waits = {each.workload: here.started[each.workload] - arrives(each) for each in few if arrives(each) < 5 * 3600}
    assert max(waits.values()) <= longest, f"seed {seed}: {waits}"


def test_a_line_that_is_four_times_as_long_takes_no_more_than_eight_times_as_long() -> None:
    """Processor time, the least of five; a ratio, because machines differ."""

    def seconds(waiting: int) -> float:
        here = world(*[4] * 20)
        here.run([job("r", at=0, seconds=3600, pods=20, devices=4)], until=0)
        asked = [job(f"w{number}", at=1, seconds=60 + number, devices=1 + number % 4) for number in range(waiting)]
        found = []
        for _ in range(5):
            began = time.process_time()
            plan(here.snapshot(), asked, 10)
            found.append(time.process_time() - began)
        return min(found)

    assert seconds(2000) <= 8 * seconds(500)


def _first(found: Plan) -> Workload | None:
    """Who is first of those that have to wait."""
    waits = [(verdict.position, who) for who, verdict in found.verdicts.items() if isinstance(verdict, Wait)]
    return min(waits)[1] if waits else None


def _shuffled(dice: random.Random, values: list[Any]) -> list[Any]:
    return dice.sample(values, len(values))


def _permuted(dice: random.Random, snapshot: Snapshot) -> Snapshot:
    """The same, with everything that has no order of its own in another one."""
    pools = {
        name: replace(room, nodes=tuple(_shuffled(dice, list(room.nodes))))
        for name, room in _shuffled(dice, list(snapshot.pools.items()))
    }
    return replace(
        snapshot,
        pools=pools,
        free=dict(_shuffled(dice, list(snapshot.free.items()))),
        ending=tuple(_shuffled(dice, list(snapshot.ending))),
        holders=tuple(_shuffled(dice, list(snapshot.holders))),
        shares={name: dict(_shuffled(dice, list(each.items()))) for name, each in snapshot.shares.items()},
    )

"""What holds of quotas whatever comes: seeded arrivals in virtual time, of which the seed is printed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from queueworld import DAY, LEAVING, World, arrives, job, world

from hostler.planning.admission import Plan, Snapshot
from hostler.planning.verdicts import Admit, Request, Reservation

SEEDS = range(6)
NODES = (4, 4, 4, 4)
DEVICES = sum(NODES)
GRACE = 2 * LEAVING
"""One may count for a while on what another one's victims will leave over, before its own are told to leave."""
OWNERS = "abcd"
"""Each with a quota of its own; what they leave is for ``x`` and ``y``, who have none."""


def quotas(dice: random.Random) -> list[dict[str, Any]]:
    """Up to all that there is, of which somebody may have nothing; some may borrow without a limit."""
    left, found = DEVICES, []
    for owner in OWNERS:
        nominal = dice.randint(0, min(6, left))
        left -= nominal
        limit = dice.choice([0, 2, 4, None])
        found.append(
            {"namespaces": [owner], "nominal": nominal, **({} if limit is None else {"borrowingLimit": limit})}
        )
    return found


def limits(given: list[dict[str, Any]]) -> dict[str, int]:
    """The most that each namespace with a limit may ever hold."""
    return {
        quota["namespaces"][0]: quota["nominal"] + quota["borrowingLimit"]
        for quota in given
        if "borrowingLimit" in quota
    }


def nominals(given: list[dict[str, Any]]) -> dict[str, int]:
    """What is each namespace's own; of those without a quota together, the rest."""
    own = {quota["namespaces"][0]: quota["nominal"] for quota in given}
    return own | {"": DEVICES - sum(own.values())}


def hostile(dice: random.Random, most: Mapping[str, int], *, devices: tuple[int, ...]) -> list[Request]:
    """Waves: one namespace floods the pool with long jobs of any priority, and the others come back together for what
    is theirs."""
    found: list[Request] = []
    at = 0.0
    while len(found) < 200:
        flood = dice.choice([*OWNERS, "x", "y"])
        for _ in range(dice.randint(5, 40)):
            namespace = flood if dice.random() < 0.7 else dice.choice([*OWNERS, "x", "y"])
            pods, each = dice.choice([1, 1, 2, 4]), dice.choice(devices)
            if pods * each > most.get(namespace, DEVICES):
                continue  # Refused when it is accepted.
            found.append(
                job(
                    f"job-{len(found):03d}",
                    at=at + dice.choice([0.0, 0.0, dice.uniform(0, 600)]),
                    seconds=float(round(dice.choice([60.0, 900.0, dice.lognormvariate(8, 1)]))),
                    pods=pods,
                    devices=each,
                    namespace=namespace,
                    priority=dice.choice([0, 0, 100]),
                )
            )
        at += dice.expovariate(1 / 3600)
    return found


def units(held: Reservation | Request) -> int:
    """Devices."""
    pods = held.pods if isinstance(held, Reservation) else held.least
    return pods * held.need["nvidia.com/gpu"]


def account(given: Mapping[str, int], namespace: str) -> str:
    """Whose amounts a namespace's are counted with."""
    return namespace if namespace in given else ""


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_ever_holds_more_than_nominal_and_borrowing_limit(seed: int) -> None:
    dice = random.Random(seed)
    given = quotas(dice)
    most, full = limits(given), 0

    def judge(here: World, snapshot: Snapshot, found: Plan) -> None:
        nonlocal full
        held = Counter[str]()
        for each in snapshot.holders:
            held[each.workload.namespace] += units(each)
        for workload, verdict in found.verdicts.items():
            if isinstance(verdict, Admit):
                held[workload.namespace] += verdict.pods * here.line[workload].need["nvidia.com/gpu"]
        assert held.total() <= DEVICES
        for namespace, limit in most.items():
            assert held[namespace] <= limit, f"seed {seed}, {here.now:.0f} s: {namespace} holds {held[namespace]}"
            full += held[namespace] == limit > 0

    here = world(*NODES, queue={"quotas": given})
    here.counts = True
    here.after = judge
    here.run(hostile(dice, most, devices=(1, 2, 4)))
    assert full > 0 or not any(most.values()), f"seed {seed}: no limit was ever reached"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_lent_is_back_within_twice_the_time_that_one_needs_to_leave(seed: int) -> None:
    """From the moment at which the next of a quota would be within its nominal amount, until one of that quota starts:
    whoever has borrowed is told, and has left a minute later. The next one of the quota is next then. Pods of
    one device, so that none waits for a whole node."""
    dice = random.Random(seed)
    given = quotas(dice)
    own = nominals(given)
    owed: dict[str, float] = {}
    """Since when each quota's next one is waited for."""
    reclaimed = 0

    def judge(here: World, snapshot: Snapshot, found: Plan) -> None:
        nonlocal reclaimed
        held, starts = Counter[str](), set[str]()
        for each in snapshot.holders:
            held[account(own, each.workload.namespace)] += units(each)
        for workload, verdict in found.verdicts.items():
            if isinstance(verdict, Admit):
                starts.add(account(own, workload.namespace))
                held[account(own, workload.namespace)] += units(here.line[workload])
        reclaimed += len(found.preemptions)
        waits = {workload for workload, verdict in found.verdicts.items() if not isinstance(verdict, Admit)}
        for name, nominal in own.items():
            due = [
                each
                for workload, each in here.line.items()
                if workload in waits and account(own, workload.namespace) == name
            ]
            if name in starts or not due or max(units(each) for each in due) + held[name] > nominal:
                owed.pop(name, None)
                continue
            since = owed.setdefault(name, here.now)
            assert here.now - since <= GRACE, f"seed {seed}, {here.now:.0f} s: {name} waits since {since:.0f} s"

    here = world(*NODES, queue={"quotas": given})
    here.after = judge
    here.run(hostile(dice, limits(given), devices=(1,)))
    assert reclaimed > 0, f"seed {seed}: nothing was ever taken back"


@pytest.mark.parametrize("seed", SEEDS)
def test_every_job_starts_in_the_time_that_the_work_of_all_takes(seed: int) -> None:
    """Nobody starves: after the last arrival, whoever waits has started before twice the work that there is could be
    done, and the longest job once more; in the worst case each has been stopped for others meanwhile."""
    dice = random.Random(seed)
    given = quotas(dice)
    asked = hostile(dice, limits(given), devices=(1, 2, 4))
    here = world(*NODES, queue={"quotas": given})
    here.counts = True
    here.run(asked)
    assert here.started.keys() == {each.workload for each in asked}, f"seed {seed}"
    work = sum(units(each) * (each.estimate or 0) for each in asked)
    latest = max(map(arrives, asked)) + 2 * work / DEVICES + max(each.estimate or 0 for each in asked)
    slowest = max(here.started, key=lambda workload: here.started[workload])
    assert here.started[slowest] <= latest, f"seed {seed}: {slowest} after {here.started[slowest] / DAY:.1f} days"
    assert not here.line
    assert not here.held

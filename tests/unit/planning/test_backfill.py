"""Who may pass the first that does not fit."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from floor import GPU, answers, hold, node, put_pool, request, usage, workload
from tables import table

from hostler.planning.admission import plan
from hostler.planning.order import Durations, arrange
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Obstacle, Request, Reservation, Wait, Workload


def run(
    found: PoolUsage, name: str, seats: dict[str, int], *, ends: float | None, devices: int = 1, **more: Any
) -> None:
    """Somebody has these seats since 0 and is expected to end then."""
    hold(found, request(name, devices=devices), Admit(seats=seats), started=0.0, **more)
    found.foretell(workload(name), ends)


def floor(*gpus: int, **spec: Any) -> PoolUsage:
    """Where the first node is held until 100, but for two devices."""
    found = usage(*gpus, **spec)
    run(found, "runs", {"n0": 1}, ends=100.0, devices=gpus[0] - 2)
    return found


def first(pods: int = 1, *, devices: int = 8, **more: Any) -> Request:
    """Who is first in line, by its priority."""
    return request("first", pods, devices=devices, priority=1, estimate=1000.0, **more)


@table(
    ("found", "asked", "passes"),
    {
        "it ends before": (floor(8), request("x", estimate=100.0), True),
        "it would still be there": (floor(8), request("x", estimate=101.0), False),
        "it is on a node that the first does not need": (floor(8, 2), request("x", devices=2, estimate=1e6), True),
        "nobody knows its time: the median of the pool": (floor(8), request("x"), False),
        "it serves, and never ends": (
            floor(8), replace(request("x"), workload=Workload("InferenceService", "default", "x")), False,
        ),
        "it takes what the quota leaves": (floor(8, 4, quota={"accelerators": 9}), request("x", estimate=1e6), True),
        "it takes more quota than is left": (
            floor(8, 4, quota={"accelerators": 9}), request("x", devices=2, estimate=1e6), False,
        ),
        "it takes quota for a while": (
            floor(8, 4, quota={"accelerators": 9}), request("x", devices=2, estimate=50.0), True,
        ),
    },
)  # fmt: skip
def test_who_passes(found: PoolUsage, asked: Request, passes: object) -> None:
    told = plan(found.snapshot(["gpu"]), [first(), asked], 0.0).verdicts
    assert isinstance(told[workload("first")], Wait)
    verdict = told[asked.workload]
    assert (isinstance(verdict, Admit) and verdict.backfilled) is passes


def test_the_first_leaves_what_it_does_not_need_of_its_node() -> None:
    found = floor(8)
    told = answers(found, first(devices=7), *(request(name, estimate=1e6) for name in ("x", "y")))
    assert isinstance(told["x"], Admit)
    assert isinstance(told["y"], Wait), "one device is spare, and x has it"


def test_a_gang_gets_fewer_pods_rather_than_be_in_the_way() -> None:
    told = answers(floor(8, 4), first(), request("x", (1, 8), estimate=1e6))
    assert told["x"] == Admit(seats={"n1": 4}, backfilled=True)


def test_who_comes_before_it_in_line_is_not_held_up_by_it() -> None:
    told = answers(floor(8), first(), request("x", priority=2, estimate=1e6))
    assert told["x"] == Admit(seats={"n0": 1})


def test_who_can_never_start_holds_up_nobody() -> None:
    told = answers(floor(8), first(devices=9), request("x", estimate=1e6))
    assert isinstance(told["x"], Admit)
    assert isinstance(told["first"], Wait)
    assert told["first"].forecast is None


def test_pools_with_common_nodes_respect_each_others_first() -> None:
    found = floor(8)
    put_pool(found, "same", nodeSelector={"hostler.dev/pool": "gpu"})
    told = answers(found, first(), request("x", estimate=1e6, pool="same"), request("y", estimate=50.0, pool="same"))
    assert isinstance(told["x"], Wait)
    assert isinstance(told["y"], Admit)


@table(
    ("said", "now", "want"),
    {
        "by its estimate": (100.0, 50.0, 50.0),
        "past it: twice as long": (100.0, 120.0, 80.0),
        "past that: four times": (100.0, 250.0, 150.0),
        "never less than a minute": (100.0, 199.0, 60.0),
    },
)
def test_when_somebody_is_expected_to_end(said: float, now: float, want: float) -> None:
    found = usage(8)
    run(found, "runs", {"n0": 1}, ends=said, devices=8)
    verdict = answers(found, request("first", devices=8), now=now)["first"]
    assert isinstance(verdict, Wait)
    assert verdict.expected_seconds == want
    assert verdict.next_release is not None
    assert (verdict.next_release.workload, verdict.next_release.seconds) == (workload("runs"), want)


def test_nothing_is_foretold_where_nothing_is_known() -> None:
    found = usage(8)
    run(found, "runs", {"n0": 1}, ends=None, devices=8)
    verdict = answers(found, request("first", devices=8), now=10.0)["first"]
    assert isinstance(verdict, Wait)
    assert (verdict.forecast, verdict.next_release) == (None, None)


def test_room_to_come_is_for_whom_others_leave_and_for_nobody_else() -> None:
    found = usage(8)
    run(found, "leaves", {"n0": 1}, ends=1000.0, devices=6, leaving_for=workload("mine"))
    other = request("other", devices=2, priority=9, estimate=1e6)
    told = answers(found, other, request("mine", devices=8))
    assert isinstance(told["mine"], Wait)
    assert told["mine"].preempting == (workload("leaves"),)
    assert isinstance(told["other"], Wait), "although it comes first by its priority"


@pytest.mark.parametrize("seed", range(8))
def test_no_booking_is_delayed_by_who_passes_it(seed: int) -> None:
    """Where all estimates hold and nobody comes, the first in line starts no later than it was told."""
    rng = random.Random(seed)
    found = usage(*[rng.choice([4, 8]) for _ in range(6)], quota={"accelerators": rng.choice([30, 1000])})
    put_pool(found, "half", nodeSelector={"zone": "a"})
    for number in (6, 7):
        found.put_node(node(f"n{number}", labels={"hostler.dev/pool": "gpu", "zone": "a"}))
    waiting = {}
    for number in range(60):
        asked = request(
            f"j{number}", rng.choice([1, 1, 2]), devices=rng.choice([1, 2, 4]), since=number,
            estimate=float(rng.randint(10, 500)), pool=rng.choice(["gpu", "gpu", "half"]),
        )  # fmt: skip
        waiting[asked.workload] = asked
    ends: dict[Workload, float] = {}
    promised: dict[Workload, float] = {}
    now, backfilled = 0.0, 0
    while waiting:
        snapshot = found.snapshot(["gpu", "half"])
        verdicts = dict(plan(snapshot, waiting.values(), now).verdicts)
        for who, verdict in verdicts.items():
            if isinstance(verdict, Admit):
                backfilled += verdict.backfilled
                assert now <= promised.get(who, now) + 1e-6, f"seed {seed}: {who} at {now}, promised {promised[who]}"
                asked = waiting.pop(who)
                ends[who] = now + (asked.estimate or 0)
                found.put_reservation(
                    Reservation(workload=who, pool=asked.pool, need=asked.need, seats=verdict.seats, started=now)
                )
                found.foretell(who, ends[who])
        if waiting:
            # Of another pool's line, somebody who comes before it may come up later, and that is no backfill.
            head = arrange(snapshot, waiting.values(), Durations(snapshot, waiting.values()))[0].workload
            verdict = verdicts[head]
            assert isinstance(verdict, Wait)
            assert verdict.expected_seconds is not None
            promised[head] = min(promised.get(head, 1e9), now + verdict.expected_seconds)
        for number in range(8):
            assert found.free(f"n{number}")[GPU] >= 0
        now = min(ends.values())
        for who in [who for who, at in ends.items() if at <= now]:
            del ends[who]
            found.remove_reservation(who)
            found.foretell(who, None)
    assert backfilled, f"seed {seed}: nobody passed, so that nothing was tested"


@table(
    ("asked", "passes"),
    {
        "one of its namespace that would still be there": (request("x", estimate=1e6), False),
        "one of its namespace that ends before": (request("x", estimate=50.0), True),
        "one of another namespace": (
            replace(request("x", devices=8, estimate=1e6), workload=Workload("TrainingJob", "another", "x")), True,
        ),
    },
)  # fmt: skip
def test_who_waits_for_the_limit_of_its_namespace_holds_up_nobody_else(asked: Request, passes: object) -> None:
    quotas = [{"namespaces": ["default"], "nominal": 4, "borrowingLimit": 0}]
    found = usage(8, 8, queue={"quotas": quotas, "preemption": "disabled"})
    run(found, "runs", {"n0": 1}, ends=100.0, devices=3)
    told = plan(found.snapshot(["gpu"]), [first(devices=4), asked], 0.0).verdicts
    verdict = told[workload("first")]
    assert isinstance(verdict, Wait)
    assert (verdict.obstacle, verdict.expected_seconds) == (Obstacle.QUOTA_EXCEEDED, 100.0)
    assert isinstance(told[asked.workload], Admit) is passes

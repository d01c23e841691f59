"""When everybody in line is expected to start, against what happens."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import median

import pytest
from floor import hold, put_pool, request, usage, workload
from tables import table

from hostler.api.common import Topology
from hostler.planning.admission import plan
from hostler.planning.forecast import DEFAULT_ERROR, ENOUGH_EVIDENCE, IN_PASS, errors, forecast
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Forecast, Request, Reservation, Wait, Workload


def full(*gpus: int, ends: float | None = 100.0) -> PoolUsage:
    """Nodes that are held until then."""
    found = usage(*gpus)
    for number, count in enumerate(gpus):
        hold(found, request(f"runs{number}", devices=count), Admit(seats={f"n{number}": 1}), started=0.0)
        found.foretell(workload(f"runs{number}"), ends)
    return found


def expected(found: PoolUsage, *asked: Request, now: float = 0.0) -> dict[str, float]:
    told = forecast(found.snapshot({each.pool for each in asked}), asked, now)
    return {who.name: each.expected for who, each in told.items()}


@table(
    ("asked", "want"),
    {
        "one after the other": (
            [request(name, devices=8, estimate=50.0, since=since) for since, name in enumerate("abc")],
            {"a": 100.0, "b": 150.0, "c": 200.0},
        ),
        "side by side": ([request(n, devices=4, estimate=50.0) for n in "abc"], {"a": 100.0, "b": 100.0, "c": 150.0}),
        "the shorter first": (
            [request("long", devices=8, estimate=90.0), request("short", devices=8, estimate=10.0, since=1)],
            {"short": 100.0, "long": 110.0},
        ),
        "who passes the first that does not fit": (
            [
                request("now", devices=6, estimate=100.0, priority=2),
                request("first", devices=8, estimate=10.0, priority=1),
                request("short", devices=2, estimate=100.0),
                request("more", devices=2, estimate=101.0),
            ],
            {"now": 100.0, "first": 200.0, "short": 100.0, "more": 210.0},
        ),
        "who says nothing counts as the median": (
            [request("a", devices=8, priority=1), request("b", devices=8, estimate=30.0)],
            {"a": 100.0, "b": 130.0 + 35.0},
        ),
        "who is too large for ever": ([request("a", devices=9, estimate=1.0)], {}),
        "who must be in one domain": ([request("a", devices=8, topology=Topology.REQUIRED)], {}),
    },
)
def test_the_line_is_played_forward(asked: list[Request], want: dict[str, float]) -> None:
    assert expected(full(8), *asked) == want


def test_the_quota_is_played_too() -> None:
    found = full(8, ends=100.0)
    put_pool(found, "gpu", quota={"accelerators": 8})
    asked = [request(name, devices=8, estimate=50.0, since=since) for since, name in enumerate("ab")]
    assert expected(found, *asked) == {"a": 100.0, "b": 150.0}


def test_nothing_is_foretold_of_who_waits_for_somebody_of_whom_nothing_is_known() -> None:
    assert expected(full(8, ends=None), request("a", devices=8)) == {}
    assert expected(full(8, ends=None), request("a", devices=8, estimate=60.0)) == {"a": 60.0}, "the pool's median"


def test_pods_that_take_most_of_a_nodes_cores_count_with_them() -> None:
    """Two of them fit on a node of 64 cores, whatever devices are left."""
    found = usage(8)
    wide = [request(n, estimate=50.0, since=s, need=request("x").need | {"cpu": 32_000}) for s, n in enumerate("abc")]
    assert expected(found, *wide) == {"a": 0.0, "b": 0.0, "c": 50.0}


@table(
    ("ratios", "want"),
    {
        "too few": ([1.0] * (ENOUGH_EVIDENCE - 1), DEFAULT_ERROR),
        "all are right": ([1.0] * ENOUGH_EVIDENCE, (1.0, 1.0, 1.0)),
        "people say twice as much": ([0.5] * 98 + [1.0, 2.0], (0.5, 0.5, 0.5)),
        "a tenth on either side is left out": ([number / 50 for number in range(1, 101)], (0.22, 1.02, 1.8)),
    },
)
def test_how_wrong_it_may_be_is_learned(ratios: list[float], want: tuple[float, float, float]) -> None:
    assert errors(ratios) == pytest.approx(want)


def test_a_long_line_is_told_what_was_forecast_lately() -> None:
    found = full(8)
    asked = [request(f"j{n}", devices=8, estimate=10.0, since=n) for n in range(IN_PASS + 1)]
    made = {asked[9].workload: (0.0, Forecast(earliest=50.0, expected=100.0, latest=400.0))}
    snapshot = replace(found.snapshot(["gpu"]), foretold=made)
    verdicts = plan(snapshot, asked, 80.0).verdicts
    told = verdicts[asked[9].workload]
    assert isinstance(told, Wait)
    assert told.forecast == Forecast(earliest=0.0, expected=20.0, latest=320.0)
    first = verdicts[asked[0].workload]
    assert isinstance(first, Wait)
    assert first.expected_seconds == 20.0, "who has a booking is told that"


def test_lines_of_ten_start_when_they_were_told_where_estimates_hold() -> None:
    """Half of them to the second, and nine of ten between earliest and latest. Units are not nodes, which is why
    it is not all of them."""
    wrong, inside = [], []
    for seed in range(20):
        told, started = _told_and_started(random.Random(seed))
        assert set(told) == set(started), f"seed {seed}"
        wrong += [abs(told[who].expected - at) / at for who, at in started.items()]
        inside += [told[who].earliest <= at <= told[who].latest for who, at in started.items()]
    assert median(wrong) < 1e-9
    assert inside.count(True) >= 0.9 * len(inside)


def _told_and_started(rng: random.Random) -> tuple[dict[Workload, Forecast], dict[Workload, float]]:
    found = full(8, 8, 4)
    line = {}
    for number in range(10):
        asked = request(
            f"j{number}", rng.choice([1, 1, 2]), devices=rng.choice([1, 2, 4, 8]), since=number,
            estimate=float(rng.randint(50, 500)),
        )  # fmt: skip
        line[asked.workload] = asked
    told = forecast(found.snapshot(["gpu"]), line.values(), 0.0)
    started: dict[Workload, float] = {}
    ends = {workload(f"runs{number}"): 100.0 for number in range(3)}
    now = 0.0
    while line:
        for who, verdict in plan(found.snapshot(["gpu"]), line.values(), now).verdicts.items():
            if isinstance(verdict, Admit):
                asked = line.pop(who)
                started[who], ends[who] = now, now + (asked.estimate or 0)
                found.put_reservation(
                    Reservation(workload=who, pool="gpu", need=asked.need, seats=verdict.seats, started=now)
                )
                found.foretell(who, ends[who])
        now = min(ends.values())
        for who in [who for who, at in ends.items() if at <= now]:
            del ends[who]
            found.remove_reservation(who)
    return told, started

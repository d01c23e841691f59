"""Who comes first in line."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from builders import make_pool
from floor import hold, put_pool, request, usage
from tables import table

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning import moments
from hostler.planning.order import Durations, arrange, beyond
from hostler.planning.policy import policy_of
from hostler.planning.verdicts import Admit, Request, Workload

MIDNIGHT = moments.epoch("2026-01-01T00:00:00Z")
HOUR, DAY = 3600.0, 86400.0


def job(name: str, *, of: str = "default", **more: Any) -> Request:
    return replace(request(name, **more), workload=Workload("TrainingJob", of, name))


def service(name: str, **more: Any) -> Request:
    return replace(request(name, **more), workload=Workload("InferenceService", "default", name))


def line(*asked: Request, wall: float = MIDNIGHT, shares: dict[str, float] | None = None, **queue: Any) -> str:
    """Names in order."""
    snapshot = replace(usage(8, queue=queue).snapshot(["gpu"]), wall=wall, shares={"gpu": shares or {}})
    found = arrange(snapshot, asked, Durations(snapshot, asked))
    assert found == arrange(snapshot, asked[::-1], Durations(snapshot, asked[::-1])), "whatever the order of asking"
    return " ".join(each.workload.name for each in found)


@table(
    ("asked", "want"),
    {
        "the larger priority": ([job("a", estimate=1.0), job("b", priority=1, estimate=9.0)], "b a"),
        "a service before jobs of its priority": ([job("a", estimate=1.0), service("b", since=9)], "b a"),
        "a service after jobs of higher priority": ([job("a", priority=1), service("b")], "a b"),
        "services among each other by age": ([service("a", since=2), service("b", since=1)], "b a"),
        "the shorter": ([job("a", estimate=9.0), job("b", estimate=1.0, since=1)], "b a"),
        "who has said nothing counts as the median": (
            [job("a"), *(job(f"{t}", estimate=float(t), since=t) for t in (1, 2, 3, 4, 5))],
            "1 2 a 3 4 5",
        ),
        "age where nothing is known": ([job("a", since=2), job("b", since=1)], "b a"),
        "the name where all else is equal": ([job("b"), job("a")], "a b"),
    },
)
def test_who_comes_first(asked: list[Request], want: str) -> None:
    assert line(*asked) == want


@table(
    ("waited", "want"),
    {
        "half a day is not enough to be twice as short": (DAY / 2, "new old"),
        "more than a day is": (1.1 * DAY, "old new"),
    },
)
def test_who_waits_grows_shorter(waited: float, want: str) -> None:
    fresh = replace(job("new", estimate=HOUR), since=moments.later("2026-01-01T00:00:00Z", seconds=waited))
    assert line(job("old", estimate=2 * HOUR), fresh, wall=MIDNIGHT + waited) == want


def test_a_running_job_is_evidence_of_the_median() -> None:
    found = usage(8)
    hold(found, request("runs"), Admit(seats={"n0": 1}), started=0.0)
    found.foretell(Workload("TrainingJob", "default", "runs"), 500.0)
    durations = Durations(found.snapshot(["gpu"]), [])
    assert durations.typical("gpu") == 500.0
    assert durations.knows("gpu")
    assert not durations.knows("other")


@table(
    ("shares", "want"),
    {
        "nobody has used anything": ({}, "a1 b1 a2 b2"),
        "as much as is due": ({"a": 0.3, "b": 0.3}, "a1 b1 a2 b2"),
        "too little to be unfair": ({"a": 0.004}, "a1 b1 a2 b2"),
        "one has used more": ({"a": 0.5, "b": 0.3}, "b1 b2 a1 a2"),
        "those who want nothing now do not count": ({"a": 0.1, "b": 0.1, "c": 0.8}, "a1 b1 a2 b2"),
    },
)
def test_namespaces_that_have_used_less_come_first(shares: dict[str, float], want: str) -> None:
    asked = [job(name, of=name[0], estimate=float(t)) for t, name in enumerate(("a1", "b1", "a2", "b2"), start=1)]
    assert line(*asked, shares=shares) == want


def test_one_namespace_alone_is_in_order_of_remaining_time_whatever_it_has_used() -> None:
    asked = [job("long", estimate=9.0), job("short", estimate=1.0, since=5)]
    assert line(*asked, shares={"default": 1.0}) == "short long"


@table(
    ("shares", "want"),
    {
        "twice the weight is due twice as much": ({"a": 0.4, "c": 0.2}, {"a": 0, "c": 0}),
        "and not more": ({"a": 0.5, "c": 0.1}, {"a": 1, "c": 0}),
        "the use of one quota counts together": ({"b": 0.5, "c": 0.1}, {"a": 1, "c": 0}),
        "far beyond": ({"a": 0.0, "c": 0.6}, {"a": 0, "c": 2}),
    },
)
def test_weights(shares: dict[str, float], want: dict[str, int]) -> None:
    quotas = [{"namespaces": ["a", "b"], "nominal": 4, "weight": "2"}, {"namespaces": ["c"], "nominal": 1}]
    spec = AcceleratorPoolSpec.model_validate(make_pool("gpu", queue={"quotas": quotas})["spec"])
    assert beyond(("a", "c"), shares, policy_of(spec.queue)) == want


def test_who_is_within_its_quota_comes_before_who_borrows() -> None:
    """Eight of mine would each be within two; together only two are."""
    quotas = [{"namespaces": ["mine"], "nominal": 2}, {"namespaces": ["yours"], "nominal": 2}]
    mine = [job(f"m{t}", of="mine", estimate=float(t)) for t in (1, 2, 3)]
    yours = [job(f"y{t}", of="yours", estimate=float(t)) for t in (7, 8, 9)]
    rest = [job("r6", of="another", estimate=6.0)]
    assert line(*mine, *yours, *rest, quotas=quotas) == "m1 m2 r6 y7 y8 m3 y9"


def test_what_is_ones_own_comes_before_a_borrower_of_higher_priority() -> None:
    quotas = [{"namespaces": ["mine"], "nominal": 1}, {"namespaces": ["yours"], "nominal": 2}]
    mine = [job(f"m{t}", of="mine", estimate=float(t), priority=9) for t in (1, 2)]
    assert line(*mine, job("y7", of="yours", estimate=7.0), quotas=quotas) == "m1 y7 m2"


def test_fifo() -> None:
    asked = [job("a", estimate=1.0, since=9), job("b", estimate=9.0, since=1), service("c", since=10)]
    assert line(*asked, job("d", priority=1, since=11), order="fifo", shares={"default": 1.0}) == "d c b a"


@pytest.mark.parametrize("seed", range(5))
def test_pools_in_one_pass_keep_their_own_order(seed: int) -> None:
    rng = random.Random(seed)
    found = usage(8)
    put_pool(found, "fifo", queue={"order": "fifo"})
    asked = [
        job(
            f"j{n}",
            pool=rng.choice(["gpu", "fifo"]),
            since=n,
            estimate=rng.uniform(1, 100),
            priority=rng.choice([0, 1]),
        )
        for n in range(40)
    ]
    snapshot = found.snapshot(["gpu", "fifo"])
    together = arrange(snapshot, asked, Durations(snapshot, asked))
    for pool in ("gpu", "fifo"):
        alone = [each for each in asked if each.pool == pool]
        assert [each for each in together if each.pool == pool] == arrange(snapshot, alone, Durations(snapshot, alone))

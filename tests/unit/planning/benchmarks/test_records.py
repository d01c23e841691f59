"""What pools keep of benchmarks does not depend on the order in which they come, and is bounded."""

from __future__ import annotations

import random
from typing import Any

from builders import make_benchmark
from tables import table

from hostler.api.benchmark import MOST_BENCHMARKS, PoolBenchmark
from hostler.planning.benchmarks.records import as_measurements, merged

NOW = "2026-12-01T00:00:00Z"


def bench(run: str, at: str, load: str = "bert-small-packed", **fields: Any) -> PoolBenchmark:
    return PoolBenchmark.model_validate(make_benchmark(load, run=run, at=at, **fields))


OLD, NEW = bench("one", "2026-11-01T00:00:00Z"), bench("two", "2026-11-02T00:00:00Z")


@table(
    ("before", "fresh", "kept"),
    {
        "the newest of a load": ([OLD], [NEW], ["two"]),
        "also where it is told late": ([NEW], [OLD], ["two"]),
        "one that is there already counts once": ([NEW], [NEW], ["two"]),
        "of two images both": (
            [OLD],
            [bench("three", "2026-11-03T00:00:00Z", image="registry/train:2")],
            ["three", "one"],
        ),
        "of two loads both": ([OLD], [bench("four", "2026-10-01T00:00:00Z", "chat-small-packed")], ["one", "four"]),
    },
)
def test_what_is_kept(before: list[PoolBenchmark], fresh: list[PoolBenchmark], kept: list[str]) -> None:
    assert [each.run for each in merged(before, fresh, now=NOW)] == kept


def test_a_clock_that_was_wrong_ends_no_run_in_the_future() -> None:
    future = bench("three", "2031-01-01T00:00:00Z")
    (found,) = merged([OLD], [future], now=NOW)
    assert (found.run, found.at) == ("three", NOW)
    later = bench("four", "2026-12-02T00:00:00Z")
    assert merged([found], [later], now="2026-12-03T00:00:00Z")[0].run == "four"


def test_the_list_is_bounded_and_its_order_does_not_depend_on_how_it_came() -> None:
    seed = 7
    print("seed", seed)
    many = [
        bench(f"run-{n}", f"2026-11-{n % 28 + 1:02}T00:00:00Z", image=f"registry/train:{n}")
        for n in range(MOST_BENCHMARKS + 20)
    ]
    whole = merged([], many, now=NOW)
    assert len(whole) == MOST_BENCHMARKS
    random.Random(seed).shuffle(many)
    step: tuple[PoolBenchmark, ...] = ()
    for each in many:
        step = merged(step, [each], now=NOW)
    assert step == whole


def test_what_is_outdated_tells_nothing() -> None:
    known = as_measurements([OLD, bench("five", "2026-11-05T00:00:00Z", "chat-small-packed", outdated=True)])
    assert [shape.family for shape in known] == ["bert"]

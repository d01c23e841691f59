"""When admission answers: at once where a pass is cheap, for many together where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from bench import GPU, Bench
from builders import make_training_job
from tables import table
from virtualtime import now, virtual
from world import jobs

from hostler.controllers.passpace import LONGEST_PAUSE, PassPace


@table(
    ("took", "want"),
    {
        "a pass over a few requests": (0.0003, 0.0057),
        "a pass over hundreds": (0.002, 0.038),
        "a pass over thousands": (0.047, LONGEST_PAUSE),
        "a processor that others had": (30.0, LONGEST_PAUSE),
        "a clock too coarse to see it": (0.0, 0.0),
    },
)
def test_a_pass_is_followed_by_a_pause_as_long_as_it_was_expensive(took: float, want: float) -> None:
    pace = PassPace()
    assert pace.wait(100.0) == 0, "the first one waits for nothing"
    pace.passed(now=100.0, took=took)
    assert pace.wait(100.0) == pytest.approx(want)
    assert pace.wait(100.0 + LONGEST_PAUSE) == pytest.approx(0)


@asynccontextmanager
async def leading(bench: Bench, *, pass_takes: float) -> AsyncIterator[None]:
    """Admission as it is where this replica leads, with a stopwatch that shows what a test wants."""
    seconds = 0.0

    def stopwatch() -> float:
        nonlocal seconds
        seconds += pass_takes
        return seconds

    bench.restart(stopwatch=stopwatch)
    passes = asyncio.create_task(bench.admitter.run())
    await asyncio.sleep(1)  # the first pass looks at the nodes
    try:
        yield
    finally:
        passes.cancel()
        with suppress(asyncio.CancelledError):
            await passes


@virtual
async def test_who_comes_alone_has_a_seat_and_pods_in_one_look(bench: Bench) -> None:
    async with leading(bench, pass_takes=0.0001):
        bench.cluster.put(make_training_job("alone"))
        await bench.reconcile("TrainingJob", "alone")
        assert jobs(bench) == ["alone-0"]
        await asyncio.sleep(1)
        assert bench.woken == [], "nobody is woken for an answer that he has"


@virtual
async def test_who_comes_alone_and_finds_no_room_is_told_in_one_look(bench: Bench) -> None:
    async with leading(bench, pass_takes=0.0001):
        bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
        await asyncio.sleep(1)
        bench.cluster.put(make_training_job("large"))
        await bench.reconcile("TrainingJob", "large")
        assert bench.condition("TrainingJob", "large", "Admitted")[0] == "False"
        await asyncio.sleep(1)
        assert bench.woken == []


@virtual
async def test_where_a_pass_is_expensive_many_share_it(bench: Bench) -> None:
    async with leading(bench, pass_takes=1.0):
        names = [f"job-{number}" for number in range(4)]
        for name in names:
            bench.cluster.put(make_training_job(name))
        began = now()
        for name in names:
            await bench.reconcile("TrainingJob", name)
        assert jobs(bench) == ["job-0-0"], "the first one's pass was at once"
        await asyncio.sleep(LONGEST_PAUSE + 0.01)
        assert sorted(bench.woken) == names[1:]
        assert now() - began < 2 * LONGEST_PAUSE

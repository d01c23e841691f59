"""How late the loop is, what it computed, and where it stood."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from tables import table
from virtualtime import now, virtual

from hostler.operator.loopwatch import LATE, TELL_EVERY, Bystander, LoopWatch


@virtual
async def test_a_short_block_is_noticed_wherever_between_two_ticks_it_falls() -> None:
    for begins in (0.0, 0.01, 0.02, 0.4, 0.99):
        blocked = 0.0
        watch = LoopWatch(monotonic=lambda: now() + blocked)  # noqa: B023
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(5 + begins)
        blocked = 0.15
        await asyncio.sleep(2)
        assert watch.lag == pytest.approx(0.15)
        task.cancel()


@virtual
async def test_a_loop_that_came_late_is_remembered_for_half_a_minute() -> None:
    blocked = 0.0
    reported: list[float] = []
    watch = LoopWatch(lambda lag, _busy: reported.append(lag), monotonic=lambda: now() + blocked)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(10.5)
    assert watch.lag == 0.0
    blocked = 7.0
    assert watch.lag > 6, "the delay counts while it lasts"
    await asyncio.sleep(20)
    assert watch.lag == pytest.approx(7.0)
    assert reported[-1] == pytest.approx(7.0)
    await asyncio.sleep(20)
    assert watch.lag == pytest.approx(0.0)
    task.cancel()


@table("share", {"it computed all the time": 1.0, "others had the processor": 0.0})
@virtual
async def test_a_late_loop_says_whether_it_has_computed(share: float) -> None:
    blocked = 0.0
    reported: list[float] = []
    watch = LoopWatch(
        lambda _lag, busy: reported.append(busy),
        monotonic=lambda: now() + blocked,
        computed=lambda: share * blocked,
    )
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(10.5)
    assert watch.busy == 0.0
    blocked = 7.0
    await asyncio.sleep(20)
    assert watch.lag == pytest.approx(7.0)
    assert watch.busy == reported[-1] == pytest.approx(share * 7.0)
    await asyncio.sleep(20)
    assert watch.busy == 0.0, "it is remembered for half a minute"
    task.cancel()


def test_where_a_late_loop_stands_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    time = 0.0
    standing, over = threading.Event(), threading.Event()

    def in_a_step_that_takes_long() -> None:
        standing.set()
        over.wait()

    loop = threading.Thread(target=in_a_step_that_takes_long)
    loop.start()
    standing.wait()
    bystander = Bystander(LoopWatch(monotonic=lambda: time), thread=loop.ident, monotonic=lambda: time)
    try:
        with caplog.at_level(logging.WARNING):
            assert not bystander.look(), "it is on time"
            time = 2 * LATE
            assert bystander.look()
            time += TELL_EVERY / 2
            assert not bystander.look(), "it was told"
            time += TELL_EVERY
            assert bystander.look()
    finally:
        over.set()
        loop.join()
    (first, _) = caplog.records
    assert "in_a_step_that_takes_long (test_loopwatch.py:" in vars(first)["at"]
    assert not bystander.look(), "a thread that has ended stands nowhere"

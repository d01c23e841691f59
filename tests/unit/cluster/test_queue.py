"""The work queue: every key at most once, never in two hands, failures later and later."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from virtualtime import now, virtual

from hostler.cluster.queue import (
    CALM_SECONDS,
    LONGEST_DEFERRAL,
    SETTLE_SECONDS,
    TURN_OF_THE_LAST,
    Backoff,
    Priority,
    WorkQueue,
)


class Meter:
    """Remembers what the queue reports."""

    def __init__(self) -> None:
        self.adds = self.retries = self.waiting = 0
        self.latencies: list[float] = []
        self.works: list[float] = []

    def added(self) -> None:
        self.adds += 1

    def depth(self, waiting: int) -> None:
        self.waiting = waiting

    def waited(self, seconds: float) -> None:
        self.latencies.append(seconds)

    def worked(self, seconds: float) -> None:
        self.works.append(seconds)

    def retried(self) -> None:
        self.retries += 1


def make_queue(meter: Meter | None = None, **options: object) -> WorkQueue[str]:
    return WorkQueue(metrics=meter or Meter(), rng=random.Random(1), **options)  # type: ignore[arg-type]


async def drained(queue: WorkQueue[str]) -> list[str]:
    """What is in line now, in the order in which workers would get it."""
    found = []
    while len(queue):
        found.append(await queue.get())
        queue.done(found[-1])
    return found


@virtual
async def test_a_key_added_twice_is_worked_on_once() -> None:
    meter = Meter()
    queue = make_queue(meter)
    queue.add("a")
    queue.add("a")
    assert await drained(queue) == ["a"]
    assert meter.adds == 1


@virtual
async def test_a_key_in_hand_is_given_to_nobody_else_and_comes_again_when_it_changed() -> None:
    queue = make_queue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0, "while in hand it is not in line"
    queue.done("a")
    assert await drained(queue) == ["a"], "what happened meanwhile is not lost"
    assert len(queue) == 0


@virtual
async def test_a_key_that_did_not_change_does_not_come_again() -> None:
    queue = make_queue()
    queue.add("a")
    queue.done(await queue.get())
    assert len(queue) == 0


START, CHANGE, RESYNC = Priority.START, Priority.CHANGE, Priority.RESYNC


@pytest.mark.parametrize(
    ("adds", "want"),
    [
        pytest.param([("a", CHANGE), ("b", CHANGE)], ["a", "b"], id="first come, first served"),
        pytest.param([("a", RESYNC), ("b", CHANGE)], ["b", "a"], id="a change goes before a resync"),
        pytest.param([("a", CHANGE), ("b", START)], ["b", "a"], id="what is to begin goes before a report"),
        pytest.param([("a", RESYNC), ("b", RESYNC), ("b", CHANGE)], ["b", "a"], id="a change promotes what waits"),
        pytest.param([("a", CHANGE), ("b", CHANGE), ("a", RESYNC)], ["a", "b"], id="a resync never demotes"),
    ],
)
@virtual
async def test_order(adds: list[tuple[str, Priority]], want: list[str]) -> None:
    queue = make_queue()
    for key, priority in adds:
        queue.add(key, priority=priority)
    assert await drained(queue) == want


@virtual
async def test_a_stream_of_what_is_to_begin_starves_nobody() -> None:
    queue = make_queue()
    queue.add("look", priority=RESYNC)
    queue.add("report", priority=CHANGE)
    served = []
    for number in range(3 * TURN_OF_THE_LAST):
        queue.add(f"new-{number}", priority=START)
        served.append(await queue.get())
    assert served.index("look") == TURN_OF_THE_LAST - 1
    assert served.index("report") == 2 * TURN_OF_THE_LAST - 1


@virtual
async def test_the_better_priority_of_what_happened_in_hand_counts() -> None:
    queue = make_queue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a", priority=RESYNC)
    queue.add("a", priority=CHANGE)
    queue.add("b")
    queue.add("c", priority=RESYNC)
    queue.done("a")
    assert await drained(queue) == ["b", "a", "c"]


@virtual
async def test_a_delayed_key_comes_at_its_time_and_the_earliest_wish_counts() -> None:
    queue = make_queue()
    begun = now()
    queue.add_after("a", 60)
    queue.add_after("a", 10)
    queue.add_after("a", 30)
    queue.add_after("b", 20)
    got = []
    for _ in range(2):
        key = await queue.get()
        got.append((key, now() - begun))
        queue.done(key)
    assert got == [("a", pytest.approx(10 + SETTLE_SECONDS)), ("b", pytest.approx(20 + SETTLE_SECONDS))]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await queue.get()


@virtual
async def test_a_worker_that_waits_is_woken_by_an_earlier_delay() -> None:
    queue = make_queue()
    begun = now()
    queue.add_after("late", 100)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    queue.add_after("early", 5)
    assert await waiting == "early"
    assert now() - begun == pytest.approx(6 + SETTLE_SECONDS)


@virtual
async def test_failures_wait_twice_as_long_each_time_up_to_the_limit() -> None:
    queue = make_queue()
    delays = [queue.retry("a") for _ in range(30)]
    for failures, delay in enumerate(delays):
        middle = min(300.0, 0.005 * 2**failures)
        assert 0.8 * middle <= delay <= 1.2 * middle
    assert queue.failures("a") == 30
    queue.forget("a")
    assert queue.retry("a") < 0.01, "after a success the next failure counts as the first"


@virtual
async def test_a_server_that_asks_to_wait_is_obeyed() -> None:
    queue = make_queue()
    assert queue.retry("a", at_least=7.0) == 7.0


def test_jitter_spreads_keys_that_failed_together() -> None:
    backoff = Backoff()
    assert backoff.delay(4, random_share=0.0) < backoff.delay(4, random_share=0.5) < backoff.delay(4, random_share=1.0)


@virtual
async def test_sixteen_workers_never_hold_the_same_key_and_nothing_is_lost() -> None:
    """A seeded storm: after the last addition of each key, some worker begins to look at it."""
    queue = make_queue()
    rng = random.Random(7)
    keys = [f"k{number}" for number in range(20)]
    held: Counter[str] = Counter()
    began: dict[str, float] = {}
    added: dict[str, float] = {}

    async def worker() -> None:
        while True:
            key = await queue.get()
            held[key] += 1
            assert held[key] == 1, f"{key} is in two hands"
            began[key] = now()
            await asyncio.sleep(rng.random())
            held[key] -= 1
            queue.done(key)

    workers = [asyncio.create_task(worker()) for _ in range(16)]
    for _ in range(2000):
        key = rng.choice(keys)
        added[key] = now()
        if rng.random() < 0.2:
            queue.retry(key)
        else:
            queue.add(key, priority=rng.choice(list(Priority)))
        await asyncio.sleep(rng.random() / 20)
    await asyncio.sleep(600)
    assert not any(task.done() for task in workers), "no worker has failed"
    assert all(began[key] >= added[key] for key in keys)
    assert len(queue) == 0
    for task in workers:
        task.cancel()


@virtual
async def test_what_the_queue_reports() -> None:
    meter = Meter()
    queue = make_queue(meter)
    queue.add("a")
    queue.add("b")
    assert meter.waiting == 2
    await asyncio.sleep(3)
    key = await queue.get()
    assert (meter.waiting, meter.latencies) == (1, [3.0])
    await asyncio.sleep(2)
    queue.done(key)
    assert meter.works == [2.0]
    queue.retry(key)
    assert meter.retries == 1


@virtual
async def test_reports_wait_until_nothing_has_begun_for_a_moment() -> None:
    queue, began = make_queue(), now()
    queue.add("report")
    queue.add("new", priority=START)
    assert await queue.get() == "new"
    await asyncio.sleep(1)
    report = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    assert not report.done(), "while the new one is in hand"
    queue.done("new")
    assert await report == "report"
    assert now() - began == pytest.approx(2 + CALM_SECONDS)


@virtual
async def test_news_of_one_key_that_come_together_are_one_look() -> None:
    queue, began = make_queue(), now()
    first = asyncio.create_task(queue.get())
    for _ in range(3):
        queue.add("pod and Job")
        await asyncio.sleep(SETTLE_SECONDS / 4)
    queue.add("new", priority=START)
    assert await first == "new", "what is to begin is not made to wait"
    queue.done("new")
    assert await queue.get() == "pod and Job"
    assert now() - began >= SETTLE_SECONDS
    assert len(queue) == 0


@virtual
async def test_a_report_that_waits_for_calm_comes_at_its_time_though_there_is_none() -> None:
    queue, began = make_queue(), now()
    queue.add("new", priority=START)
    assert await queue.get() == "new"
    await asyncio.sleep(1)
    queue.add("report")
    assert await queue.get() == "report"
    assert now() - began == pytest.approx(1 + LONGEST_DEFERRAL)


@virtual
async def test_nothing_is_put_off_while_all_is_still_to_be_looked_at() -> None:
    """After a start nothing can begin before, so what is to begin must not hold it up."""
    queue, began = make_queue(), now()
    queue.add("look", priority=RESYNC)
    queue.add("report")
    queue.add("new", priority=START)
    assert [await queue.get() for _ in range(3)] == ["new", "report", "look"]
    assert now() == began


@virtual
async def test_who_waits_for_calm_is_told_a_moment_after_the_last_has_begun() -> None:
    queue, began = make_queue(), now()
    await queue.calm()
    queue.add("report")
    await queue.calm()
    assert now() == began
    queue.add("new", priority=START)
    waiting = asyncio.create_task(queue.calm())
    assert await queue.get() == "new"
    await asyncio.sleep(1)
    assert not waiting.done()
    queue.done("new")
    await waiting
    assert now() - began == pytest.approx(1 + CALM_SECONDS, abs=CALM_SECONDS)

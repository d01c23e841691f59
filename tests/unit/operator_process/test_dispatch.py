"""From a change to a reconcile, and what happens to one that fails."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tables import table
from virtualtime import now, virtual

from hostler.cluster.errors import Conflict, Invalid, NotLeading, TooManyRequests, Unavailable
from hostler.cluster.queue import CALM_SECONDS, WorkQueue
from hostler.cluster.store import Change, Store
from hostler.controllers.ports import Key, Outcome
from hostler.operator.dispatch import NOT_LEADING_PAUSE, OUTAGE_PAUSE, Dispatcher, Workers

JOB = Key(kind="TrainingJob", namespace="n", name="j")


class Silent:
    """Metrics that only remember results."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        self.results.append(result)

    def added(self) -> None: ...

    def depth(self, waiting: int) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def worked(self, seconds: float) -> None: ...

    def retried(self) -> None: ...


class Toy:
    """A controller of TrainingJobs, concerned by the Job of the same name and by every node."""

    kind = "TrainingJob"

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seen: list[tuple[float, Key]] = []
        self.behaviour: Callable[[Key], Any] = lambda _: Outcome()

    async def reconcile(self, key: Key) -> Outcome:
        self.seen.append((now(), key))
        result = self.behaviour(key)
        if asyncio.iscoroutine(result):
            return await result  # type: ignore[no-any-return]
        return result  # type: ignore[no-any-return]

    def affected(self, change: Change) -> Iterable[Key]:
        if change.kind == "Node":
            return [Key(kind=self.kind, namespace=o["metadata"]["namespace"], name=o["metadata"]["name"])
                    for o in self.store.list(self.kind)]  # fmt: skip
        objects = [obj for obj in (change.old, change.new) if obj is not None]
        if change.kind == self.kind:
            return [Key(kind=self.kind, namespace="n", name=obj["metadata"]["name"]) for obj in objects]
        labels = [obj["metadata"].get("labels") or {} for obj in objects] if change.kind == "Job" else []
        named = [each["hostler.dev/training-job"] for each in labels if "hostler.dev/training-job" in each]
        return [Key(kind=self.kind, namespace="n", name=name) for name in named]


class World:
    def __init__(self) -> None:
        self.store = Store()
        self.metrics = Silent()
        self.queue: WorkQueue[Key] = WorkQueue(metrics=self.metrics, rng=random.Random(5))
        self.toy = Toy(self.store)
        self.dispatcher = Dispatcher([self.toy], queue=self.queue, store=self.store)
        self.workers = Workers([self.toy], queue=self.queue, metrics=self.metrics)
        self.version = 0

    def put(self, kind: str, name: str, *, namespace: str = "n", labels: dict[str, str] | None = None) -> None:
        self.version += 1
        metadata = {
            "name": name, "namespace": namespace, "uid": name, "resourceVersion": str(self.version),
            "labels": labels or {}, "generation": self.version,
        }  # fmt: skip
        self.store.put(kind, {"kind": kind, "metadata": metadata})

    def start(self) -> None:
        self.workers.start(4)
        self.dispatcher.start()

    async def settle(self, seconds: float = CALM_SECONDS + 0.001) -> list[str]:
        """Names that were reconciled since the last call."""
        await asyncio.sleep(seconds)
        names = [key.name for _, key in self.toy.seen]
        self.toy.seen.clear()
        return names


@virtual
async def test_a_standby_does_nothing_and_a_new_leader_begins_with_everything() -> None:
    world = World()
    world.put("TrainingJob", "one")
    world.put("TrainingJob", "two")
    world.workers.start(4)
    assert await world.settle() == []
    world.dispatcher.start()
    assert sorted(await world.settle()) == ["one", "two"]
    await world.workers.stop()


@virtual
async def test_a_change_concerns_whom_it_concerned_before_as_well() -> None:
    world = World()
    world.start()
    world.put("Job", "x", labels={"hostler.dev/training-job": "one"})
    assert await world.settle() == ["one"]
    world.put("Job", "x", labels={"hostler.dev/training-job": "two"})
    assert sorted(await world.settle()) == ["one", "two"]
    await world.workers.stop()


@virtual
async def test_an_objects_own_change_is_its_own_concern() -> None:
    world = World()
    world.start()
    world.put("TrainingJob", "one")
    assert await world.settle() == ["one"]
    world.put("Node", "n1", namespace="")
    assert await world.settle() == ["one"]
    world.store.remove("TrainingJob", {"metadata": {"name": "one", "namespace": "n", "resourceVersion": "99"}})
    assert await world.settle() == ["one"], "its end as well"
    await world.workers.stop()


@virtual
async def test_a_wish_to_be_looked_at_again_is_kept() -> None:
    world = World()
    world.start()
    world.toy.behaviour = lambda _: Outcome(requeue_after=30)
    world.queue.add(JOB)
    await world.settle()
    assert await world.settle(29) == []
    assert await world.settle(2) == ["j"]
    await world.workers.stop()


FAILURES = {
    "a conflict": (Conflict("changed"), "conflict"),
    "an invalid child": (Invalid("spec.x: no"), "error"),
    "no answer": (Unavailable("down"), "error"),
    "a mistake of ours": (KeyError("oops"), "error"),
}


@pytest.mark.parametrize("case", FAILURES)
@virtual
async def test_a_failure_comes_again_later_and_later_and_success_forgets_it(case: str) -> None:
    error, result = FAILURES[case]
    world = World()
    world.start()

    def fail(_: Key) -> Outcome:
        raise error

    world.toy.behaviour = fail
    world.queue.add(JOB)
    await asyncio.sleep(60)
    times = [at for at, _ in world.toy.seen]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert 10 <= len(times) <= 20
    assert pauses[-1] > 100 * pauses[0]
    assert set(world.metrics.results) == {result}
    world.toy.behaviour = lambda _: Outcome()
    await asyncio.sleep(120)
    assert world.metrics.results[-1] == "success"
    assert world.queue.failures(JOB) == 0
    await world.workers.stop()


@table(
    "error",
    {
        "it is overloaded": TooManyRequests("slow down", code=429, retry_after=1),
        "it fails": Unavailable("etcdserver: leader changed", code=500),
        "it does not answer": Unavailable("no answer within 30 s"),
    },
)
@virtual
async def test_when_the_api_server_is_back_everything_goes_on_within_half_a_minute(error: Exception) -> None:
    """However long it was away, and not all of it in the same moment."""
    world = World()
    world.start()
    names = [f"j{number}" for number in range(100)]
    for name in names:
        world.put("TrainingJob", name)
    outage = now() + 900.0

    def fail(_: Key) -> Outcome:
        if now() < outage:
            raise error
        return Outcome()

    world.toy.behaviour = fail
    await asyncio.sleep(outage - 100 - now())
    world.toy.seen.clear()
    await asyncio.sleep(100)
    assert len(world.toy.seen) <= len(names) * 100 / (OUTAGE_PAUSE / 2) + len(names), "it is not asked all the time"
    world.toy.seen.clear()
    await asyncio.sleep(OUTAGE_PAUSE)
    assert {key.name for _, key in world.toy.seen} == set(names)
    busiest = max(Counter(int(at) for at, _ in world.toy.seen).values())
    assert busiest < len(names) / 4, "they do not come back together"
    assert {world.queue.failures(key) for _, key in world.toy.seen} == {0}
    await world.workers.stop()


@virtual
async def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    world = World()
    world.start()

    def fail(_: Key) -> Outcome:
        raise TooManyRequests("slow down", code=429, retry_after=20)

    world.toy.behaviour = fail
    world.queue.add(JOB)
    assert await world.settle() == ["j"]
    assert await world.settle(19) == []
    assert await world.settle(2) == ["j"]
    await world.workers.stop()


@virtual
async def test_a_reconcile_that_hangs_is_cut_off_and_others_go_on() -> None:
    world = World()
    world.start()
    world.toy.behaviour = lambda key: asyncio.sleep(3600) if key == JOB else Outcome()
    other = Key(kind="TrainingJob", namespace="n", name="other")
    world.queue.add(JOB)
    world.queue.add(other)
    assert await world.settle(59) == ["j", "other"]
    await asyncio.sleep(2)
    assert "timeout" in world.metrics.results
    assert world.workers.trouble() is None
    await world.workers.stop()


@virtual
async def test_a_key_that_met_a_lost_lease_comes_back_when_the_lease_does_and_counts_no_failure() -> None:
    world = World()
    world.start()

    def fail(_: Key) -> Outcome:
        raise NotLeading("the renewal is late")

    world.toy.behaviour = fail
    world.queue.add(JOB)
    await asyncio.sleep(2.5)
    assert set(world.metrics.results) == {"not_leading"}
    assert world.queue.failures(JOB) == 0
    world.toy.behaviour = lambda _: Outcome()
    world.toy.seen.clear()
    assert await world.settle(NOT_LEADING_PAUSE) == ["j"], "the renewal has arrived after all"
    assert world.metrics.results[-1] == "success"
    assert await world.settle(600) == []
    await world.workers.stop()


@virtual
async def test_stopping_cuts_off_what_runs_and_dead_workers_are_noticed() -> None:
    world = World()
    world.start()
    world.toy.behaviour = lambda _: asyncio.sleep(50)
    world.queue.add(JOB)
    await asyncio.sleep(1)
    begun = now()
    await world.workers.stop()
    assert now() - begun < 0.1
    assert world.queue.in_hand == {}
    world.workers.start(2)
    world.queue.done = None  # type: ignore[assignment,method-assign]
    world.toy.behaviour = lambda _: Outcome()
    world.queue.add(JOB)
    await asyncio.sleep(1)
    assert world.workers.trouble() == "1 workers have ended"


@virtual
async def test_failures_are_logged_with_their_key_and_only_mistakes_with_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.start()
    errors = iter([Conflict("changed"), Unavailable("down"), KeyError("oops")])

    def fail(_: Key) -> Outcome:
        if error := next(errors, None):
            raise error
        return Outcome()

    world.toy.behaviour = fail
    with caplog.at_level(logging.INFO, logger="hostler.operator.dispatch"):
        world.queue.add(JOB)
        await asyncio.sleep(5)
    told = [
        (record.levelname, vars(record)["key"], record.exc_info is not None)
        for record in caplog.records
        if record.name == "hostler.operator.dispatch"
    ]
    key = "TrainingJob n/j"
    assert told == [("INFO", key, False), ("WARNING", key, False), ("ERROR", key, True)]
    await world.workers.stop()

"""Asking many pods in virtual time: none delays another, silent ones are asked less and less."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from virtualtime import now, virtual

from hostler.operator.podhttp import TIMEOUT, ProbeError
from hostler.operator.prober import MOST_PER_SECOND, SILENT_LIMIT, SLOTS, Prober, Target

INTERVAL = 5.0


class Pods:
    """Pods that answer at once unless they are told otherwise, and what was asked of them."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.slow: dict[str, float] = {}
        self.strange: set[str] = set()
        self.errors: dict[str, Exception] = {}
        self.asked: dict[str, list[float]] = {}
        self.answers: list[str] = []
        self.open: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        """The most questions that were open at a time: in all, by namespace, by pod."""

    async def ask(self, target: Target) -> str | None:
        self.asked.setdefault(target.uid, []).append(now())
        about = ("all", f"namespace {target.namespace}", target.uid)
        self.open.update(about)
        for what in about:
            self.most[what] = max(self.most[what], self.open[what])
        try:
            return await self._answer(target.uid)
        finally:
            self.open.subtract(about)

    async def _answer(self, uid: str) -> str | None:
        if uid in self.strange:
            return None
        if uid in self.silent:
            await asyncio.sleep(TIMEOUT)
            raise ProbeError("timeout", "nothing came")
        if uid in self.errors:
            raise self.errors[uid]
        await asyncio.sleep(self.slow.get(uid, 0.01))
        return uid

    def heard(self, target: Target, answer: str) -> None:
        self.answers.append(answer)

    def pauses(self, uid: str) -> list[float]:
        return [later - earlier for earlier, later in itertools.pairwise(self.asked[uid])]


class Meter:
    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.in_flight = 0

    def probed(self, result: str) -> None:
        self.results[result] += 1

    def probing(self, in_flight: int) -> None:
        self.in_flight = in_flight


class World:
    def __init__(self) -> None:
        self.pods = Pods()
        self.meter = Meter()
        self.prober: Prober[str] = Prober(self.pods, interval=INTERVAL, metrics=self.meter, rng=random.Random(7))

    def follow(self, count: int, *, namespace: str = "n", silent: bool = False) -> list[str]:
        uids = [f"{namespace}-{number}" for number in range(count)]
        if silent:
            self.pods.silent |= set(uids)
        for uid in uids:
            self.prober.follow(target(uid, namespace=namespace))
        return uids


def target(uid: str, *, namespace: str = "n", ip: str = "10.0.0.1") -> Target:
    return Target(uid=uid, namespace=namespace, ip=ip, job="j-0", job_uid="u")


@asynccontextmanager
async def probing() -> AsyncIterator[World]:
    world = World()
    task = asyncio.create_task(world.prober.run())
    try:
        yield world
        assert not task.done(), "it runs for ever"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_a_pod_that_answers_is_asked_once_per_interval() -> None:
    async with probing() as world:
        (uid,) = world.follow(1)
        await asyncio.sleep(600)
        assert 110 <= len(world.pods.asked[uid]) <= 130
        assert all(INTERVAL * 0.85 < pause < INTERVAL * 1.15 for pause in world.pods.pauses(uid))
        assert len(set(world.pods.pauses(uid))) > 10, "with jitter"
        assert world.meter.results == {"success": len(world.pods.answers)}


@pytest.mark.parametrize("count", [40, 500])
@virtual
async def test_pods_that_never_answer_delay_nobody_of_another_namespace(count: int) -> None:
    async with probing() as world:
        world.follow(count, namespace="silent", silent=True)
        await asyncio.sleep(1)
        begun = now()
        good = world.follow(5, namespace="good")
        await asyncio.sleep(120)
        for uid in good:
            assert world.pods.asked[uid][0] - begun < 0.5, "there is a slot for who comes new"
            assert max(world.pods.pauses(uid)) < INTERVAL * 1.2
        assert world.pods.most["all"] <= SLOTS
        assert world.pods.most["namespace silent"] <= SLOTS // 2


@virtual
async def test_within_a_namespace_those_that_answer_come_first() -> None:
    async with probing() as world:
        good = [f"good-{number}" for number in range(5)]
        for uid in good:
            world.prober.follow(target(uid))
        await asyncio.sleep(1)
        world.follow(500, silent=True)
        await asyncio.sleep(200)
        for uid in good:
            assert max(world.pods.pauses(uid)) < INTERVAL * 1.2 + TIMEOUT, "at most, somebody else's time-out longer"


@virtual
async def test_who_begins_to_answer_is_heard_although_more_pods_are_due_than_may_be_asked() -> None:
    async with probing() as world:
        (late,) = world.follow(1, namespace="late", silent=True)
        for uid in (f"late-{number}" for number in range(1, 400)):
            world.prober.follow(target(uid, namespace="late"))
        await asyncio.sleep(60)
        assert world.pods.asked[late]
        world.pods.silent.clear()
        await asyncio.sleep(100)
        assert late in world.pods.answers


@virtual
async def test_a_silent_pod_is_asked_less_and_less_and_again_as_usual_once_it_answers() -> None:
    async with probing() as world:
        (uid,) = world.follow(1, silent=True)
        await asyncio.sleep(900)
        pauses = [pause - TIMEOUT for pause in world.pods.pauses(uid)]
        assert all(pause < INTERVAL * 1.15 for pause in pauses[:3]), "a container needs a while until it listens"
        assert SILENT_LIMIT * 0.85 < pauses[-1] < SILENT_LIMIT * 1.15
        world.pods.silent.clear()
        await asyncio.sleep(70)
        before = len(world.pods.asked[uid])
        await asyncio.sleep(60)
        assert len(world.pods.asked[uid]) - before >= 10
        assert world.meter.results["timeout"] > 0


@virtual
async def test_no_pod_has_two_questions_open() -> None:
    async with probing() as world:
        (uid,) = world.follow(1)
        world.pods.slow[uid] = 3.9
        for _ in range(100):
            world.prober.follow(target(uid))
            await asyncio.sleep(0.5)
        assert world.pods.most[uid] == 1


@virtual
async def test_thousands_of_pods_cost_what_some_hundreds_do() -> None:
    async with probing() as world:
        world.follow(1000)
        small = world.follow(3, namespace="small")
        await asyncio.sleep(30)
        before = sum(map(len, world.pods.asked.values()))
        await asyncio.sleep(100)
        asked = sum(map(len, world.pods.asked.values())) - before
        assert asked <= 100 * MOST_PER_SECOND * 1.1
        assert len(set(world.pods.answers)) == 1003
        assert all(max(world.pods.pauses(uid)) < INTERVAL * 1.2 for uid in small), "others' numbers are not theirs"


@virtual
async def test_a_pod_that_is_gone_is_not_asked_and_its_last_answer_not_heard() -> None:
    async with probing() as world:
        first, second = world.follow(2)
        world.pods.slow[first] = 1.0
        await asyncio.sleep(0.5)
        world.prober.forget(first)
        await asyncio.sleep(60)
        assert len(world.pods.asked[first]) == 1
        assert first not in world.pods.answers
        assert len(world.pods.asked[second]) > 10
        assert len(world.prober) == 1


@virtual
async def test_a_pod_with_a_new_address_is_asked_there_at_once() -> None:
    async with probing() as world:
        (uid,) = world.follow(1, silent=True)
        await asyncio.sleep(300)
        world.pods.silent.clear()
        begun = now()
        world.prober.follow(target(uid, ip="10.0.0.2"))
        await asyncio.sleep(1)
        assert [at for at in world.pods.asked[uid] if at >= begun] == [begun]


@virtual
async def test_what_is_not_worth_a_question_is_no_failure() -> None:
    async with probing() as world:
        (uid,) = world.follow(1)
        world.pods.strange.add(uid)
        await asyncio.sleep(100)
        assert set(world.meter.results) == {"skipped"}
        assert max(world.pods.pauses(uid)) < INTERVAL * 1.15


@virtual
async def test_a_mistake_of_ours_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with probing() as world:
        broken, good = world.follow(2)
        world.pods.errors[broken] = KeyError("mine")
        await asyncio.sleep(60)
        assert len(world.pods.asked[good]) > 10
        assert world.meter.results["error"] > 1
    assert "a pod could not be asked" in caplog.text


@virtual
async def test_nothing_is_remembered_of_what_is_gone() -> None:
    async with probing() as world:
        for round_ in range(50):
            uids = world.follow(20, namespace=f"ns-{round_}", silent=bool(round_ % 2))
            await asyncio.sleep(3)
            for uid in uids:
                world.prober.forget(uid)
        await asyncio.sleep(2 * SILENT_LIMIT)
        assert len(world.prober) == 0
        assert (world.prober._lines, world.prober._later) == ({}, [])
        assert world.meter.in_flight == 0

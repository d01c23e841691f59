"""Sweeps: the store is complete only after the first whole round, and gaps are closed when they are known."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from unit.cluster.objects import Object, make
from virtualtime import now, virtual

from hostler.cluster.client import Page
from hostler.cluster.errors import Forbidden, Gone, Unavailable
from hostler.cluster.resources import resource_of
from hostler.cluster.store import Repairs, Store
from hostler.cluster.sweeper import Sweeper

RESOURCES = (resource_of("Job"), resource_of("Node"))


class Api:
    """Lists in pages of two."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Object]] = {"Job": [], "Node": []}
        self.version = 10
        self.asked: list[tuple[float, str, str, str]] = []
        self.failures: list[Exception] = []
        self.later_failures: list[Exception] = []
        """Instead of a second page."""
        self.between: Callable[[], None] = lambda: None
        """Called before each second page."""

    async def pages(self, resource: Any, *, namespace: str = "", selector: str = "") -> AsyncIterator[Page]:
        await asyncio.sleep(0.1)
        self.asked.append((now(), resource.kind, namespace, selector))
        if self.failures:
            raise self.failures.pop(0)
        items, version = list(self.objects[resource.kind]), self.version
        yield Page(items[:2], version)
        for first in range(2, len(items), 2):
            self.between()
            await asyncio.sleep(0.1)
            if self.later_failures:
                raise self.later_failures.pop(0)
            yield Page(items[first : first + 2], version)


class World:
    def __init__(self, **options: Any) -> None:
        self.api = Api()
        self.store = Store(RESOURCES)
        self.rounds = 0
        self.repairs: list[tuple[str, Repairs]] = []
        self.sweeper = Sweeper(
            self.api,  # type: ignore[arg-type]
            store=self.store,
            resources=RESOURCES,
            interval=300,
            on_round=self.count,
            repaired=lambda kind, found: self.repairs.append((kind, found)),
            rng=random.Random(3),
            **options,
        )
        self.task = asyncio.create_task(self.sweeper.run())

    def count(self) -> None:
        self.rounds += 1


@virtual
async def test_synced_means_that_every_kind_was_listed() -> None:
    world = World()
    world.api.objects = {"Job": [make()], "Node": [make("Node", namespace="")]}
    await asyncio.sleep(0.15)
    assert not world.sweeper.synced.is_set(), "only one kind is there"
    await world.sweeper.synced.wait()
    assert (world.store.count("Job"), world.store.count("Node"), world.rounds) == (1, 1, 1)
    assert world.repairs == [], "the first fill is no repair"
    world.task.cancel()


@virtual
async def test_what_the_watches_have_listed_is_not_listed_again_before_the_next_round() -> None:
    world = World(whole=lambda: {"Job"})
    await world.sweeper.synced.wait()
    assert [kind for _, kind, _, _ in world.api.asked] == ["Node"]
    await asyncio.sleep(340)
    assert sorted(kind for _, kind, _, _ in world.api.asked) == ["Job", "Node", "Node"]
    world.task.cancel()


@pytest.mark.parametrize("error", [Unavailable("down"), Forbidden("no", code=403)])
@virtual
async def test_a_list_that_fails_is_tried_until_it_works(error: Exception) -> None:
    world = World()
    world.api.failures = [error] * 5
    begun = now()
    async with asyncio.timeout(60):
        await world.sweeper.synced.wait()
    assert now() - begun > 5, "with growing pauses"
    world.task.cancel()


@virtual
async def test_a_missed_deletion_is_found_by_the_next_round() -> None:
    world = World()
    world.api.objects["Job"] = [make(name="kept"), make(name="gone")]
    await world.sweeper.synced.wait()
    world.api.objects["Job"] = [make(name="kept")]
    await asyncio.sleep(340)
    assert world.store.get("Job", namespace="default", name="gone") is None
    assert ("Job", Repairs(updated=0, deleted=1)) in world.repairs
    assert world.rounds == 2, "and everything is looked at again"
    world.task.cancel()


@virtual
async def test_who_catches_up_has_all_that_was_written_before_although_no_watch_has_told() -> None:
    world = World()
    await world.sweeper.synced.wait()
    world.api.objects["Job"] = [make(name="written-by-the-last-leader")]
    world.api.failures = [Unavailable("down")]
    await world.sweeper.catch_up(["Job"])
    assert world.store.get("Job", namespace="default", name="written-by-the-last-leader") is not None
    world.task.cancel()


@virtual
async def test_a_kind_whose_watch_had_a_gap_is_swept_at_once_and_alone() -> None:
    world = World()
    await world.sweeper.synced.wait()
    before = len(world.api.asked)
    world.sweeper.request("Node")
    world.sweeper.request("Node")
    await asyncio.sleep(1)
    assert [kind for _, kind, _, _ in world.api.asked[before:]] == ["Node"]
    assert world.rounds == 1
    world.task.cancel()


@virtual
async def test_rounds_are_spread_by_jitter() -> None:
    world = World()
    await asyncio.sleep(5000)
    begun = [at for at, kind, _, _ in world.api.asked if kind == "Job"]
    pauses = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert all(270 <= pause <= 331 for pause in pauses)
    assert len({round(pause) for pause in pauses}) > 5
    world.task.cancel()


@virtual
async def test_pods_are_listed_everywhere_whatever_is_served() -> None:
    api = Api()
    api.objects["Pod"] = [make("Pod", namespace="strangers")]
    store = Store([resource_of("Pod")])
    sweeper = Sweeper(
        api,  # type: ignore[arg-type]
        store=store,
        resources=[resource_of("Pod")],
        interval=300,
        namespaces=("x", "y"),
    )
    await sweeper.sweep("Pod")
    assert [call[2] for call in api.asked] == [""]
    assert store.count("Pod") == 1


@virtual
async def test_only_the_given_namespaces_are_listed_and_only_what_is_watched() -> None:
    world = World(namespaces=("x", "y"))
    await world.sweeper.synced.wait()
    ours = "app.kubernetes.io/managed-by=hostler"
    assert [call[1:] for call in world.api.asked] == [("Job", "x", ours), ("Job", "y", ours), ("Node", "", "")]
    world.task.cancel()


def names(world: World) -> list[str]:
    return [obj["metadata"]["name"] for obj in world.store.list("Job")]


@virtual
async def test_a_list_that_is_forgotten_in_its_middle_is_begun_anew_and_ends_nobody_before_its_last_page() -> None:
    world = World()
    world.api.objects["Job"] = [make(name=name) for name in "abcde"]
    await world.sweeper.synced.wait()
    seen: list[list[str]] = []
    world.api.between = lambda: seen.append(names(world))
    world.api.objects["Job"] = [make(name=name) for name in "abdf"]
    world.api.version = 20
    world.api.later_failures = [Gone("the continue token is too old", code=410)]
    before = len(world.api.asked)
    world.sweeper.request("Job")
    await asyncio.sleep(1)
    assert len(world.api.asked) - before == 2, "begun anew, without a pause"
    assert seen == [list("abcde")] * 2, "half a list says nothing about what it lacks"
    assert names(world) == list("abdf")
    assert world.repairs[-1] == ("Job", Repairs(updated=1, deleted=2))
    world.task.cancel()


@virtual
async def test_what_is_born_between_two_pages_is_not_ended_by_the_list() -> None:
    world = World()
    world.api.objects["Job"] = [make(name=name) for name in "abc"]
    await world.sweeper.synced.wait()
    world.api.between = lambda: world.store.put("Job", make(name="z", version=99)) and None
    world.sweeper.request("Job")
    await asyncio.sleep(1)
    assert names(world) == list("abcz")
    world.task.cancel()


@virtual
async def test_what_is_deleted_between_two_pages_is_not_brought_back_by_the_list() -> None:
    world = World()
    world.api.objects["Job"] = [make(name=name) for name in "abc"]
    await world.sweeper.synced.wait()
    world.api.between = lambda: world.store.remove("Job", make(name="c", version=99)) and None
    world.sweeper.request("Job")
    await asyncio.sleep(1)
    assert names(world) == list("ab")
    world.task.cancel()


def pod_text(number: int) -> str:
    """A pod as long as one of a real cluster, most of which nobody reads."""
    pod = make(
        "Pod", f"pod-{number}", spec={"nodeName": "n", "containers": [{"name": "c"}]}, status={"phase": "Running"}
    )
    pod["metadata"]["managedFields"] = [
        {"manager": f"m{i}", "fieldsV1": {"f:spec": f"{number}-{i}" * 20}} for i in range(8)
    ]
    pod["spec"]["volumes"] = [{"name": f"v{number}-{i}", "secret": {"secretName": "x" * 40}} for i in range(8)]
    return json.dumps(pod)


class Pods:
    """An API server with many pods, whose pages are read from text."""

    def __init__(self, *, pages: int, size: int) -> None:
        self._texts = [[pod_text(page * size + number) for number in range(size)] for page in range(pages)]

    async def pages(self, resource: Any, *, namespace: str = "", selector: str = "") -> AsyncIterator[Page]:
        for texts in self._texts:
            yield Page([json.loads(text) for text in texts], 10)


async def peak(*, pages: int) -> tuple[int, int]:
    """Bytes that the first sweep needed at its most beyond what is kept after it, and number of pods kept."""
    api, store = Pods(pages=pages, size=50), Store([resource_of("Pod")])
    sweeper = Sweeper(api, store=store, resources=[resource_of("Pod")], interval=300)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        await sweeper.sweep("Pod")
        gc.collect()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most - kept, store.count("Pod")


async def test_a_sweep_needs_the_memory_of_a_page_however_many_there_are() -> None:
    few, many = await peak(pages=2), await peak(pages=20)
    assert (few[1], many[1]) == (100, 1000)
    assert many[0] < 2 * few[0], "ten times as many objects, and nearly the same memory beside what is kept"

"""Sweeps: the store is complete only after the first whole round, and gaps are closed when they are known."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest
from unit.cluster.objects import Object, make
from virtualtime import now, virtual

from hostler.cluster.client import Listing
from hostler.cluster.errors import Forbidden, Unavailable
from hostler.cluster.resources import resource_of
from hostler.cluster.store import Repairs, Store
from hostler.cluster.sweeper import Sweeper

RESOURCES = (resource_of("Job"), resource_of("Node"))


class Api:
    def __init__(self) -> None:
        self.objects: dict[str, list[Object]] = {"Job": [], "Node": []}
        self.version = 10
        self.asked: list[tuple[float, str, str, str]] = []
        self.failures: list[Exception] = []

    async def list(self, resource: Any, *, namespace: str = "", selector: str = "") -> Listing:
        await asyncio.sleep(0.1)
        self.asked.append((now(), resource.kind, namespace, selector))
        if self.failures:
            raise self.failures.pop(0)
        return Listing(list(self.objects[resource.kind]), self.version)


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
async def test_only_the_given_namespaces_are_listed_and_only_what_is_watched() -> None:
    world = World(namespaces=("x", "y"))
    await world.sweeper.synced.wait()
    ours = "app.kubernetes.io/managed-by=hostler"
    assert [call[1:] for call in world.api.asked] == [("Job", "x", ours), ("Job", "y", ours), ("Node", "", "")]
    world.task.cancel()

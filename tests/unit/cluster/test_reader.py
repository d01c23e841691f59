"""Reads of what is not watched."""

from __future__ import annotations

from typing import Any

import pytest

from hostler.cluster.errors import NotFound
from hostler.cluster.reader import KEYS_SECONDS, VOLUME_SECONDS, CachedReader
from hostler.cluster.store import Store


class FakeClient:
    def __init__(self) -> None:
        self.maps: dict[str, dict[str, Any]] = {}
        self.asked = 0

    async def get(self, _resource: Any, *, namespace: str, name: str) -> dict[str, Any]:
        self.asked += 1
        try:
            return self.maps[f"{namespace}/{name}"]
        except KeyError:
            raise NotFound("not found", code=404) from None


class World:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.now = 0.0
        self.reader = CachedReader(Store(), self.client, monotonic=lambda: self.now)  # type: ignore[arg-type]

    async def keys(self, key: str, *, name: str = "text", namespace: str = "n") -> Any:
        return await self.reader.config_map_keys(namespace=namespace, name=name, key=key)


@pytest.fixture
def world() -> World:
    world = World()
    world.client.maps["n/text"] = {"data": {"b": "1"}, "binaryData": {"a": "eA=="}}
    return world


async def test_many_jobs_on_one_text_ask_once(world: World) -> None:
    assert [await world.keys("a") for _ in range(100)] == [["a", "b"]] * 100
    assert world.client.asked == 1


async def test_a_map_is_read_again_after_a_while(world: World) -> None:
    await world.keys("a")
    world.now += KEYS_SECONDS
    del world.client.maps["n/text"]
    assert await world.keys("a") is None


async def test_a_key_that_was_missing_is_seen_as_soon_as_it_is_there(world: World) -> None:
    assert await world.keys("c") == ["a", "b"]
    world.client.maps["n/text"]["data"]["c"] = "2"
    assert await world.keys("c") == ["a", "b", "c"]


async def test_a_map_that_was_missing_is_seen_as_soon_as_it_is_there(world: World) -> None:
    assert await world.keys("a", name="other") is None
    world.client.maps["n/other"] = {"data": {"a": "1"}}
    assert await world.keys("a", name="other") == ["a"]


async def test_namespaces_do_not_see_each_other(world: World) -> None:
    await world.keys("a")
    assert await world.keys("a", namespace="m") is None


async def test_a_volume_is_asked_for_once_by_all_who_mount_it_until_it_may_be_another_one(world: World) -> None:
    assert await world.reader.volume("disk") is None
    world.client.maps["/disk"] = {"metadata": {"name": "disk", "uid": "1"}}
    assert [await world.reader.volume("disk") for _ in range(100)] == [world.client.maps["/disk"]] * 100
    assert world.client.asked == 2
    world.client.maps["/disk"] = {"metadata": {"name": "disk", "uid": "2"}}
    world.now += VOLUME_SECONDS
    assert await world.reader.volume("disk") == world.client.maps["/disk"]
    del world.client.maps["/disk"]
    world.now += VOLUME_SECONDS
    assert await world.reader.volume("disk") is None

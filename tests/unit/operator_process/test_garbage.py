"""Which objects a collection looks at, counted and not timed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from hostler.operator.garbage import GarbagePolicy


class Cycle:
    """Ends only where somebody looks for cycles."""

    def __init__(self) -> None:
        self.me = self


def caches(count: int) -> list[dict[str, list[str]]]:
    """Containers without cycles."""
    return [{"a": ["b"]} for _ in range(count)]


def looked_at() -> int:
    """Containers that the next full collection would look at."""
    return sum(len(gc.get_objects(generation)) for generation in range(3))


@pytest.fixture
def policy() -> Iterator[GarbagePolicy]:
    """One whose process goes on without it."""
    found = GarbagePolicy(slack=1000)
    yield found
    found.stop()
    gc.collect()


def test_nobody_looks_while_the_caches_fill_nor_at_them_afterwards(policy: GarbagePolicy) -> None:
    policy.load()
    before = [each["collections"] for each in gc.get_stats()]
    kept = caches(20_000)
    assert [each["collections"] for each in gc.get_stats()] == before
    policy.loaded()
    assert gc.isenabled()
    assert looked_at() < len(kept)


def test_what_outlives_a_full_collection_is_not_looked_at_again(policy: GarbagePolicy) -> None:
    policy.load()
    policy.loaded()
    kept = caches(20_000)
    assert looked_at() > len(kept)
    gc.collect()
    assert looked_at() < len(kept)


def test_no_collection_looks_at_more_than_a_part_of_what_comes_later(policy: GarbagePolicy) -> None:
    ballast = caches(200_000)
    policy.load()
    policy.loaded()
    sizes: list[int] = []

    def watch(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and info["generation"] == 2:
            sizes.append(looked_at())

    gc.callbacks.insert(0, watch)
    try:
        kept = caches(200_000)
    finally:
        gc.callbacks.remove(watch)
    assert len(sizes) > 2
    assert max(sizes) < (2 * len(kept)) / 3, "where a third and more of four hundred thousand came at once"
    assert ballast


def test_young_cycles_are_found_as_ever(policy: GarbagePolicy) -> None:
    policy.load()
    policy.loaded()
    gone = weakref.ref(Cycle())
    gc.collect()
    assert gone() is None


def test_cycles_that_grew_old_are_found_once_there_are_many(policy: GarbagePolicy) -> None:
    policy.load()
    policy.loaded()
    old = [Cycle()]
    gone = weakref.ref(old[0])
    gc.collect()
    old.clear()
    gc.collect()
    assert gone() is not None, "it was left out"
    assert not policy.check(), "and one is not worth a look at everything"
    leaked = [Cycle() for _ in range(gc.get_freeze_count())]
    gc.collect()
    leaked.clear()
    assert policy.check()
    assert gone() is None
    assert not policy.check(), "what is left is what is expected from now on"

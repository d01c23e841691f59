"""What namespaces have used of a pool lately."""

from __future__ import annotations

import pytest

from hostler.planning.shares import Shares

LIFE = 1000.0


def shares(**half_lives: float) -> Shares:
    """With these pools."""
    found = Shares()
    for pool, life in half_lives.items():
        found.put_pool(pool, half_life=life, now=0.0)
    return found


def test_a_whole_pool_for_one_half_life_is_a_half_and_decays_to_a_quarter() -> None:
    found = shares(gpu=LIFE)
    found.hold("gpu", "a", 8, now=0.0)
    assert found.of("gpu", size=8, now=LIFE)["a"] == pytest.approx(0.5)
    found.hold("gpu", "a", -8, now=LIFE)
    assert found.of("gpu", size=8, now=2 * LIFE)["a"] == pytest.approx(0.25)


def test_who_always_holds_a_part_has_that_share() -> None:
    found = shares(gpu=LIFE)
    found.hold("gpu", "a", 2, now=0.0)
    found.hold("gpu", "b", 6, now=0.0)
    assert found.of("gpu", size=8, now=50 * LIFE) == pytest.approx({"a": 0.25, "b": 0.75})


def test_how_often_it_is_asked_makes_no_difference() -> None:
    often, once = shares(gpu=LIFE), shares(gpu=LIFE)
    for each in (often, once):
        each.hold("gpu", "a", 3, now=0.0)
    for moment in range(1, 100):
        often.of("gpu", size=8, now=moment * 7.0)
    assert often.of("gpu", size=8, now=700.0) == pytest.approx(once.of("gpu", size=8, now=700.0))


def test_what_is_known_of_the_past_counts_as_if_it_had_been_watched() -> None:
    watched, told = shares(gpu=LIFE), shares(gpu=LIFE)
    watched.hold("gpu", "a", 4, now=0.0)
    watched.hold("gpu", "a", -4, now=300.0)
    told.add("gpu", "a", units=4, seconds=300.0, ago=200.0, now=500.0)
    assert told.of("gpu", size=8, now=500.0) == pytest.approx(watched.of("gpu", size=8, now=500.0))


def test_another_half_life_changes_the_future_and_no_share_at_once() -> None:
    found = shares(gpu=LIFE)
    found.hold("gpu", "a", 8, now=0.0)
    before = found.of("gpu", size=8, now=LIFE)["a"]
    found.put_pool("gpu", half_life=10 * LIFE, now=LIFE)
    assert found.of("gpu", size=8, now=LIFE)["a"] == pytest.approx(before)
    found.hold("gpu", "a", -8, now=LIFE)
    assert found.of("gpu", size=8, now=11 * LIFE)["a"] == pytest.approx(before / 2)


def test_pools_and_namespaces_are_told_apart() -> None:
    found = shares(gpu=LIFE, ipu=LIFE)
    found.hold("gpu", "a", 8, now=0.0)
    assert found.of("ipu", size=8, now=LIFE) == {}
    assert found.of("none", size=8, now=LIFE) == {}


def test_what_is_long_ago_is_forgotten() -> None:
    found = shares(gpu=LIFE)
    found.hold("gpu", "a", 8, now=0.0)
    found.hold("gpu", "a", -8, now=1.0)
    assert found.of("gpu", size=8, now=100 * LIFE) == {}


def test_a_clock_that_stands_still_or_goes_back_takes_nothing_away() -> None:
    found = shares(gpu=LIFE)
    found.hold("gpu", "a", 8, now=500.0)
    found.hold("gpu", "a", -8, now=400.0)
    assert found.of("gpu", size=8, now=500.0) == {}

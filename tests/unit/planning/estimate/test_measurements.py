"""What runs on a pool say of the next one, in whatever order and however often they become known."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest
from tables import table

from hostler.planning.estimate.measurements import (
    MOST_SHAPES,
    RUNS_OF_SHAPE,
    SAME_FAMILY,
    SAME_NETWORK,
    MeasuredRun,
    Measurements,
    Shape,
    merge,
    predict,
)

SHAPE = Shape(family="gpt", objective="Pretrain", network="aaaa", precision="bf16", batch=64, length=1024, devices=8)


def at(minute: int) -> str:
    """A moment of one day."""
    return f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z"


def run(name: str = "first", *, minute: int = 0, speed: float = 1000.0, **more: float | None) -> MeasuredRun:
    """A run whose operations are 2 for each unit."""
    told: dict[str, float | None] = {"operations_per_second": 2 * speed / SHAPE.devices, "units_per_step": 50.0, **more}
    return MeasuredRun(run=name, at=at(minute), units_per_second=speed, **told)  # type: ignore[arg-type]


def known(*pairs: tuple[Shape, MeasuredRun]) -> Measurements:
    """Measurements of a pool."""
    return merge((shape, (each,)) for shape, each in pairs)


@table(
    ("shape", "operations", "want"),
    {
        "the same shape is as fast": (SHAPE, 2.0, (1000.0, SAME_NETWORK)),
        "the same shape needs no operations": (SHAPE, None, (1000.0, SAME_NETWORK)),
        "half of the devices are half as fast": (replace(SHAPE, devices=4, batch=32), None, (500.0, SAME_NETWORK)),
        "a larger batch is as fast": (replace(SHAPE, batch=128), None, (1000.0, SAME_NETWORK)),
        "parts of a batch are as fast": (replace(SHAPE, accumulation=4), None, (1000.0, SAME_NETWORK)),
        "with far fewer rows a device is less sure": (replace(SHAPE, batch=4), None, (1000.0, SAME_FAMILY)),
        "twice the operations take twice as long": (replace(SHAPE, network="bbbb"), 4.0, (500.0, SAME_FAMILY)),
        "another network on more devices": (replace(SHAPE, network="bbbb", devices=16), 4.0, (1000.0, SAME_FAMILY)),
        "packed rows of the same network, by operations": (replace(SHAPE, packed=True), 2.0, (1000.0, SAME_NETWORK)),
        "another network without operations": (replace(SHAPE, network="bbbb"), None, None),
        "another family": (replace(SHAPE, network="bbbb", family="bert"), 4.0, None),
        "another precision": (replace(SHAPE, precision="fp8"), 2.0, None),
        "an adapter says nothing of the whole network": (replace(SHAPE, adapter=True), 2.0, None),
    },
)
def test_what_one_run_says_of_another(shape: Shape, operations: float | None, want: tuple[float, float] | None) -> None:
    found = predict(known((SHAPE, run())), shape, operations_per_unit=operations)
    if want is None:
        assert found is None
        return
    speed, spread = want
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(speed)
    assert found.units_per_second.high == pytest.approx(speed * spread)
    assert found.units_per_second.low == pytest.approx(speed / spread)
    assert found.same_shape == (shape == SHAPE)


def test_attention_that_a_longer_sequence_adds_is_slower_than_products() -> None:
    # Of 2 operations 0.5 are attention, and of 2.5 it is 1.0: it counts twice on both sides.
    found = predict(known((SHAPE, run())), replace(SHAPE, length=2048), operations_per_unit=2.5)
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(1000 * (2 + 0.5) / (2.5 + 1.0))


def test_fewer_operations_for_longer_sequences_are_no_attention() -> None:
    found = predict(known((SHAPE, run())), replace(SHAPE, length=2048), operations_per_unit=1.0)
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(2000)


def test_the_nearest_number_of_devices_speaks() -> None:
    few, many = replace(SHAPE, devices=1, batch=8), replace(SHAPE, devices=64, batch=512)
    pool = known((few, run("few", speed=100.0)), (many, run("many", speed=3200.0)))
    found = predict(pool, replace(SHAPE, devices=32, batch=256))
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(1600)
    found = predict(pool, replace(SHAPE, devices=2, batch=16))
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(200)


def test_one_disturbed_run_does_not_move_the_median() -> None:
    pool = known(*((SHAPE, run(f"r{n}", minute=n, speed=speed)) for n, speed in enumerate((1000.0, 10.0, 1010.0))))
    found = predict(pool, SHAPE)
    assert found is not None
    assert found.units_per_second.expected == 1000.0
    assert found.runs == 3
    assert found.newest == at(2)


def test_memory_and_units_of_a_step_are_told_of_the_same_shape_alone() -> None:
    pool = known((SHAPE, replace(run(), memory_bytes=7, overhead_seconds=30.0)))
    same, other = predict(pool, SHAPE), predict(pool, replace(SHAPE, devices=4))
    assert same is not None
    assert other is not None
    assert (same.memory_bytes, same.units_per_step, same.overhead_seconds) == (7, 50.0, 30.0)
    assert (other.memory_bytes, other.units_per_step, other.overhead_seconds) == (None, None, 30.0)


def test_nothing_is_known_of_an_empty_pool() -> None:
    assert predict({}, SHAPE, operations_per_unit=1.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_which_runs_become_known_does_not_matter(seed: int) -> None:
    dice = random.Random(seed)
    shapes = [replace(SHAPE, network=f"n{n}") for n in range(6)]
    pairs = [
        (dice.choice(shapes), run(f"r{dice.randrange(12)}", minute=dice.randrange(5), speed=1.0 + dice.randrange(3)))
        for _ in range(30)
    ]
    want = known(*pairs)
    for _ in range(5):
        dice.shuffle(pairs)
        assert known(*pairs) == want, f"seed {seed}"
        cut = dice.randrange(len(pairs))
        parts = [known(*pairs[:cut]).items(), known(*pairs[cut:]).items()]
        assert merge(*parts) == want == merge(*reversed(parts)), f"seed {seed}"
    assert merge(want.items(), want.items()) == want
    assert list(merge(want.items())) == list(want)


def test_a_run_that_is_told_in_two_ways_counts_once_whatever_comes_first() -> None:
    one, other = replace(run(), memory_bytes=None), replace(run(), memory_bytes=5)
    for order in itertools.permutations((one, other)):
        assert known(*((SHAPE, each) for each in order)) == {SHAPE: (other,)}


def test_of_a_shape_the_newest_runs_are_kept() -> None:
    found = known(*((SHAPE, run(f"r{n}", minute=n)) for n in range(10)))
    assert [each.run for each in found[SHAPE]] == ["r9", "r8", "r7"]
    assert len(found[SHAPE]) == RUNS_OF_SHAPE


def test_the_shapes_that_were_run_last_are_kept() -> None:
    shapes = [replace(SHAPE, network=f"n{n:05}") for n in range(10_000)]
    found = known(*((shape, run(minute=n // 10)) for n, shape in enumerate(shapes)))
    assert len(found) == MOST_SHAPES
    assert list(found) == shapes[: -MOST_SHAPES - 1 : -1]


def test_a_shape_that_is_used_again_is_not_forgotten() -> None:
    pool = known((SHAPE, run("old", minute=0)))
    for n in range(3 * MOST_SHAPES):
        others = ((replace(SHAPE, network=f"n{n}"), (run(f"other{n}", minute=2 * n + 1),)),)
        pool = merge(pool.items(), others, ((SHAPE, (run(f"own{n}", minute=2 * n + 2),)),))
    assert len(pool) == MOST_SHAPES
    assert len(pool[SHAPE]) == RUNS_OF_SHAPE


@pytest.mark.parametrize("figure", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["speed", "units_per_step", "operations_per_second"])
def test_what_is_no_speed_spoils_nothing(name: str, figure: float) -> None:
    bad = run("bad", minute=9, **{name: figure})
    assert known((SHAPE, bad)) == {}
    assert known((SHAPE, run()), (SHAPE, bad)) == {SHAPE: (run(),)}

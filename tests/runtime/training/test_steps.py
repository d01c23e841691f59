"""Which rows, rates and seeds a step uses: functions of the step alone."""

from __future__ import annotations

import pytest

from hostler_contract import Hyperparameters
from hostler_runtime.training.order import RowOrder, constant_rate, learning_rate, step_seed


def test_every_row_is_seen_once_before_any_is_seen_again() -> None:
    order = RowOrder(rows=10, batch_size=4, seed=1)

    seen = [row for step in range(5) for row in order.of_step(step)]

    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]
    assert seen[:10] != list(range(10))


def test_the_order_needs_no_memory() -> None:
    walked, jumped = (RowOrder(rows=10, batch_size=4, seed=1) for _ in range(2))
    for step in range(7):
        walked.of_step(step)

    assert walked.of_step(7) == jumped.of_step(7)
    assert walked.of_step(2) == RowOrder(rows=10, batch_size=4, seed=1).of_step(2)


def test_another_seed_gives_another_order() -> None:
    assert RowOrder(rows=50, batch_size=50, seed=1).of_step(0) != RowOrder(rows=50, batch_size=50, seed=2).of_step(0)


def test_a_batch_larger_than_the_data_goes_round() -> None:
    rows = RowOrder(rows=3, batch_size=7, seed=0).of_step(0)

    assert sorted(rows[:3]) == sorted(rows[3:6]) == [0, 1, 2]
    assert len(rows) == 7


@pytest.mark.parametrize(
    ("step", "want"),
    [
        pytest.param(0, 0.1, id="the warm-up begins above zero"),
        pytest.param(9, 1.0, id="and ends at the peak"),
        pytest.param(10, 1.0, id="the cosine begins at the peak"),
        pytest.param(60, 0.55, id="is half way down in the middle"),
        pytest.param(110, 0.1, id="and ends at a tenth"),
    ],
)
def test_the_learning_rate(step: int, want: float) -> None:
    rate = learning_rate(Hyperparameters(steps=110, batch_size=1, learning_rate=1.0, warmup_steps=10), steps=110)

    assert rate(step) == pytest.approx(want)


def test_a_warm_up_longer_than_the_stage_ends_with_it() -> None:
    rate = learning_rate(Hyperparameters(steps=10, batch_size=1, learning_rate=1.0, warmup_steps=100), steps=10)

    assert rate(9) == pytest.approx(1.0)
    assert rate(0) == pytest.approx(0.1)


def test_a_constant_rate_warms_up_and_then_stays() -> None:
    rate = constant_rate(Hyperparameters(steps=10, batch_size=1, learning_rate=2.0, warmup_steps=4), factor=0.5)

    assert [rate(step) for step in (0, 1, 3, 4, 9)] == pytest.approx([0.25, 0.5, 1.0, 1.0, 1.0])


def test_random_seeds_differ_between_steps_and_processes() -> None:
    seeds = {step_seed(seed=seed, step=step, rank=rank) for seed in (0, 1) for step in range(5) for rank in range(3)}

    assert len(seeds) == 30
    assert max(seeds) < 2**63

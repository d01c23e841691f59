"""Which rows, rates and seeds a step uses: functions of the step alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hostler_contract import Hyperparameters
from hostler_runtime.training.blocks import Blocks, unigram_loss, write_tokens
from hostler_runtime.training.order import RowOrder, learning_rate, step_seed


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
    rate = learning_rate(Hyperparameters(steps=110, batch_size=1, learning_rate=1.0, warmup_steps=10))

    assert rate(step) == pytest.approx(want)


def test_a_warm_up_longer_than_the_run_never_reaches_the_peak() -> None:
    rate = learning_rate(Hyperparameters(steps=10, batch_size=1, learning_rate=1.0, warmup_steps=100))

    assert rate(9) == pytest.approx(0.1)


def test_random_seeds_differ_between_steps_and_processes() -> None:
    seeds = {step_seed(seed=seed, step=step, rank=rank) for seed in (0, 1) for step in range(5) for rank in range(3)}

    assert len(seeds) == 30
    assert max(seeds) < 2**63


def test_blocks_overlap_by_the_token_to_predict(tmp_path: Path) -> None:
    assert write_tokens(tmp_path / "tokens.npy", [[0, 1, 2], [3, 4, 5, 6, 7]], vocabulary_size=300) == 8

    blocks = Blocks(tmp_path / "tokens.npy", context_length=3)

    assert len(blocks) == 2
    assert blocks.batch([1, 0]).tolist() == [[3, 4, 5, 6], [0, 1, 2, 3]]


@pytest.mark.parametrize(("vocabulary", "want"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_tokens_take_the_smallest_type_that_holds_them(vocabulary: int, want: type, tmp_path: Path) -> None:
    write_tokens(tmp_path / "tokens.npy", [[0, 65535]], vocabulary_size=vocabulary)

    assert np.load(tmp_path / "tokens.npy").dtype == want


def test_the_baseline_is_the_entropy_of_frequencies() -> None:
    even = np.arange(1000) % 4

    assert unigram_loss(even, even, vocabulary_size=4) == pytest.approx(np.log(4))
    assert unigram_loss(np.zeros(1000, dtype=int), np.ones(1, dtype=int), vocabulary_size=2) == pytest.approx(
        np.log(1002)
    )

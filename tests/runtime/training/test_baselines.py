"""What models that only count would score, on all tokens and on a sample of them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hostler_runtime.text import baselines
from hostler_runtime.text.sequences import Example, Sequences, write

VOCABULARY = 50


def stored(directory: Path, *, tokens: int, seed: int) -> Sequences:
    """Sequences in which a token says what comes next three times out of four."""
    chance = np.random.default_rng(seed)
    follows = np.where(chance.random(tokens) < 0.75, 1, chance.integers(VOCABULARY, size=tokens))
    stream = np.cumsum(follows) % VOCABULARY
    write((Example(stream[start : start + 40].tolist()) for start in range(0, tokens, 40)), directory,
          context_length=16, vocabulary_size=VOCABULARY)  # fmt: skip
    return Sequences(directory)


def counted(train: Sequences, held_out: Sequences, *, prior: float) -> tuple[float, float]:
    """The same by counting in the plainest way."""
    pairs, unigrams = Counter[tuple[int, int]](), Counter[int]()
    for inputs, targets in (train[index] for index in range(len(train))):
        pairs.update(zip(inputs.tolist(), targets.tolist(), strict=True))
        unigrams.update(targets.tolist())
    begun = Counter[int]()
    for (first, _), count in pairs.items():
        begun[first] += count
    every = sum(unigrams.values()) + VOCABULARY
    losses = np.zeros(2)
    total = 0
    for inputs, targets in (held_out[index] for index in range(len(held_out))):
        for first, second in zip(inputs.tolist(), targets.tolist(), strict=True):
            alone = (unigrams[second] + 1) / every
            losses -= math.log(alone), math.log((pairs[first, second] + prior * alone) / (begun[first] + prior))
            total += 1
    return float(losses[0] / total), float(losses[1] / total)


def test_the_baselines_are_what_plain_counting_gives(tmp_path: Path) -> None:
    train, held_out = stored(tmp_path / "a", tokens=3000, seed=1), stored(tmp_path / "b", tokens=800, seed=2)

    found = baselines.unigram_and_bigram_loss(train, held_out, vocabulary_size=VOCABULARY)

    best = min(counted(train, held_out, prior=prior)[1] for prior in (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0))
    assert found == pytest.approx((counted(train, held_out, prior=1.0)[0], best))


def test_of_a_large_part_a_sample_is_counted_which_scores_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, held_out = stored(tmp_path / "a", tokens=200_000, seed=1), stored(tmp_path / "b", tokens=20_000, seed=2)
    sorted_at_once = []
    genuine = np.unique
    monkeypatch.setattr(
        baselines.np, "unique", lambda pairs, **asked: sorted_at_once.append(len(pairs)) or genuine(pairs, **asked)
    )

    whole = baselines.unigram_and_bigram_loss(train, held_out, vocabulary_size=VOCABULARY)
    sample = baselines.unigram_and_bigram_loss(train, held_out, vocabulary_size=VOCABULARY, most=20_000)

    assert sorted_at_once[0] > 150_000
    assert sum(sorted_at_once[1:]) <= 20_000
    assert sample == pytest.approx(whole, rel=0.05)


def test_a_sample_lies_evenly_over_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler_runtime.text.sequences._SAMPLED", 100)
    write([Example(list(range(10_001)))], tmp_path, context_length=20_000, vocabulary_size=20_000)
    found = [int(inputs[0]) for inputs, _ in Sequences(tmp_path).pairs(most=1000)]

    assert len(found) == 10
    assert found[0] == 0
    assert found[-1] == 9900
    assert {later - earlier for earlier, later in pairwise(found)} == {1100}

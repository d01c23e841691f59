"""What models that only count would score: the least that training must beat."""

from __future__ import annotations

import numpy as np

from hostler_runtime.text.sequences import Sequences

_BACK_OFF = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


def unigram_and_bigram_loss(train: Sequences, held_out: Sequences, *, vocabulary_size: int) -> tuple[float, float]:
    """Nats per target of the held-out part by token frequencies (add-one smoothing) and by frequencies after the token
    before, interpolated with the former (Dirichlet prior; MacKay and Peto 1995). The prior's weight is the one that
    suits the held-out part best, which favours the baseline."""
    frequency = np.ones(vocabulary_size)
    after: dict[str, np.ndarray] = {"pairs": np.empty(0, np.int64), "counts": np.empty(0, np.int64)}
    for inputs, targets in train.pairs():
        frequency += np.bincount(targets, minlength=vocabulary_size)
        after = _merged(after, inputs.astype(np.int64) * vocabulary_size + targets)
    unigram = frequency / frequency.sum()
    begun = np.zeros(vocabulary_size)
    np.add.at(begun, after["pairs"] // vocabulary_size, after["counts"])
    total, weight = np.zeros(1 + len(_BACK_OFF)), 0
    for inputs, targets in held_out.pairs():
        seen = _lookup(after, inputs.astype(np.int64) * vocabulary_size + targets)
        alone = unigram[targets]
        mixed = [(seen + prior * alone) / (begun[inputs] + prior) for prior in _BACK_OFF]
        total -= np.array([np.log(each).sum() for each in (alone, *mixed)])
        weight += len(targets)
    losses = total / max(1, weight)
    return float(losses[0]), float(losses[1:].min())


def _merged(after: dict[str, np.ndarray], pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Counts of pairs, in the order of their numbers."""
    found, counts = np.unique(pairs, return_counts=True)
    keys, places = np.unique(np.concatenate([after["pairs"], found]), return_inverse=True)
    return {"pairs": keys, "counts": np.bincount(places, np.concatenate([after["counts"], counts])).astype(np.int64)}


def _lookup(after: dict[str, np.ndarray], pairs: np.ndarray) -> np.ndarray:
    keys = after["pairs"]
    if not len(keys):
        return np.zeros(len(pairs))
    place = np.searchsorted(keys, pairs).clip(max=len(keys) - 1)
    return np.where(keys[place] == pairs, after["counts"][place], 0).astype(float)

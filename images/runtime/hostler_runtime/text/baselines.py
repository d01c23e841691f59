"""What models that only count would score: the least that training must beat."""

from __future__ import annotations

import numpy as np

from hostler_runtime.text.sequences import Sequences

_BACK_OFF = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
MOST_COUNTED = 1 << 23
"""Tokens of a part that are counted: sorting all pairs of a large dataset takes longer than its tokenization."""


def unigram_and_bigram_loss(
    train: Sequences, held_out: Sequences, *, vocabulary_size: int, most: int = MOST_COUNTED
) -> tuple[float, float]:
    """Nats per target of the held-out part by token frequencies (add-one smoothing) and by frequencies after the token
    before, interpolated with the former (Dirichlet prior; MacKay and Peto 1995). The prior's weight is the one that
    suits the held-out part best, which favours the baseline. At most ``most`` tokens of each part are looked at,
    spread evenly over it."""
    frequency = np.ones(vocabulary_size)
    pairs = [np.empty(0, np.int64)]
    for inputs, targets in train.pairs(most=most):
        frequency += np.bincount(targets, minlength=vocabulary_size)
        pairs.append(inputs.astype(np.int64) * vocabulary_size + targets)
    unigram = frequency / frequency.sum()
    keys, counts = np.unique(np.concatenate(pairs), return_counts=True)
    begun = np.bincount(keys // vocabulary_size, counts, minlength=vocabulary_size)
    total, weight = np.zeros(1 + len(_BACK_OFF)), 0
    for inputs, targets in held_out.pairs(most=most):
        seen = _lookup(keys, counts, inputs.astype(np.int64) * vocabulary_size + targets)
        alone = unigram[targets]
        mixed = [(seen + prior * alone) / (begun[inputs] + prior) for prior in _BACK_OFF]
        total -= np.array([np.log(each).sum() for each in (alone, *mixed)])
        weight += len(targets)
    losses = total / max(1, weight)
    return float(losses[0]), float(losses[1:].min())


def _lookup(keys: np.ndarray, counts: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    if not len(keys):
        return np.zeros(len(pairs))
    place = np.searchsorted(keys, pairs).clip(max=len(keys) - 1)
    return np.where(keys[place] == pairs, counts[place], 0).astype(float)

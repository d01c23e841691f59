"""Which rows a step trains on, and which learning rate and random seed it uses.

All of it is a pure function of the step, so a resumed run needs no position and no generator state from the
checkpoint, and the rows of a step do not depend on how many processes share them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np

from hostler_contract import Hyperparameters

FINAL_LEARNING_RATE_RATIO = 0.1
"""The cosine ends at this share of the peak."""


class RowOrder:
    """Rows in an order that is shuffled anew for each pass over the data."""

    def __init__(self, *, rows: int, batch_size: int, seed: int) -> None:
        self._rows = rows
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def of_step(self, step: int) -> list[int]:
        """The rows of the whole batch of one step; it may span two passes."""
        first = step * self._batch_size
        return [self._row(position) for position in range(first, first + self._batch_size)]

    def _row(self, position: int) -> int:
        epoch, offset = divmod(position, self._rows)
        if epoch != self._epoch:
            self._permutation = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
            self._epoch = epoch
        return int(self._permutation[offset])


def learning_rate(hyperparameters: Hyperparameters) -> Callable[[int], float]:
    """Linear warm-up, then a cosine down to a tenth."""
    peak, warmup, steps = hyperparameters.learning_rate, hyperparameters.warmup_steps, hyperparameters.steps

    def at(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        share = (step - warmup) / max(1, steps - warmup)
        return peak * (
            FINAL_LEARNING_RATE_RATIO + (1 - FINAL_LEARNING_RATE_RATIO) * 0.5 * (1 + math.cos(math.pi * share))
        )

    return at


def step_seed(*, seed: int, step: int, rank: int) -> int:
    """Seed of everything random inside one step of one process (dropout)."""
    digest = hashlib.sha256(f"{seed} {step} {rank}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1

"""Which rows a step trains on, and which learning rate and random seed it uses.

All of it is a pure function of the step, so a resumed run needs no position and no generator state from the
checkpoint, and the rows of a step do not depend on how many processes share them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hostler_contract import Hyperparameters

FINAL_LEARNING_RATE_RATIO = 0.1
"""The cosine ends at this share of the peak."""


@dataclass(frozen=True)
class Span:
    """The steps of one stage: ``first`` is the number of steps done before it."""

    index: int
    first: int
    end: int

    @property
    def steps(self) -> int:
        """How many there are."""
        return self.end - self.first


def spans(shares: Sequence[float], *, steps: int) -> tuple[Span, ...]:
    """Share out the steps of a job: every step once, each stage within one step of its share."""
    total = sum(shares)
    borders = [0]
    for index in range(len(shares)):
        borders.append(round(steps * sum(shares[: index + 1]) / total))
    return tuple(Span(index, borders[index], borders[index + 1]) for index in range(len(shares)))


def span_of(parts: Sequence[Span], *, step: int) -> Span:
    """The stage that does the step after ``step`` steps; the last one when all are done."""
    return next((part for part in parts if part.first <= step < part.end), parts[-1])


class RowOrder:
    """Rows in an order that is shuffled anew for each pass over the data."""

    def __init__(self, *, rows: int, batch_size: int, seed: int, stage: int = 0) -> None:
        self._rows = rows
        self._batch_size = batch_size
        # The first stage's order is what it was when there was only one.
        self._seed = [seed] if stage == 0 else [seed, stage]
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def of_step(self, step: int) -> list[int]:
        """The rows of the whole batch of one step, counted within the stage; it may span two passes."""
        first = step * self._batch_size
        return [self._row(position) for position in range(first, first + self._batch_size)]

    def _row(self, position: int) -> int:
        epoch, offset = divmod(position, self._rows)
        if epoch != self._epoch:
            self._permutation = np.random.default_rng([*self._seed, epoch]).permutation(self._rows)
            self._epoch = epoch
        return int(self._permutation[offset])


def micro_batches(rows: Sequence[int], *, rank: int, world_size: int, accumulation: int) -> list[list[int]]:
    """This process's rows of a step, in as many portions as gradients are accumulated over; none is empty."""
    mine = rows[rank::world_size]
    return [list(mine[start::accumulation]) for start in range(min(accumulation, len(mine)))]


def learning_rate(options: Hyperparameters, *, steps: int, factor: float = 1.0) -> Callable[[int], float]:
    """Linear warm-up, then a cosine down to a tenth, over the steps of one stage."""
    peak, warmup = options.learning_rate * factor, min(options.warmup_steps, steps)

    def at(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        share = (step - warmup) / max(1, steps - warmup)
        return peak * (
            FINAL_LEARNING_RATE_RATIO + (1 - FINAL_LEARNING_RATE_RATIO) * 0.5 * (1 + math.cos(math.pi * share))
        )

    return at


def constant_rate(options: Hyperparameters, *, factor: float = 1.0) -> Callable[[int], float]:
    """The same rate at every step after the warm-up: two players that learn against each other never converge, so
    there is no end to slow down for."""
    peak, warmup = options.learning_rate * factor, options.warmup_steps
    return lambda step: peak * min(1.0, (step + 1) / max(1, warmup))


def step_seed(*, seed: int, step: int, rank: int) -> int:
    """Seed of everything random inside one step of one process (dropout, noise, augmentation)."""
    digest = hashlib.sha256(f"{seed} {step} {rank}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1

"""Ways to lay out the same sequences, each training a model of its own, taking turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hostler_runtime.protocols.training import Batch, LossSum

VOCABULARY, PADDING = 1000, 0


@dataclass(kw_only=True)
class Contender:
    """One way."""

    name: str
    batches: Iterator[Batch]
    model: torch.nn.Module
    loss: Callable[[Any, Batch], LossSum]
    _optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)

    def turn(self, steps: int) -> float:
        """Real tokens per second of processor time over some steps."""
        tokens, began = 0.0, time.process_time()
        for _ in range(steps):
            part = self.loss(self.model, next(self.batches))
            (part.total / part.weight).backward()
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            tokens += part.units or 0.0
        return tokens / (time.process_time() - began)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Contenders, among them "padded" and "packed", over the same sequences."""

    model: str
    contenders: Sequence[Contender]
    rows: dict[str, int]
    """How many rows the sequences take, padded and packed."""

    @property
    def factor(self) -> float:
        """Sequences in a packed row."""
        return self.rows["padded"] / self.rows["packed"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the sequences are like, and how long is measured."""

    sequences: int
    context: int
    mean: float
    """Mean length, in tokens."""
    rows: int
    """Of a batch."""
    steps: int
    """Of a turn."""
    repeats: int


def texts(options: Options, *, longest: int) -> list[np.ndarray]:
    """Token ids with lengths as texts have them: most short, some that fill a row."""
    generator = np.random.default_rng(0)
    lengths = np.minimum(generator.geometric(1 / options.mean, options.sequences) + 1, longest)
    return [generator.integers(2, VOCABULARY, length) for length in lengths]


def shuffled(count: int, *, size: int) -> Iterator[list[int]]:
    """Rows of full batches, forever."""
    generator = np.random.default_rng(1)
    while True:
        order = generator.permutation(count)
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size].tolist()


def take_turns(comparison: Comparison, options: Options) -> dict[str, list[float]]:
    """Tokens per second of each, a value for each repeat, after a turn that warms up."""
    speeds: dict[str, list[float]] = {each.name: [] for each in comparison.contenders}
    for repeat in range(options.repeats + 1):
        for each in comparison.contenders:
            speed = each.turn(options.steps)
            if repeat:
                speeds[each.name].append(speed)
    return speeds

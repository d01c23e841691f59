"""How far two models are from each other, where the same sums were made in another order."""

from __future__ import annotations

from collections.abc import Mapping

import torch

Weights = Mapping[str, torch.Tensor]


def distance(left: Weights, right: Weights) -> float:
    """The Euclidean distance of two models of the same shape."""
    assert left.keys() == right.keys()
    return float(sum(((left[name].double() - right[name].double()) ** 2).sum() for name in right) ** 0.5)


def assert_same_training(found: Weights, wanted: Weights, *, control: Weights) -> None:
    """Found and wanted have learned the same from the same rows, which the control has not: they are apart by a
    fiftieth at most of what the control is.

    No single weight can be held to a bound: where a gradient is zero but for rounding (a bias before a norm, the bias
    of a key), Adam divides rounding by itself and moves the weight a whole step to either side, in each run and on each
    processor differently. There are few of those; over all weights together they weigh little.
    """
    apart, scale = distance(found, wanted), distance(control, wanted)
    assert apart <= scale / 50, f"{apart:.2e} apart, and the control is {scale:.2e} away"

"""Coefficients of :class:`hostler.planning.estimate.priors.Priors` from runs: ridge regression on logarithms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from published import Run

from hostler.planning.estimate.priors import BALANCE, Kind, Priors

PENALTY = 1.0
"""Of each squared coefficient but the first: a kind of which there are three runs is told apart by less than one of
which there are three hundred. In units of a run's squared error of its logarithm."""
NAMES = ("dense", "balance", "experts", "experts_narrow", "attention")
RANGE = 1.73
"""Factor of low and high: high is three times low at most. It is not fitted: quantiles of some frameworks' errors hold
for another one less often than this does (docs/benchmarks/estimate.md)."""


def fit(runs: Sequence[Run]) -> Priors:
    """The priors that these runs make."""
    alike = Counter(map(_alike, runs))
    size = len(NAMES)
    matrix, vector = [[0.0] * size for _ in range(size)], [0.0] * size
    for run in runs:
        features = _features(run)
        # Tables that are published again with each release must not outvote the others.
        weight = 1 / math.sqrt(alike[_alike(run)])
        for i in range(size):
            vector[i] += weight * features[i] * math.log(run.utilization)
            for j in range(size):
                matrix[i][j] += weight * features[i] * features[j]
    for i in range(1, size):
        matrix[i][i] += PENALTY
    found = dict(zip(NAMES, _solve(matrix, vector), strict=True))
    return Priors(
        **found,
        least_balance=min(run.balance for run in runs),
        most_balance=max(run.balance for run in runs),
        least_operations=min(run.operations for run in runs),
        low=1 / RANGE,
        high=RANGE,
        date="",
        runs=len(runs),
        sources=_sources(runs),
    )


def _features(run: Run) -> tuple[float, ...]:
    """In the order of the names."""
    experts = run.kind is Kind.EXPERTS
    narrow = math.log2(run.narrowing) if experts else 0.0
    return (1.0, math.log2(run.balance / BALANCE), float(experts), narrow, run.attention)


def _alike(run: Run) -> tuple[str, ...]:
    return run.framework, run.model, run.accelerator.id, run.precision


def _sources(runs: Iterable[Run]) -> tuple[str, ...]:
    counts = Counter(run.framework for run in runs)
    return tuple(f"{name}: {count} runs" for name, count in sorted(counts.items()))


def _solve(matrix: list[list[float]], vector: list[float]) -> list[float]:
    """Gauss with pivots, of a handful of unknowns."""
    size = len(vector)
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    for column in range(size):
        best = max(range(column, size), key=lambda each: abs(rows[each][column]))
        rows[column], rows[best] = rows[best], rows[column]
        for each in range(column + 1, size):
            factor = rows[each][column] / rows[column][column]
            rows[each] = [a - factor * b for a, b in zip(rows[each], rows[column], strict=True)]
    found = [0.0] * size
    for column in reversed(range(size)):
        known = sum(rows[column][later] * found[later] for later in range(column + 1, size))
        found[column] = (rows[column][size] - known) / rows[column][column]
    return found

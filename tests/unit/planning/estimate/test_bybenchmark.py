"""Standard loads tell of other runs: of their own network best, of other families little, of other sizes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tables import table

from hostler.planning.estimate.bybenchmark import OTHER_FAMILY, SIMILAR_SIZE, predict_by_benchmark
from hostler.planning.estimate.measurements import SAME_FAMILY, SAME_NETWORK, MeasuredRun, Measurements, Shape

SHAPE = Shape(family="bert", objective="pretrain", network="a", precision="auto", batch=8, length=64, packed=True)
OPERATIONS = 1e6
"""Of a unit of the standard load."""
RUN = MeasuredRun(
    run="one", at="2026-11-01T00:00:00Z", units_per_second=400.0, units_per_step=400.0, operations_per_second=4e8
)
KNOWN: Measurements = {SHAPE: (RUN,)}


@table(
    ("shape", "operations", "expected", "spread"),
    {
        "the load itself": (SHAPE, OPERATIONS, 400.0, SAME_NETWORK),
        "on two devices": (replace(SHAPE, devices=2, batch=16), OPERATIONS, 800.0, SAME_NETWORK),
        "a network of twice the operations": (replace(SHAPE, network="b"), 2 * OPERATIONS, 200.0, SAME_FAMILY),
        "another family": (replace(SHAPE, family="chat", network="c"), 4 * OPERATIONS, 100.0, OTHER_FAMILY),
    },
)
def test_the_nearer_it_is_the_less_doubt(shape: Shape, operations: float, expected: float, spread: float) -> None:
    found = predict_by_benchmark(KNOWN, shape, operations_per_unit=operations)
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(expected)
    assert found.units_per_second.high / found.units_per_second.expected == pytest.approx(spread)
    assert found.units_per_second.expected / found.units_per_second.low == pytest.approx(spread)


@table(
    ("shape", "operations"),
    {
        "a network far larger": (replace(SHAPE, network="b"), 2 * SIMILAR_SIZE * OPERATIONS),
        "one far smaller": (replace(SHAPE, network="b"), OPERATIONS / SIMILAR_SIZE / 2),
        "one whose operations nobody knows": (replace(SHAPE, network="b"), None),
        "another precision": (replace(SHAPE, network="b", precision="fp32"), OPERATIONS),
        "an adapter": (replace(SHAPE, network="b", adapter=True), OPERATIONS),
    },
)
def test_what_is_not_like_it_is_not_told(shape: Shape, operations: float | None) -> None:
    assert predict_by_benchmark(KNOWN, shape, operations_per_unit=operations) is None


def test_of_other_families_the_median_counts() -> None:
    others = {
        replace(SHAPE, family=name): (
            replace(RUN, run=name, operations_per_second=speed, units_per_second=speed / 1e6),
        )
        for name, speed in (("bert", 1e8), ("code", 3e8), ("speech", 9e8))
    }
    found = predict_by_benchmark(others, replace(SHAPE, family="chat"), operations_per_unit=OPERATIONS)
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(300.0)
    assert found.units_per_step is None

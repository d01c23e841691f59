"""Simulated devices that are slower than cores."""

from __future__ import annotations

import pytest
from tables import table

from hostler_contract.simulation import SPEED_ENV
from hostler_runtime.training.throttle import Throttle

WEIGHTS, UNITS = 1_000_000, 500.0
"""Three billion operations."""


@table(
    ("told", "took", "want"),
    {
        "the device takes longer than the cores": ("1", 2.0, [1.0]),
        "however long they took, the step is as long": ("1", 0.5, [2.5]),
        "cores that are slower than the device are not held up": ("1", 4.0, []),
        "half the speed takes twice as long": ("0.5", 2.0, [4.0]),
        "of nothing that makes sense, nothing follows": ("fast", 2.0, []),
        "nor of no speed at all": ("0", 2.0, []),
        "nor of one without end": ("nan", 2.0, []),
        "on real devices nobody says anything": (None, 2.0, []),
    },
)
def test_how_long_a_step_is_held_up(told: str | None, took: float, want: list[float]) -> None:
    moments, pauses = iter([0.0, 5.0, 5.0 + took]), list[float]()
    environment = {} if told is None else {SPEED_ENV: told}
    throttle = Throttle(environment, now=lambda: next(moments), sleep=pauses.append)
    throttle.begin()
    throttle.end(weights=WEIGHTS, units=UNITS)
    assert pauses == [pytest.approx(each) for each in want]

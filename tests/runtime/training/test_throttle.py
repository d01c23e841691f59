"""Simulated devices that are slower than cores."""

from __future__ import annotations

import pytest
from tables import table

from hostler_contract.simulation import SHARE_ENV
from hostler_runtime.training.throttle import Throttle


@table(
    ("said", "want"),
    {
        "a whole core is not held up": ("1", []),
        "half a core takes as long again": ("0.5", [2.0]),
        "a tenth of one takes nine times as long again": ("0.1", [18.0]),
        "of nothing that makes sense, nothing follows": ("fast", []),
        "nobody is faster than a core": ("3", []),
        "no share at all is none": ("0", []),
        "on real devices nobody says anything": (None, []),
    },
)
def test_how_long_a_step_is_held_up(said: str | None, want: list[float]) -> None:
    moments, pauses = iter([0.0, 5.0, 7.0]), list[float]()
    environment = {} if said is None else {SHARE_ENV: said}
    throttle = Throttle(environment, spent=lambda: next(moments), sleep=pauses.append)
    throttle.begin()
    throttle.end()
    assert pauses == [pytest.approx(each) for each in want]

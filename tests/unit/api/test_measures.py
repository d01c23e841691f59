"""Figures with their unit beside them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tables import table

from hostler.api.measures import Measurement, Money
from hostler.api.trainingjob import TrainingJobStatus


@table(
    ("given", "want"),
    {
        "as it is written": ({"value": "9423", "unit": "tokens/s"}, ("9423", "tokens/s")),
        "a speed of an earlier release": ("9423 tokens/s", ("9423", "tokens/s")),
        "a latency": ("3.1ms", ("3.1", "ms")),
        "a small energy": ("1.2e-05Wh", ("1.2e-05", "Wh")),
    },
)
def test_a_figure_and_its_unit(given: Any, want: tuple[str, str]) -> None:
    found = Measurement.model_validate(given)
    assert (found.value, found.unit) == want


def test_a_sum_of_an_earlier_release() -> None:
    assert Money.model_validate("3.35 EUR") == Money(amount="3.35", currency="EUR")


@pytest.mark.parametrize("given", ["fast", "", "12", 12])
def test_what_is_no_figure_with_a_unit(given: Any) -> None:
    with pytest.raises(ValidationError):
        Measurement.model_validate(given)


def test_the_status_of_a_job_that_ran_before_an_upgrade_is_read() -> None:
    status = TrainingJobStatus.model_validate(
        {
            "progress": {"speed": "5310 tokens/s"},
            "target": {
                "metric": "loss",
                "value": "3",
                "step": 1,
                "seconds": "9",
                "energy": "400Wh",
                "cost": "3.60 EUR",
            },
        }
    )
    assert status.progress is not None
    assert status.progress.speed == Measurement(value="5310", unit="tokens/s")
    assert status.target is not None
    assert status.target.cost == Money(amount="3.60", currency="EUR")

"""What a time is told to cost, in energy and money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from builders import make_pool
from fakes import FakeCluster
from floor import view_of
from tables import table

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.estimate.money import energy_of, price_of
from hostler.planning.estimate.result import Range
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.spending import spending

PRICE = {"amount": "3.6", "currency": "EUR", "source": "contract", "date": "2026-01-31"}
SECONDS = Range(low=30.0, expected=90.0, high=3601.0)


def pool(kind: str = "nvidia-a100-80", *, simulated: str = "", **spec: Any) -> PoolView:
    """A pool of one node."""
    cluster = FakeCluster()
    labels = {"hostler.dev/pool": "pool", **({"hostler.dev/simulated": simulated} if simulated else {})}
    node = cluster.node("node", labels=labels, devices={} if kind == "cpu" else {"nvidia.com/gpu": 8})
    parsed = AcceleratorPoolSpec.model_validate(make_pool("pool", acceleratorType=kind, **spec)["spec"])
    return view_of(read_pool("pool", parsed), node)


@table(
    ("step", "want"),
    {
        "to the second": ("Second", ("0.06", "0.18", "7.202")),
        "to the minute": ("Minute", ("0.12", "0.24", "7.32")),
        "to the hour, of which two are begun at worst": ("Hour", ("7.2", "7.2", "14.4")),
    },
)
def test_each_total_is_rounded_up_to_the_billing_step(step: str, want: tuple[str, str, str]) -> None:
    view = pool(price=PRICE | {"billingStep": step})
    found = price_of(view, SECONDS, devices=2)
    assert found is not None
    assert found.total == tuple(map(Decimal, want))
    assert (found.per_minute, found.per_hour, found.currency) == (Decimal("0.12"), Decimal("7.2"), "EUR")
    for seconds, total in zip((SECONDS.low, SECONDS.expected, SECONDS.high), found.total, strict=True):
        assert spending(view, units=2, seconds=seconds).amount == total


def test_there_is_no_price_where_the_pool_has_none() -> None:
    assert price_of(pool(), SECONDS, devices=2) is None


def test_cores_cost_what_their_pool_says() -> None:
    found = price_of(pool("cpu", price=PRICE), SECONDS, devices=3)
    assert found is not None
    assert found.per_hour == Decimal("10.8")


def test_energy_is_at_rated_power_and_says_so() -> None:
    found = energy_of(pool(), Range(low=1800.0, expected=3600.0, high=7200.0), devices=2)
    assert found is not None
    assert found.kilowatt_hours.low == pytest.approx(0.4)
    assert found.kilowatt_hours.expected == pytest.approx(0.8)
    assert found.kilowatt_hours.high == pytest.approx(1.6)
    assert not found.measured
    assert "2 x 400 W, the rated power of A100" in found.because


@pytest.mark.parametrize("view", [pool(), pool("cpu"), pool(simulated="true")])
def test_measured_power_goes_before_what_is_rated(view: PoolView) -> None:
    found = energy_of(view, Range(low=3600.0, expected=3600.0, high=3600.0), devices=2, watts=250.0)
    assert found is not None
    assert found.measured
    assert found.kilowatt_hours.expected == pytest.approx(0.5)
    assert found.because == "2 x 250 W, as measured"


@table(
    "view",
    {
        "of cores nobody knows the power": pool("cpu"),
        "simulated devices draw none": pool(simulated="true"),
    },
)
def test_energy_that_nobody_knows(view: PoolView) -> None:
    assert energy_of(view, SECONDS, devices=2) is None


@pytest.mark.parametrize("watts", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_power_is_refused(watts: float) -> None:
    with pytest.raises(ValueError, match="above 0 watts"):
        energy_of(pool(), SECONDS, devices=2, watts=watts)

"""Energy and money, where somebody knows the figures that they follow from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from builders import make_pool
from fakes import FakeCluster
from floor import view_of
from tables import table

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.spending import spending

PRICE = {"amount": "3.6", "currency": "EUR", "source": "contract", "date": "2026-01-31"}


def pool(kind: str = "nvidia-a100-80", *, simulated: str = "", **spec: Any) -> PoolView:
    """A pool of one node."""
    cluster = FakeCluster()
    labels = {"hostler.dev/pool": "pool", **({"hostler.dev/simulated": simulated} if simulated else {})}
    node = cluster.node("node", labels=labels, devices={} if kind == "cpu" else {"nvidia.com/gpu": 8})
    parsed = AcceleratorPoolSpec.model_validate(make_pool("pool", acceleratorType=kind, **spec)["spec"])
    return view_of(read_pool("pool", parsed), node)


@table(
    ("view", "seconds", "want_energy", "want_amount"),
    {
        "an hour of two cards": (pool(price=PRICE), 3600.0, 0.8, "7.2"),
        "a second of two cards": (pool(price=PRICE), 1.0, 0.8 / 3600, "0.002"),
        "a begun minute is a minute": (pool(price=PRICE | {"billingStep": "Minute"}), 61.0, 0.8 * 61 / 3600, "0.24"),
        "a begun hour is an hour": (pool(price=PRICE | {"billingStep": "Hour"}), 61.0, 0.8 * 61 / 3600, "7.2"),
        "without a price there is no cost": (pool(), 3600.0, 0.8, None),
        "cores have no rated power": (pool("cpu", price=PRICE), 3600.0, None, "7.2"),
        "simulated cards draw nothing": (
            pool(simulated="true", price=PRICE),
            3600.0,
            None,
            "7.2",
        ),
    },
)
def test_what_a_time_costs(view: PoolView, seconds: float, want_energy: float | None, want_amount: str | None) -> None:
    found = spending(view, units=2, seconds=seconds)
    assert found.kilowatt_hours == (None if want_energy is None else pytest.approx(want_energy))
    assert found.amount == (None if want_amount is None else Decimal(want_amount))
    assert (found.currency == "EUR") == (want_amount is not None)

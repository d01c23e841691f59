"""Series read from the caches: pools, watches, and the operator's own instruments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hostler.metrics.domain import DomainCollector, WatchCollector
from hostler.metrics.lines import NAMESPACES, PoolLine
from hostler.metrics.operator import OperatorMetrics

Object = dict[str, Any]


class Cache:
    """Objects by kind; nothing changes."""

    def __init__(self, **objects: list[Object]) -> None:
        self._objects = objects

    def list(self, kind: str) -> list[Object]:
        return self._objects.get(kind, [])

    def count(self, kind: str) -> int:
        return len(self.list(kind))

    def subscribe(self, listener: Callable[[Any], None]) -> None:
        pass


def samples(collector: Any) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


LINES = ("waiting", "overdue", "unusable", "quotas", "namespace")
"""How names of series of a line begin."""


def pool_series(*pools: Object, lines: dict[str, PoolLine] | None = None) -> dict[str, float]:
    """What a leader shows of pools, by the name of the metric and its labels: of their lines where those are given,
    else of what they have."""
    cache = Cache(AcceleratorPool=list(pools))
    collector = DomainCollector(
        cache, leading=lambda: True, states={}, lines=lambda: lines or {}, obstacles=("QuotaExceeded",)
    )
    found = {name.removeprefix("hostler_pool_"): value for name, value in samples(collector).items()}
    return {
        name: value
        for name, value in found.items()
        if not name.startswith("hostler_") and name.startswith(LINES) == (lines is not None)
    }


def make_pool(*, spec: Object | None = None, status: Object | None = None) -> Object:
    return {
        "metadata": {"name": "gpu"},
        "spec": {"acceleratorType": "nvidia-a100-80", **(spec or {})},
        **({} if status is None else {"status": status}),
    }


EUROS = {"amount": "1.50", "currency": "EUR"}
GPU = 'pool="gpu",type="nvidia-a100-80"'


@pytest.mark.parametrize(
    ("pool", "want"),
    [
        pytest.param(make_pool(), {}, id="a pool that nobody has counted yet has no figure"),
        pytest.param(
            make_pool(
                status={
                    "capacity": 8,
                    "allocatable": 7,
                    "inUse": 3,
                    "reserved": 4,
                    "unhealthy": 1,
                    "largestFreeBlock": 2,
                    "conditions": [{"type": "Ready", "status": "False", "reason": "DevicesUnhealthy"}],
                }
            ),
            {
                f"capacity{{{GPU}}}": 8,
                f"allocatable{{{GPU}}}": 7,
                f"in_use{{{GPU}}}": 3,
                f"reserved{{{GPU}}}": 4,
                f"unhealthy{{{GPU}}}": 1,
                f"largest_free_block{{{GPU}}}": 2,
                f"ready{{{GPU}}}": 0,
            },
            id="all figures of a pool that is not ready",
        ),
        pytest.param(
            make_pool(status={"conditions": [{"type": "Ready", "status": "True", "reason": "DevicesAvailable"}]}),
            {f"ready{{{GPU}}}": 1},
            id="a ready pool",
        ),
        pytest.param(
            make_pool(spec={"quota": {"accelerators": 6}}), {f"quota{{{GPU}}}": 6}, id="a quota is known before a count"
        ),
        pytest.param(
            make_pool(spec={"price": EUROS}, status={"inUse": 3}),
            {f"in_use{{{GPU}}}": 3, f'cost_per_hour{{currency="EUR",{GPU}}}': 4.5},
            id="what is held has its price",
        ),
        pytest.param(
            make_pool(spec={"price": EUROS}, status={"inUse": 0}),
            {f"in_use{{{GPU}}}": 0, f'cost_per_hour{{currency="EUR",{GPU}}}': 0},
            id="nothing held costs nothing, which is a figure",
        ),
        pytest.param(make_pool(spec={"price": EUROS}), {}, id="what is not counted has no price"),
        pytest.param(
            make_pool(spec={"price": EUROS}, status={"inUse": 3, "simulated": True}),
            {f"in_use{{{GPU}}}": 3},
            id="simulated devices are worth no price",
        ),
        pytest.param(
            make_pool(spec={"price": {"amount": "dear", "currency": "EUR"}}, status={"inUse": 3}),
            {f"in_use{{{GPU}}}": 3},
            id="a price that is no number, which an older CRD may have let in",
        ),
    ],
)
def test_a_pool_shows_what_is_known_and_nothing_else(pool: Object, want: dict[str, float]) -> None:
    assert pool_series(pool) == want


def test_a_pool_shows_its_line_and_a_pool_that_is_not_there_makes_no_series() -> None:
    line = PoolLine(
        waiting={"WaitingForCapacity": 3},
        waiting_of={"team-a": 2, "team-b": 1},
        held={"team-b": 8},
        used_lately={"team-b": 0.25},
        overdue_seconds=90.0,
        unusable=2,
        below_quota=1,
    )
    assert pool_series(make_pool(), lines={"gpu": line, "gone": line}) == {
        'waiting{pool="gpu",reason="WaitingForCapacity",type="nvidia-a100-80"}': 3,
        'waiting{pool="gpu",reason="QuotaExceeded",type="nvidia-a100-80"}': 0,
        f"overdue_seconds{{{GPU}}}": 90,
        f"unusable_free{{{GPU}}}": 2,
        f"quotas_below_nominal{{{GPU}}}": 1,
        'namespace_reserved{namespace="team-b",pool="gpu"}': 8,
        'namespace_waiting{namespace="team-a",pool="gpu"}': 2,
        'namespace_waiting{namespace="team-b",pool="gpu"}': 1,
        'namespace_share{namespace="team-b",pool="gpu"}': 0.25,
    }


def test_where_nobody_waits_that_is_a_figure() -> None:
    assert pool_series(make_pool(), lines={}) == {
        'waiting{pool="gpu",reason="QuotaExceeded",type="nvidia-a100-80"}': 0,
        f"overdue_seconds{{{GPU}}}": 0,
        f"unusable_free{{{GPU}}}": 0,
        f"quotas_below_nominal{{{GPU}}}": 0,
    }


def test_namespaces_beyond_the_largest_are_one_series_together() -> None:
    held = {f"team-{number:02}": number for number in range(1, 31)}
    found = pool_series(make_pool(), lines={"gpu": PoolLine(held=held)})
    shown = {name: value for name, value in found.items() if name.startswith("namespace_reserved")}
    assert len(shown) == NAMESPACES + 1
    assert shown['namespace_reserved{namespace="",pool="gpu"}'] == sum(range(1, 11))
    assert shown['namespace_reserved{namespace="team-30",pool="gpu"}'] == 30


def test_a_standby_shows_nothing_or_everything_would_count_twice() -> None:
    pool = make_pool(status={"capacity": 8})
    assert samples(DomainCollector(Cache(AcceleratorPool=[pool]), leading=lambda: False, states={})) == {}


def test_watches() -> None:
    found = samples(
        WatchCollector(Cache(Pod=[{}, {}]), kinds=["Pod"], ages=lambda: {"Pod": 1.5}, restarts=lambda: {"Pod": 4})
    )
    assert found == {
        'hostler_operator_watch_age_seconds{kind="Pod"}': 1.5,
        'hostler_operator_watch_restarts_total{kind="Pod"}': 4,
        'hostler_operator_store_objects{kind="Pod"}': 2,
    }


def test_results_are_there_from_the_start() -> None:
    metrics = OperatorMetrics()
    metrics.preset({"TrainingJob": ("success", "error")})
    metrics.reconciled("TrainingJob", "error", 0.2)
    value = metrics.registry.get_sample_value
    assert value("hostler_operator_reconcile_total", {"kind": "TrainingJob", "result": "success"}) == 0
    assert value("hostler_operator_reconcile_total", {"kind": "TrainingJob", "result": "error"}) == 1
    assert value("hostler_operator_leader") == 0
    metrics.lead()
    assert value("hostler_operator_leader") == 1

"""Series that a scrape reads from the caches: objects, pools, watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hostler.metrics import names
from hostler.metrics.lines import PoolLine, line_metrics
from hostler.metrics.objects import Change, ObjectMetrics

Object = dict[str, Any]

_POOL_FIGURES = (
    (names.POOL_CAPACITY, "capacity", "Accelerators of a pool, healthy or not."),
    (names.POOL_ALLOCATABLE, "allocatable", "Healthy accelerators of a pool on nodes that take pods."),
    (names.POOL_IN_USE, "inUse", "Accelerators of a pool that pods hold."),
    (names.POOL_RESERVED, "reserved", "Accelerators of a pool that are promised to admitted jobs and services."),
    (names.POOL_UNHEALTHY, "unhealthy", "Accelerators of a pool that exist but cannot be allocated."),
    (names.POOL_LARGEST_FREE_BLOCK, "largestFreeBlock", "Most free accelerators on one node of a pool."),
)
"""Series, field of a pool's status, and what it means."""


class Cache(Protocol):
    """What is read of the store."""

    def list(self, kind: str) -> list[Object]:
        """Cached objects."""

    def count(self, kind: str) -> int:
        """Their number."""

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        """Call this with every change from now on."""


class DomainCollector(Collector):
    """Jobs, services and pools; only the leader shows them, or replicas would count everything twice.

    To be made while the cache is empty: what it holds already is not counted.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        leading: Callable[[], bool],
        states: Mapping[str, Iterable[str]],
        failure_reasons: Iterable[str] = (),
        objects: ObjectMetrics | None = None,
        lines: Callable[[], Mapping[str, PoolLine]] = dict,
        obstacles: Iterable[str] = (),
    ) -> None:
        self._cache = cache
        self._leading = leading
        self._lines = lines
        self._obstacles = tuple(obstacles)
        self._objects = objects or ObjectMetrics(states=states, failure_reasons=failure_reasons)
        cache.subscribe(self._objects.changed)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry must not read the caches at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the caches."""
        if not self._leading():
            return
        yield from self._objects.collect()
        pools = self._cache.list("AcceleratorPool")
        yield from pool_metrics(pools)
        of_type = ((pool, kind) for pool, kind in map(_labels, pools))
        yield from line_metrics(of_type, self._lines(), reasons=self._obstacles)


def pool_metrics(pools: Iterable[Object]) -> Iterator[Metric]:
    """What the pools have, hold and cost. What nobody has counted yet has no figure; zero would be a lie."""
    found = [(_labels(pool), pool["spec"], pool.get("status") or {}) for pool in pools]
    for name, field, text in _POOL_FIGURES:
        family = GaugeMetricFamily(name, text, labels=["pool", "type"])
        for labels, _, status in found:
            if (value := status.get(field)) is not None:
                family.add_metric(labels, value)
        yield family
    ready = GaugeMetricFamily(names.POOL_READY, "1 when a pool is Ready, else 0.", labels=["pool", "type"])
    quota = GaugeMetricFamily(names.POOL_QUOTA, "Accelerators that Hostler may use of it.", labels=["pool", "type"])
    cost = GaugeMetricFamily(
        names.POOL_COST, "Price of the accelerators that pods hold.", labels=["pool", "type", "currency"]
    )
    for labels, spec, status in found:
        if (is_ready := _is_ready(status)) is not None:
            ready.add_metric(labels, is_ready)
        if (limit := (spec.get("quota") or {}).get("accelerators")) is not None:
            quota.add_metric(labels, limit)
        if (price := _price_per_hour(spec, status)) is not None:
            cost.add_metric([*labels, spec["price"]["currency"]], price)
    yield from (ready, quota, cost)


def _labels(pool: Object) -> list[str]:
    return [pool["metadata"]["name"], str(pool["spec"].get("acceleratorType", ""))]


def _is_ready(status: Object) -> bool | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    return None


def _price_per_hour(spec: Object, status: Object) -> float | None:
    """Of what is held; None without a price or a count, and for simulated devices, which are worth none."""
    price, held = spec.get("price"), status.get("inUse")
    if not price or held is None or status.get("simulated"):
        return None
    try:
        return float(Decimal(str(price["amount"])) * int(held))
    except (InvalidOperation, KeyError):
        return None


class WatchCollector(Collector):
    """How alive the watches are, and how much they brought."""

    def __init__(
        self,
        cache: Cache,
        *,
        kinds: Iterable[str],
        ages: Callable[[], Mapping[str, float]],
        restarts: Callable[[], Mapping[str, int]],
    ) -> None:
        self._cache = cache
        self._kinds = tuple(kinds)
        self._ages = ages
        self._restarts = restarts

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry must not read the watches at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the watches."""
        age = GaugeMetricFamily(names.WATCH_AGE, "Seconds since a watch last said anything.", labels=["kind"])
        for kind, seconds in self._ages().items():
            age.add_metric([kind], seconds)
        restarts = CounterMetricFamily(
            names.WATCH_RESTARTS, "Watches that had to begin with a new list.", labels=["kind"]
        )
        for kind, count in self._restarts().items():
            restarts.add_metric([kind], count)
        objects = GaugeMetricFamily(names.STORE_OBJECTS, "Objects in the cache.", labels=["kind"])
        for kind in self._kinds:
            objects.add_metric([kind], self._cache.count(kind))
        yield from (age, restarts, objects)

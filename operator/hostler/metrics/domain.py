"""Series that are read from the caches at each scrape: objects by state, pools, watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hostler.metrics import names

Object = dict[str, Any]
NO_STATE = "Unknown"
"""State of an object that nobody has looked at yet."""


class Cache(Protocol):
    """What is read of the store."""

    def list(self, kind: str) -> list[Object]:
        """Cached objects."""

    def count(self, kind: str) -> int:
        """Their number."""


class DomainCollector(Collector):
    """Jobs, services and pools; only the leader shows them, or replicas would count everything twice."""

    def __init__(self, cache: Cache, *, leading: Callable[[], bool], states: Mapping[str, Iterable[str]]) -> None:
        self._cache = cache
        self._leading = leading
        self._states = states

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry must not read the caches at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the caches."""
        if not self._leading():
            return
        yield self._by_state("TrainingJob", names.TRAINING_JOBS, "TrainingJobs by state (reason of Ready).")
        yield self._by_state("InferenceService", names.INFERENCE_SERVICES, "InferenceServices by state.")
        yield from self._pools()

    def _by_state(self, kind: str, name: str, text: str) -> Metric:
        found = Counter(state_of(obj) for obj in self._cache.list(kind))
        family = GaugeMetricFamily(name, text, labels=["state"])
        for state in sorted({NO_STATE, *self._states.get(kind, ()), *found}):
            family.add_metric([state], found[state])
        return family

    def _pools(self) -> Iterator[Metric]:
        fields = (
            (names.POOL_CAPACITY, "capacity", "Accelerators of a pool, healthy or not."),
            (names.POOL_IN_USE, "inUse", "Accelerators of a pool that pods hold."),
            (names.POOL_UNHEALTHY, "unhealthy", "Accelerators of a pool that exist but cannot be allocated."),
        )
        pools = self._cache.list("AcceleratorPool")
        for name, field, text in fields:
            family = GaugeMetricFamily(name, text, labels=["pool", "type"])
            for pool in pools:
                value = (pool.get("status") or {}).get(field)
                # A pool that nobody has counted yet has no figure; zero would be a lie.
                if value is not None:
                    family.add_metric([pool["metadata"]["name"], pool["spec"]["acceleratorType"]], value)
            yield family


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


def state_of(obj: Object) -> str:
    """The reason of an object's Ready condition."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return str(condition.get("reason") or NO_STATE)
    return NO_STATE

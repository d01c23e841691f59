"""Series read from the caches."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from hostler.metrics.domain import DomainCollector, WatchCollector
from hostler.metrics.operator import OperatorMetrics

Object = dict[str, Any]


class Cache:
    def __init__(self, **objects: list[Object]) -> None:
        self._objects = objects

    def list(self, kind: str) -> list[Object]:
        return self._objects.get(kind, [])

    def count(self, kind: str) -> int:
        return len(self.list(kind))


def with_state(reason: str | None) -> Object:
    conditions = [{"type": "Accepted", "reason": "Other"}]
    if reason is not None:
        conditions.append({"type": "Ready", "reason": reason})
    return {"metadata": {"name": "x"}, "status": {"conditions": conditions}}


def samples(collector: Any) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def domain(cache: Cache, *, leading: bool = True) -> dict[str, float]:
    return samples(DomainCollector(cache, leading=lambda: leading, states={"TrainingJob": ("Training", "Failed")}))


def test_objects_are_counted_by_the_reason_of_ready() -> None:
    jobs = [with_state("Training"), with_state("Training"), with_state("FromAnotherRelease"), with_state(None)]
    found = domain(Cache(TrainingJob=jobs))
    assert found['hostler_trainingjobs{state="Training"}'] == 2
    assert found['hostler_trainingjobs{state="Failed"}'] == 0, "a state without objects is zero, not absent"
    assert found['hostler_trainingjobs{state="FromAnotherRelease"}'] == 1
    assert found['hostler_trainingjobs{state="Unknown"}'] == 1


def test_pools_show_their_figures_and_what_is_not_counted_yet_is_absent() -> None:
    counted = {"capacity": 8, "inUse": 3, "unhealthy": 1}
    pools = [
        {"metadata": {"name": "gpu"}, "spec": {"acceleratorType": "nvidia-a100-80"}, "status": counted},
        {"metadata": {"name": "new"}, "spec": {"acceleratorType": "cpu"}},
    ]
    found = {name: value for name, value in domain(Cache(AcceleratorPool=pools)).items() if "pool=" in name}
    labels = '{pool="gpu",type="nvidia-a100-80"}'
    assert found == {
        f"hostler_pool_capacity{labels}": 8,
        f"hostler_pool_in_use{labels}": 3,
        f"hostler_pool_unhealthy{labels}": 1,
    }


def test_a_standby_shows_nothing_or_everything_would_count_twice() -> None:
    assert domain(Cache(TrainingJob=[with_state("Training")]), leading=False) == {}


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

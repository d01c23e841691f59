"""AcceleratorPool: what the nodes really offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from pydantic import ValidationError

from hostler.api.benchmark import PoolBenchmark
from hostler.api.pool import AcceleratorPoolSpec, AcceleratorPoolStatus, PoolCondition, PoolReason
from hostler.cluster.store import Change
from hostler.controllers.benchmarks import BenchmarksOfPools, benchmark_of, told_benchmarks
from hostler.controllers.estimates import FreshRuns, RunsOfPools, merged, run_of
from hostler.controllers.plan import Plan, write_status
from hostler.controllers.ports import Admission, Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import Said, change, conditions, no, yes
from hostler.controllers.validity import invalid_spec_sentence
from hostler.planning.benchmarks.records import ImageOf
from hostler.planning.pools import PoolView, describe, describe_price, describe_quotas

INTERVAL_SECONDS = 2.0
_READY = frozenset({PoolReason.DEVICES_AVAILABLE, PoolReason.SCALED_TO_ZERO})
_WARNINGS = frozenset(reason.value for reason in {*PoolReason} - _READY - {PoolReason.WITHIN_CAPACITY})


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """What jobs have shown and a pool's status does not have yet."""

    runs: FreshRuns = field(default_factory=list)
    benchmarks: tuple[PoolBenchmark, ...] = ()


NOTHING = Fresh()


class PoolController:
    """Writes nothing but status, and that at most once in an interval, however many pods come and go."""

    kind = "AcceleratorPool"

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        admission: Admission,
        image_of: ImageOf,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._admission = admission
        self._interval = interval
        self._counted: dict[str, float] = {}
        self._image_of = image_of
        self._runs = RunsOfPools()
        self._benchmarks = BenchmarksOfPools()

    async def reconcile(self, key: Key) -> Outcome:
        """Count again."""
        pool = self._reader.get(self.kind, name=key.name)
        if pool is None or pool["metadata"].get("deletionTimestamp"):
            self._counted.pop(key.name, None)
            return Outcome()
        now = self._clock.monotonic()
        left = self._counted.get(key.name, -INTERVAL_SECONDS) + self._interval - now
        if left > 0 and _speaks_of_spec(pool):
            return Outcome(requeue_after=left)
        self._counted[key.name] = now
        view = self._admission.view(key.name)
        # A pool that cannot be read now writes nothing of them down: they wait.
        fresh = NOTHING if view is None else self._fresh(key.name)
        try:
            plan = decide(pool, view=view, fresh=fresh, image_of=self._image_of, now=self._clock.now())
            return await write_status(self._writer, pool, plan)
        except BaseException:
            self._runs.give_back(key.name, fresh.runs)
            self._benchmarks.give_back(key.name, fresh.benchmarks)
            raise

    def _fresh(self, pool: str) -> Fresh:
        return Fresh(runs=self._runs.take(pool), benchmarks=self._benchmarks.take(pool))

    def affected(self, change: Change) -> Iterable[Key]:
        """The pool itself, and that of a job that has measured something; that its nodes and pods have changed is told
        by admission."""
        if change.kind == "TrainingJob" and change.new is not None and not _has_measured(change.old):
            return self._measured(change.new)
        if change.kind != self.kind:
            return []
        return [Key(self.kind, "", obj["metadata"]["name"]) for obj in (change.old, change.new) if obj is not None]

    def _measured(self, job: Object) -> list[Key]:
        benchmark = benchmark_of(job)
        if benchmark is not None:
            # Not a measurement beside: standard loads would push out the shapes of those who work here.
            self._benchmarks.put(*benchmark)
            return [Key(self.kind, "", benchmark[0])]
        found = run_of(job)
        if found is None:
            return []
        pool, shape, run = found
        self._runs.put(pool, shape, run)
        return [Key(self.kind, "", pool)]


def _has_measured(job: Object | None) -> bool:
    return job is not None and "actual" in ((job.get("status") or {}).get("estimate") or {})


def _speaks_of_spec(pool: Object) -> bool:
    """Whether the status is of this spec: if not, it does not wait."""
    return bool((pool.get("status") or {}).get("observedGeneration") == pool["metadata"].get("generation"))


def decide(pool: Object, *, view: PoolView | None, now: str, image_of: ImageOf, fresh: Fresh = NOTHING) -> Plan:
    """The status of a pool as it is now; ``view`` is None where its spec cannot be read."""
    before = AcceleratorPoolStatus.model_validate(pool.get("status") or {})
    if view is None:
        return _plan(pool, before, {PoolCondition.READY: no(PoolReason.INVALID_SPEC, _unreadable(pool))}, {}, now=now)
    reason, sentence = describe(view)
    said = yes(reason, sentence) if reason in _READY else no(reason, sentence)
    figures = _figures(view)
    figures["measurements"] = merged(before.measurements, fresh.runs, now=now)
    figures["benchmarks"] = told_benchmarks(before.benchmarks, fresh.benchmarks, view=view, image_of=image_of, now=now)
    conditions_now = {PoolCondition.READY: said, **_of_quotas(view), **_of_price(view, now)}
    return _plan(pool, before, conditions_now, figures, now=now)


def _of_quotas(view: PoolView) -> dict[str, Said]:
    found = describe_quotas(view)
    if found is None:
        return {}
    reason, sentence = found
    fit = reason is PoolReason.WITHIN_CAPACITY
    return {PoolCondition.QUOTAS_FIT: yes(reason, sentence) if fit else no(reason, sentence)}


def _of_price(view: PoolView, now: str) -> dict[str, Said]:
    found = describe_price(view.pool.spec.price, today=date.fromisoformat(now[:10]))
    return {} if found is None else {PoolCondition.PRICE_DATED: no(*found)}


def _unreadable(pool: Object) -> str:
    try:
        AcceleratorPoolSpec.model_validate(pool["spec"])
    except ValidationError as error:
        return invalid_spec_sentence(error)
    return "spec: it was not looked at yet."


def _figures(view: PoolView) -> dict[str, object]:
    if view.pool.problem is not None:
        return {
            "resource_name": None, "nodes": len(view.nodes), "capacity": 0, "allocatable": 0, "in_use": 0,
            "unhealthy": 0, "largest_free_block": 0, "reserved": view.held, "simulated": view.simulated,
        }  # fmt: skip
    return {
        "resource_name": view.pool.resource,
        "nodes": len(view.nodes),
        "capacity": view.capacity,
        "allocatable": view.allocatable,
        "in_use": view.in_use,
        "reserved": view.held,
        "unhealthy": max(0, view.capacity - view.allocatable),
        "largest_free_block": view.largest_free_block,
        "simulated": view.simulated,
    }


def _plan(
    pool: Object, before: AcceleratorPoolStatus, said: Mapping[str, Said], figures: dict[str, object], *, now: str
) -> Plan:
    generation = int(pool["metadata"].get("generation") or 0)
    # What is not said any more goes: quotas were removed.
    kept = tuple(condition for condition in before.conditions if condition.type in said)
    after = conditions(kept, said, generation=generation, now=now)
    status = before.model_copy(update={"observed_generation": generation, "conditions": after, **figures})
    return Plan(
        status=status.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, after, warnings=_WARNINGS),
    )

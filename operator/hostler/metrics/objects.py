"""Objects of ours by state, who waits for what, and what failed: kept up to date from the store's changes.

A scrape reads what is counted already, so that it costs the event loop milliseconds whatever the number of objects.
Labels that name an object are bounded: the longest-waiting and the most incomplete ones are shown, and how many were
left out is a series of its own.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from hostler.metrics import names
from hostler.metrics.facts import NO_STATE, STATES, WAITING, Facts, Replicas, Waiting, facts_of

Object = dict[str, Any]
Name = tuple[str, str]
"""Namespace and name."""

LONGEST = 50
"""Waiting objects of a kind that are shown by name."""
SERVICES = 500
"""Services that are shown by name."""

_BY_STATE = {
    "TrainingJob": (names.TRAINING_JOBS, "TrainingJobs by state (reason of Ready)."),
    "InferenceService": (names.INFERENCE_SERVICES, "InferenceServices by state (reason of Ready)."),
    "Dataset": (names.DATASETS, "Datasets by state (reason of Ready)."),
    "Model": (names.MODELS, "Models by state (reason of Ready)."),
    "AcceleratorPool": (names.POOLS, "Pools by state (reason of Ready)."),
}


class Change(Protocol):
    """``hostler.cluster.store.Change``."""

    @property
    def kind(self) -> str:
        """Kind of the object."""

    @property
    def new(self) -> Object | None:
        """The object now; None for a deletion."""

    @property
    def old(self) -> Object | None:
        """The object before; None for what was unknown."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Failures so far, as this process saw them happen."""

    restarts: Counter[str]
    """Attempts of jobs that were replaced, by reason."""
    failures: Counter[str]
    """Jobs that failed for good, by reason."""
    replica_failures: Counter[str]
    """Replicas of services that stopped with an error, by reason."""


class ObjectMetrics:
    """:meth:`changed` takes news in, in constant time; :meth:`collect` tells."""

    def __init__(
        self,
        *,
        states: Mapping[str, Iterable[str]],
        failure_reasons: Iterable[str] = (),
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._known = {kind: tuple(known) for kind, known in states.items()}
        self._utc = utc
        self._facts: dict[str, dict[Name, Facts]] = {kind: {} for kind in STATES}
        self._states: dict[str, Counter[str]] = {kind: Counter() for kind in STATES}
        self._waiting: dict[str, dict[Name, Waiting]] = {kind: {} for kind in WAITING}
        self._reasons: dict[str, Counter[str]] = {kind: Counter() for kind in WAITING}
        self._services: dict[Name, Replicas] = {}
        # At zero from the start, so that a rate has a beginning.
        zero = dict.fromkeys(failure_reasons, 0)
        self.counted = Counted(restarts=Counter(zero), failures=Counter(zero), replica_failures=Counter(zero))

    def changed(self, change: Change) -> None:
        """One change of the store."""
        known = self._facts.get(change.kind)
        if known is None:
            return
        obj = change.new or change.old
        assert obj is not None
        metadata = obj["metadata"]
        name = (metadata.get("namespace", ""), metadata["name"])
        before = known.pop(name, None)
        if before is not None:
            self._uncount(change.kind, name, before)
        if change.new is None:
            return
        now = facts_of(change.kind, change.new)
        known[name] = now
        self._count(change.kind, name, now)
        if before is not None and change.old is not None and _same_object(change.old, change.new):
            self._tell_apart(change.kind, before, now)

    def collect(self) -> Iterator[Metric]:
        """All series."""
        yield from (self._by_state(kind) for kind in STATES)
        yield self._by_reason()
        omitted = GaugeMetricFamily(
            names.OMITTED, "Objects that a metric leaves out, to stay bounded.", labels=["metric"]
        )
        yield self._longest(omitted)
        yield from self._replicas(omitted)
        yield omitted
        yield _counter(names.RESTARTS, "Attempts that failed and were replaced.", self.counted.restarts)
        yield _counter(names.FAILURES, "TrainingJobs that failed for good.", self.counted.failures)
        yield _counter(names.REPLICA_FAILURES, "Replicas that stopped with an error.", self.counted.replica_failures)

    def _count(self, kind: str, name: Name, facts: Facts) -> None:
        self._states[kind][facts.state] += 1
        if facts.waiting is not None:
            self._waiting[kind][name] = facts.waiting
            self._reasons[kind][facts.waiting.reason] += 1
        if facts.replicas is not None:
            self._services[name] = facts.replicas

    def _uncount(self, kind: str, name: Name, facts: Facts) -> None:
        self._states[kind][facts.state] -= 1
        if facts.waiting is not None:
            self._waiting[kind].pop(name, None)
            self._reasons[kind][facts.waiting.reason] -= 1
        if facts.replicas is not None:
            self._services.pop(name, None)

    def _tell_apart(self, kind: str, before: Facts, now: Facts) -> None:
        reason = now.failure[0] or NO_STATE
        if kind == "TrainingJob":
            self.counted.restarts[reason] += max(0, now.restarts - before.restarts)
            if now.stalled and not before.stalled:
                self.counted.failures[now.stalled] += 1
        elif kind == "InferenceService" and now.failure != before.failure and now.failure[0]:
            self.counted.replica_failures[reason] += 1

    def _by_state(self, kind: str) -> Metric:
        name, text = _BY_STATE[kind]
        found = self._states[kind]
        family = GaugeMetricFamily(name, text, labels=["state"])
        present = {state for state, count in found.items() if count}
        for state in sorted({NO_STATE, *self._known.get(kind, ()), *present}):
            family.add_metric([state], found[state])
        return family

    def _by_reason(self) -> Metric:
        family = GaugeMetricFamily(names.WAITING, "Objects that wait, by reason.", labels=["kind", "reason"])
        for kind, reasons in self._reasons.items():
            for reason, count in sorted(reasons.items()):
                if count:
                    family.add_metric([kind, reason], count)
        return family

    def _longest(self, omitted: GaugeMetricFamily) -> Metric:
        family = GaugeMetricFamily(
            names.WAITING_SECONDS,
            "Seconds that an object has waited, for the longest-waiting ones.",
            labels=["kind", "namespace", "name", "reason"],
        )
        now = self._utc()
        left_out = 0
        for kind, waiting in self._waiting.items():
            shown = heapq.nsmallest(LONGEST, waiting.items(), key=lambda entry: entry[1].since)
            left_out += len(waiting) - len(shown)
            for (namespace, name), wait in shown:
                family.add_metric([kind, namespace, name, wait.reason], _seconds(wait.since, now=now))
        omitted.add_metric([names.WAITING_SECONDS], left_out)
        return family

    def _replicas(self, omitted: GaugeMetricFamily) -> Iterator[Metric]:
        labels = ["namespace", "service"]
        desired = GaugeMetricFamily(names.DESIRED_REPLICAS, "Replicas that a service wants.", labels=labels)
        ready = GaugeMetricFamily(names.READY_REPLICAS, "Replicas of a service that are ready.", labels=labels)
        ever = GaugeMetricFamily(
            names.EVER_READY, "1 once a replica of a service was ready for the first time, 0 before.", labels=labels
        )
        shown = heapq.nlargest(SERVICES, self._services.items(), key=lambda entry: entry[1].missing)
        for (namespace, name), replicas in shown:
            desired.add_metric([namespace, name], replicas.desired)
            ready.add_metric([namespace, name], replicas.ready)
            ever.add_metric([namespace, name], float(replicas.ever_ready))
        omitted.add_metric([names.DESIRED_REPLICAS], len(self._services) - len(shown))
        yield from (desired, ready, ever)


def _counter(name: str, text: str, found: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["reason"])
    for reason, count in sorted(found.items()):
        family.add_metric([reason], count)
    return family


def _same_object(old: Object, new: Object) -> bool:
    """Whether this is news of the object that was there, not of another one under its name."""
    return bool(old["metadata"].get("uid") == new["metadata"].get("uid"))


def _seconds(since: str, *, now: datetime) -> float:
    """How long ago; 0 where the other clock is ahead of ours, or the time cannot be read."""
    try:
        begun = datetime.fromisoformat(since)
    except ValueError:
        return 0.0
    return max(0.0, (now - begun).total_seconds())

"""The operator's instruments. Labels are kinds, verbs and results, never names of objects: their number is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import product
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from hostler.metrics import names


class QueueMeter:
    """``hostler.cluster.queue.QueueMetrics`` as Prometheus series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._depth = Gauge(names.QUEUE_DEPTH, "Keys that wait for a worker.", registry=registry)
        self._adds = Counter(names.QUEUE_ADDS, "Keys that came into line.", registry=registry)
        self._retries = Counter(names.QUEUE_RETRIES, "Keys that come back because of a failure.", registry=registry)
        self._latency = Histogram(
            names.QUEUE_LATENCY, "Seconds in line.", buckets=names.SHORT_BUCKETS, registry=registry
        )
        self._work = Histogram(
            names.QUEUE_WORK, "Seconds in a worker's hands.", buckets=names.SHORT_BUCKETS, registry=registry
        )

    def added(self) -> None:
        """A key came into line."""
        self._adds.inc()

    def depth(self, waiting: int) -> None:
        """How many keys are in line now."""
        self._depth.set(waiting)

    def waited(self, seconds: float) -> None:
        """A key left the line."""
        self._latency.observe(seconds)

    def worked(self, seconds: float) -> None:
        """A key left a worker's hands."""
        self._work.observe(seconds)

    def retried(self) -> None:
        """A key will come back because of a failure."""
        self._retries.inc()


class ProbeMeter:
    """``hostler.operator.prober.ProbeMetrics`` as Prometheus series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._probes = Counter(names.PROBES, "Questions to pods by result.", ["result"], registry=registry)
        self._in_flight = Gauge(names.PROBES_IN_FLIGHT, "Questions to pods that are open.", registry=registry)

    def preset(self, results: Iterable[str]) -> None:
        """Have series at zero from the start."""
        for result in results:
            self._probes.labels(result)

    def probed(self, result: str) -> None:
        """One question is over."""
        self._probes.labels(result).inc()

    def probing(self, in_flight: int) -> None:
        """How many questions are open now."""
        self._in_flight.set(in_flight)


class CostMeter:
    """``hostler.controllers.costledger.CostMetrics`` as Prometheus series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["namespace", "pool", "kind"]
        self._money = Counter(names.COST, "What workloads have cost.", [*labels, "currency"], registry=registry)
        self._seconds = Counter(names.DEVICE_SECONDS, "Devices held, times seconds.", labels, registry=registry)

    def spent(self, *, namespace: str, pool: str, kind: str, device_seconds: int, money: Mapping[str, Decimal]) -> None:
        """So much more than was known before."""
        self._seconds.labels(namespace, pool, kind).inc(device_seconds)
        for currency, amount in money.items():
            self._money.labels(namespace, pool, kind, currency).inc(float(amount))


class AdmissionMeter:
    """``hostler.controllers.ports.AdmissionMetrics`` as Prometheus series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._passes = Histogram(
            names.ADMISSION_PASS, "Seconds of a pass of admission.", buckets=names.SHORT_BUCKETS, registry=registry
        )
        self._waits = Histogram(
            names.ADMISSION_WAIT,
            "Seconds from coming into line to a seat.",
            ["kind"],
            buckets=names.LINE_BUCKETS,
            registry=registry,
        )
        self._lost = Counter(names.SEATS_LOST, "Workloads whose seats were taken back.", ["reason"], registry=registry)
        self._backfills = Counter(
            names.BACKFILLS, "Workloads that started before one that comes before them in line.", registry=registry
        )
        self._preemptions = Counter(
            names.PREEMPTIONS, "Workloads that were told to leave for another one.", ["reason"], registry=registry
        )
        labels = ["kind", "forecast"]
        self._errors = Histogram(
            names.FORECAST_ERROR,
            "Seconds from the expected start to the start.",
            labels,
            buckets=names.ERROR_BUCKETS,
            registry=registry,
        )
        self._ratios = Histogram(
            names.FORECAST_RATIO,
            "Time from a forecast to the start, as a multiple of what was foretold.",
            labels,
            buckets=names.RATIO_BUCKETS,
            registry=registry,
        )
        self._forecasts = Counter(
            names.FORECASTS, "Forecasts whose start has come.", [*labels, "covered"], registry=registry
        )

        self._estimate_ratios = Histogram(
            names.ESTIMATE_RATIO,
            "Time that a job took, as a multiple of what was estimated.",
            ["basis"],
            buckets=names.RATIO_BUCKETS,
            registry=registry,
        )
        self._estimates = Counter(
            names.ESTIMATES, "Estimates of jobs that have succeeded.", ["basis", "covered"], registry=registry
        )

    def preset(self, *, kinds: Iterable[str], losses: Iterable[str], preemptions: Iterable[str] = ()) -> None:
        """Have series at zero from the start."""
        for reason in preemptions:
            self._preemptions.labels(reason)
        for kind, forecast, covered in product(kinds := tuple(kinds), ("first", "last"), ("true", "false")):
            self._forecasts.labels(kind, forecast, covered)
            self._errors.labels(kind, forecast)
            self._ratios.labels(kind, forecast)
        for kind in kinds:
            self._waits.labels(kind)
        for loss in losses:
            self._lost.labels(loss)
        for basis, covered in product(("Measured", "Benchmark", "Published", "Peak"), ("true", "false")):
            self._estimates.labels(basis, covered)
            self._estimate_ratios.labels(basis)

    def passed(self, seconds: float) -> None:
        """One pass over everybody in line."""
        self._passes.observe(seconds)

    def admitted(self, kind: str, waited: float) -> None:
        """A workload of this kind has a seat."""
        self._waits.labels(kind).observe(waited)

    def lost(self, reason: str) -> None:
        """A workload has lost its seats."""
        self._lost.labels(reason).inc()

    def backfilled(self) -> None:
        """A workload starts before one that comes before it in line."""
        self._backfills.inc()

    def preempted(self, reason: str) -> None:
        """A workload was told to leave for another one."""
        self._preemptions.labels(reason).inc()

    def forecast(self, kind: str, which: str, error: ForecastError) -> None:
        """A workload has a seat, and this is how right its first or last forecast was."""
        self._errors.labels(kind, which).observe(error.seconds)
        self._ratios.labels(kind, which).observe(error.ratio)
        self._forecasts.labels(kind, which, "true" if error.covered else "false").inc()

    def estimated(self, judged: JudgedEstimate) -> None:
        """A job has succeeded, and this is how right its estimate was."""
        self._estimate_ratios.labels(judged.basis).observe(judged.ratio)
        self._estimates.labels(judged.basis, "true" if judged.covered else "false").inc()


class JudgedEstimate(Protocol):
    """``hostler.controllers.ports.JudgedEstimate``."""

    @property
    def basis(self) -> str:
        """Where the estimate came from."""

    @property
    def ratio(self) -> float:
        """The time that the job took by the expected one."""

    @property
    def covered(self) -> bool:
        """Whether it was between low and high."""


class ForecastError(Protocol):
    """``hostler.planning.forecasterror.ForecastError``."""

    @property
    def seconds(self) -> float:
        """How much later than expected it started."""

    @property
    def ratio(self) -> float:
        """The time from the forecast to the start, as a multiple of the time that was foretold."""

    @property
    def covered(self) -> bool:
        """Whether it started between low and high."""


class OperatorMetrics:
    """All instruments on one registry of their own."""

    def __init__(self) -> None:
        # A second series for each counter, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        self.queue = QueueMeter(registry)
        self.probes = ProbeMeter(registry)
        self.admission = AdmissionMeter(registry)
        self.cost = CostMeter(registry)
        self._leader = Gauge(names.LEADER, "1 while this replica holds the Lease.", registry=registry)
        self._leader.set(0)
        self._reconciles = Counter(
            names.RECONCILES, "Finished reconciles by result.", ["kind", "result"], registry=registry
        )
        self._reconcile_duration = Histogram(
            names.RECONCILE_DURATION,
            "Seconds of a reconcile.",
            ["kind"],
            buckets=names.SHORT_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(names.API_REQUESTS, "Requests to the API server.", ["verb", "code"], registry=registry)
        self._request_duration = Histogram(
            names.API_DURATION,
            "Seconds until the API server's answer.",
            ["verb"],
            buckets=names.SHORT_BUCKETS,
            registry=registry,
        )
        self._skipped = Counter(
            names.WRITES_SKIPPED, "Writes that would have changed nothing.", ["verb"], registry=registry
        )
        self._events_dropped = Counter(names.EVENTS_DROPPED, "Events that were not written.", registry=registry)
        self._sweep_deletions = Counter(
            names.SWEEP_DELETIONS, "Deletions that no watch had told.", ["kind"], registry=registry
        )
        self._lag = Gauge(names.LOOP_LAG, "Longest recent delay of the event loop in seconds.", registry=registry)
        self._busy = Gauge(
            names.LOOP_BUSY, "Most processor time that the event loop used in a row, in seconds.", registry=registry
        )

    def preset(self, kinds: Mapping[str, tuple[str, ...]]) -> None:
        """Have series at zero from the start, for kinds and their results, so that rates have a beginning."""
        for kind, results in kinds.items():
            for result in results:
                self._reconciles.labels(kind, result)

    def request(self, verb: str, code: str, seconds: float) -> None:
        """One request to the API server."""
        self._requests.labels(verb, code).inc()
        self._request_duration.labels(verb).observe(seconds)

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One reconcile."""
        self._reconciles.labels(kind, result).inc()
        self._reconcile_duration.labels(kind).observe(seconds)

    def write_skipped(self, verb: str) -> None:
        """A write that was not needed."""
        self._skipped.labels(verb).inc()

    def event_dropped(self) -> None:
        """An Event that was not written."""
        self._events_dropped.inc()

    def swept(self, kind: str, deletions: int) -> None:
        """What a sweep found to be gone."""
        self._sweep_deletions.labels(kind).inc(deletions)

    def lead(self) -> None:
        """This replica leads now."""
        self._leader.set(1)

    def follow(self) -> None:
        """This replica does not lead any more."""
        self._leader.set(0)

    def lagged(self, seconds: float, busy: float) -> None:
        """The longest recent delay of the event loop, and the most that it computed in a row."""
        self._lag.set(seconds)
        self._busy.set(busy)

"""The server's Prometheus metrics. Labels come from the configuration or a closed list, never from a request."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from hostler_contract import ServingConfig
from hostler_contract import metrics as names
from hostler_runtime.server.observer import Run
from hostler_runtime.server.units import TOKENS_TEXT, UnitMetrics


class ServingMetrics:
    """All metrics of one replica; also the ``Observer`` of measured requests. Any thread may call it."""

    def __init__(self, config: ServingConfig, *, revision: str) -> None:
        # A second series beside every one, with a time that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        values = {
            "namespace": config.namespace,
            "service": config.service,
            "model": config.model,
            "family": config.family,
            "task": config.task,
            "accelerator": config.accelerator,
            "revision": revision,
        }
        self._labels = [values[label] for label in names.SERVING_LABELS]
        self._request_duration = self._histogram(
            names.REQUEST_DURATION, "From the request's arrival to the last byte of its answer.",
            names.REQUEST_BUCKETS, extra=(names.CODE_LABEL,),
        )  # fmt: skip
        self._queued = self._histogram(
            names.QUEUE_DURATION, "From being queued to joining a batch.", names.REQUEST_BUCKETS
        ).labels(*self._labels)
        self._batch = self._histogram(
            names.BATCH_SIZE, "Requests or sequences in one run of the model.", names.BATCH_SIZE_BUCKETS
        ).labels(*self._labels)
        self._in_flight = Gauge(
            names.REQUESTS_IN_FLIGHT, "Requests received and not yet answered, waiting ones included.",
            names.SERVING_LABELS, registry=self.registry,
        ).labels(*self._labels)  # fmt: skip
        self._tokens: _TokenMetrics | None = None
        self._units = UnitMetrics(self.registry, self._labels)
        # A series that exists from the start lets rate() see the first request.
        self._request_duration.labels(*self._labels, "200")

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *, extra: tuple[str, ...] = ()) -> Histogram:
        return Histogram(name, text, (*names.SERVING_LABELS, *extra), buckets=buckets, registry=self.registry)

    def request_started(self) -> None:
        """A request arrived."""
        self._in_flight.inc()

    def request_finished(self, *, code: int, seconds: float) -> None:
        """A request was answered; 499 stands for a client that went away."""
        self._in_flight.dec()
        self._request_duration.labels(*self._labels, str(code)).observe(seconds)

    def serves_tokens(self) -> None:
        """The loaded model generates token by token: let the series of that exist from now on."""
        self._tokens = _TokenMetrics(self.registry, self._labels)

    def run(self, run: Run) -> None:
        """The model ran over a batch."""
        self._batch.observe(run.size)
        self._units.count(run)

    def sampled(self, run: Run) -> None:
        """The model ran over the sample request, which is not counted but shows in which units it will be."""
        self._units.announce(run)

    def queued(self, seconds: float) -> None:
        """A request or sequence joined a batch."""
        self._queued.observe(seconds)

    def first_token(self, seconds: float) -> None:
        """A sequence got its first token."""
        if self._tokens is not None:
            self._tokens.first.observe(seconds)

    def next_token(self, seconds: float) -> None:
        """A sequence got another token."""
        if self._tokens is not None:
            self._tokens.next.observe(seconds)

    def tokens(self, *, input: int = 0, output: int = 0) -> None:
        """Tokens were processed or generated."""
        if self._tokens is not None:
            self._tokens.input.inc(input)
            self._tokens.output.inc(output)


class _TokenMetrics:
    """Of models that generate token by token."""

    def __init__(self, registry: CollectorRegistry, labels: Sequence[str]) -> None:
        self.first = Histogram(
            names.TIME_TO_FIRST_TOKEN, "From the request's arrival to its first generated token, streamed or not.",
            names.SERVING_LABELS, buckets=names.TIME_TO_FIRST_TOKEN_BUCKETS, registry=registry,
        ).labels(*labels)  # fmt: skip
        self.next = Histogram(
            names.INTER_TOKEN_LATENCY, "Between two tokens of one sequence.",
            names.SERVING_LABELS, buckets=names.INTER_TOKEN_LATENCY_BUCKETS, registry=registry,
        ).labels(*labels)  # fmt: skip
        tokens = Counter(
            names.TOKENS_TOTAL, TOKENS_TEXT, (*names.SERVING_LABELS, names.TOKEN_TYPE_LABEL), registry=registry
        )
        self.input = tokens.labels(*labels, "input")
        self.output = tokens.labels(*labels, "output")

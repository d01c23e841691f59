"""The server's Prometheus metrics. Labels come from the configuration or a closed list, never from a request."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from hostler_contract import ServingConfig
from hostler_contract import metrics as names


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
        self._first_token = self._histogram(
            names.TIME_TO_FIRST_TOKEN, "From the request's arrival to its first generated token, streamed or not.",
            names.TIME_TO_FIRST_TOKEN_BUCKETS,
        ).labels(*self._labels)  # fmt: skip
        self._next_token = self._histogram(
            names.INTER_TOKEN_LATENCY, "Between two tokens of one sequence.", names.INTER_TOKEN_LATENCY_BUCKETS
        ).labels(*self._labels)
        self._queued = self._histogram(
            names.QUEUE_DURATION, "From being queued to joining the running batch.", names.REQUEST_BUCKETS
        ).labels(*self._labels)
        self._batch = self._histogram(
            names.BATCH_SIZE, "Sequences in one step of the model.", names.BATCH_SIZE_BUCKETS
        ).labels(*self._labels)
        self._in_flight = Gauge(
            names.REQUESTS_IN_FLIGHT, "Requests received and not yet answered, waiting ones included.",
            names.SERVING_LABELS, registry=self.registry,
        ).labels(*self._labels)  # fmt: skip
        tokens = Counter(
            names.TOKENS_TOTAL, "Tokens of prompts that were processed (input) and tokens generated (output).",
            (*names.SERVING_LABELS, names.TOKEN_TYPE_LABEL), registry=self.registry,
        )  # fmt: skip
        self._input = tokens.labels(*self._labels, "input")
        self._output = tokens.labels(*self._labels, "output")
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

    def batch(self, size: int) -> None:
        """One step of the model ran."""
        self._batch.observe(size)

    def queued(self, seconds: float) -> None:
        """A sequence joined the batch."""
        self._queued.observe(seconds)

    def first_token(self, seconds: float) -> None:
        """A sequence got its first token."""
        self._first_token.observe(seconds)

    def next_token(self, seconds: float) -> None:
        """A sequence got another token."""
        self._next_token.observe(seconds)

    def tokens(self, *, input: int = 0, output: int = 0) -> None:
        """Tokens were processed or generated."""
        if input:
            self._input.inc(input)
        if output:
            self._output.inc(output)


class Unmeasured:
    """The observer of the sample request, which is no user's and must not colour the figures."""

    def queued(self, seconds: float) -> None: ...
    def first_token(self, seconds: float) -> None: ...
    def next_token(self, seconds: float) -> None: ...
    def tokens(self, *, input: int = 0, output: int = 0) -> None: ...

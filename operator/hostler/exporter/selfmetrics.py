"""What the exporter says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge

from hostler.exporter.scrape import ScrapeFailure
from hostler_contract.metrics import EXPORTER_SCRAPE_DURATION, EXPORTER_SCRAPE_ERRORS, EXPORTER_TARGET_UP


class SelfMetrics:
    """Errors, durations and reachability by target."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._errors = Counter(
            EXPORTER_SCRAPE_ERRORS, "Questions that got no usable answer.", ["target", "reason"], registry=registry
        )
        self._duration = Gauge(
            EXPORTER_SCRAPE_DURATION, "Seconds that the last question took.", ["target"], registry=registry
        )
        self._up = Gauge(
            EXPORTER_TARGET_UP, "1 if the last question was answered, else 0.", ["target"], registry=registry
        )

    @contextmanager
    def timed(self, target: str, monotonic: Callable[[], float]) -> Iterator[None]:
        """Measures one question, answered or not."""
        start = monotonic()
        try:
            yield
        finally:
            self._duration.labels(target).set(monotonic() - start)

    def result(self, target: str, failure: ScrapeFailure | None) -> None:
        """Records how a question ended."""
        self._up.labels(target).set(0 if failure else 1)
        if failure is not None:
            self._errors.labels(target, failure.value).inc()

    def forget(self, target: str) -> None:
        """A target that turned out not to be on this node leaves no series behind."""
        for metric in (self._duration, self._up):
            with suppress(KeyError):
                metric.remove(target)

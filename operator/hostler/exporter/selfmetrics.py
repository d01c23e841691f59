"""What the exporter says of itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge

from hostler.exporter.scrape import ScrapeFailure
from hostler_contract.metrics import (
    EXPORTER_DEVICES,
    EXPORTER_SCRAPE_DURATION,
    EXPORTER_SCRAPE_ERRORS,
    EXPORTER_TARGET_UP,
    EXPORTER_UNMATCHED_DEVICES,
)


class SelfMetrics:
    """Errors, durations and reachability by target, and what became of the node's devices."""

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
        self._devices = Gauge(EXPORTER_DEVICES, "Devices and slices that are published.", registry=registry)
        self._unmatched = Gauge(
            EXPORTER_UNMATCHED_DEVICES,
            "Devices of the kubelet that could be none of those that the vendor's exporter names.",
            ["resource"],
            registry=registry,
        )
        self._targets: set[str] = set()

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
        self._targets.add(target)
        self._up.labels(target).set(0 if failure else 1)
        if failure is not None:
            self._errors.labels(target, failure.value).inc()

    def found(self, devices: int, *, unmatched: Mapping[str, int]) -> None:
        """Records how many devices are published, and by resource how many ids stand for none of the exporter's."""
        self._devices.set(devices)
        self._unmatched.clear()
        for resource, count in unmatched.items():
            self._unmatched.labels(resource).set(count)

    def keep(self, targets: Collection[str]) -> None:
        """Forgets every other target: its last word would stand for ever."""
        for target in self._targets - set(targets):
            self.forget(target)

    def forget(self, target: str) -> None:
        """A target that turned out not to be on this node leaves no series behind."""
        self._targets.discard(target)
        for metric in (self._duration, self._up):
            with suppress(KeyError):
                metric.remove(target)

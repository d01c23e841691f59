"""What the exporter's tests share: recorded texts, a kubelet and a clock of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from hostler.exporter.collector import Collector
from hostler.exporter.facts import Device
from hostler.exporter.parse import Samples, parse
from hostler.exporter.scrape import ScrapeError, ScrapeFailure
from hostler.exporter.selfmetrics import SelfMetrics
from hostler.exporter.targets import Targets, parse_target, simulator_url
from hostler.kubelet.podresources import DeviceId, Holder, PodResourcesError

NODE = "10.1.2.3"
TEXTS = Path(__file__).parent / "texts"


def text(name: str) -> str:
    """A recorded text of a vendor's exporter."""
    return (TEXTS / f"{name}.prom").read_text(encoding="utf-8")


def samples(name: str) -> Samples:
    """The same, parsed."""
    return parse(text(name))


@dataclass
class Kubelet:
    """Answers from memory; ``down`` makes it silent."""

    healthy: dict[str, list[str]] = field(default_factory=dict)
    held: dict[tuple[str, str], Holder] = field(default_factory=dict)
    down: bool = False

    async def allocatable(self) -> frozenset[DeviceId]:
        self._check()
        return frozenset(DeviceId(resource, each) for resource, ids in self.healthy.items() for each in ids)

    async def holders(self) -> dict[DeviceId, Holder]:
        self._check()
        return {DeviceId(*key): holder for key, holder in self.held.items()}

    def _check(self) -> None:
        if self.down:
            raise PodResourcesError("kubelet.sock", "UNAVAILABLE: gone")


@dataclass
class Web:
    """Texts by URL; what is not there refuses the connection."""

    pages: dict[str, str] = field(default_factory=dict)
    failures: Mapping[str, ScrapeFailure] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> Samples:
        self.asked.append(url)
        if url in self.pages:
            return parse(self.pages[url])
        raise ScrapeError(url, self.failures.get(url, ScrapeFailure.CONNECTION), "refused")


@dataclass
class Clock:
    """Time that only the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A collector with everything around it in the test's hands."""

    def __init__(self, kubelet: Kubelet, web: Web, *, targets: Sequence[str] = ()) -> None:
        self.clock, self.kubelet, self.web, self.registry = Clock(), kubelet, web, CollectorRegistry()
        self.collector = Collector(
            targets=Targets(
                explicit=tuple(map(parse_target, targets)), node_ip=NODE, simulator_url=simulator_url(NODE)
            ),
            kubelet=kubelet,
            fetch=web.fetch,
            monotonic=self.clock,
            metrics=SelfMetrics(self.registry),
        )

    async def devices(self) -> dict[str, Device]:
        """What a scrape finds, later than the last one; fails where a device is there twice."""
        self.clock.now += 10
        found = await self.collector.devices()
        by_name = {device.device: device for device in found}
        assert len(by_name) == len(found), [device.device for device in found]
        return by_name

    def unmatched(self, resource: str) -> float | None:
        return self.registry.get_sample_value("hostler_exporter_unmatched_devices", {"resource": resource})

    def count(self) -> float | None:
        return self.registry.get_sample_value("hostler_exporter_devices")

    def errors(self, target: str, reason: ScrapeFailure) -> float:
        name = "hostler_exporter_scrape_errors_total"
        return self.registry.get_sample_value(name, {"target": target, "reason": reason.value}) or 0

    def up(self, target: str) -> float | None:
        return self.registry.get_sample_value("hostler_exporter_target_up", {"target": target})

"""What the exporter's tests share: recorded texts, a kubelet and a clock of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostler.exporter.parse import Samples, parse
from hostler.exporter.scrape import ScrapeError, ScrapeFailure
from hostler.kubelet.podresources import DeviceId, Holder, PodResourcesError

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

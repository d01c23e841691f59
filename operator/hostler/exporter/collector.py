"""Gathers once per scrape what the node's exporters and its kubelet say, and keeps it for a moment."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hostler.exporter.facts import Device, ResourceFacts
from hostler.exporter.join import Joined, match
from hostler.exporter.parse import Samples
from hostler.exporter.reading import Reading, cores_per_device, read
from hostler.exporter.scrape import ScrapeError, ScrapeFailure
from hostler.exporter.selfmetrics import SelfMetrics
from hostler.exporter.targets import Targets, mapping_of
from hostler.exporter.units import Unit
from hostler.kubelet.podresources import DeviceId, Holder, PodResourcesError
from hostler_contract.metrics import SIMULATOR_INFO

log = logging.getLogger(__name__)

KUBELET = "kubelet"
"""The kubelet's name among the targets."""

KEEP_KUBELET_SECONDS = 60.0
"""Allocations survive a kubelet restart, so its last answer is better than none for as long as one takes."""


class Kubelet(Protocol):
    """What :class:`hostler.kubelet.podresources.PodResources` offers."""

    async def holders(self) -> dict[DeviceId, Holder]:
        """Every device that a container holds."""

    async def allocatable(self) -> frozenset[DeviceId]:
        """Every healthy device."""


@dataclass(frozen=True)
class KubeletView:
    """The kubelet's last answer."""

    at: float
    allocatable: frozenset[DeviceId]
    holders: Mapping[DeviceId, Holder]

    @property
    def resources(self) -> set[str]:
        """Everything that device plugins of this node hand out."""
        return {device.resource for device in (*self.allocatable, *self.holders)}


@dataclass
class Collector:
    """Devices of this node. Concurrent scrapes share one round of questions."""

    targets: Targets
    kubelet: Kubelet
    fetch: Callable[[str], Awaitable[Samples]]
    monotonic: Callable[[], float]
    metrics: SelfMetrics
    keep_seconds: float = 2.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _devices: Sequence[Device] = ()
    _gathered_at: float | None = None
    _view: KubeletView | None = None
    _known: set[DeviceId] = field(default_factory=set)
    _handed_out: set[str] = field(default_factory=set)
    _down: set[str] = field(default_factory=set)
    _unmatched: set[str] = field(default_factory=set)

    async def devices(self) -> Sequence[Device]:
        """Every device of the node, no older than ``keep_seconds``."""
        async with self._lock:
            if self._gathered_at is None or self.monotonic() - self._gathered_at >= self.keep_seconds:
                self._devices = await self._gather()
                self._gathered_at = self.monotonic()
            return self._devices

    async def _gather(self) -> list[Device]:
        view = await self._ask_kubelet()
        resources = sorted(self._resources(view))
        wanted = {url for resource in resources for url in self.targets.urls(resource)}
        if self.targets.simulator_url and resources:
            wanted.add(self.targets.simulator_url)
        answers, failures = await self._ask_exporters(sorted(wanted))
        self._count(resources, answers, failures)
        devices: list[Device] = []
        unmatched: list[Unit] = []
        for facts in self._together(resources, view, answers):
            joined = match(*facts)
            self._forget_replaced(facts, joined)
            devices += joined.devices
            unmatched += joined.unmatched
        self._report_unmatched(unmatched, devices=len(devices))
        return devices

    def _forget_replaced(self, facts: Iterable[ResourceFacts], joined: Joined) -> None:
        """A new partitioning has new ids; the old ones are remembered only while nobody can tell whether it was one."""
        told = {fact.resource for fact in facts if fact.readings}
        self._known = {each for each in self._known if each.resource not in told or each in joined.ids}

    def _resources(self, view: KubeletView | None) -> set[str]:
        """Resources of this node that the registry knows.

        A target on the command line is the same on every node, so it says what is here only while the kubelet does
        not: a node without accelerators would ask a Service in vain, or be answered by another node's exporter.
        """
        named = set(self.targets.resources()) if view is None else view.resources
        return {resource for resource in named | self._handed_out if self.targets.candidates(resource, ())}

    def _together(
        self, resources: Iterable[str], view: KubeletView | None, answers: Mapping[str, Samples]
    ) -> list[list[ResourceFacts]]:
        """Facts by the exporter that measures them: it does not say which resource hands out a device."""
        groups: dict[str, list[ResourceFacts]] = {}
        for resource in resources:
            mapping = mapping_of(resource)
            facts = self._facts(resource, view, answers)
            groups.setdefault(mapping.name if mapping else resource, []).append(facts)
        return list(groups.values())

    def _facts(self, resource: str, view: KubeletView | None, answers: Mapping[str, Samples]) -> ResourceFacts:
        simulated = self._simulated_types(resource, answers)
        return ResourceFacts(
            resource=resource,
            candidates=self.targets.candidates(resource, simulated),
            readings=self._readings(resource, answers),
            allocatable=frozenset(d.device for d in view.allocatable if d.resource == resource) if view else None,
            holders={d.device: holder for d, holder in view.holders.items() if d.resource == resource} if view else {},
            known=frozenset(d.device for d in self._known if d.resource == resource),
            simulated=bool(simulated),
            cores_per_device=self._cores_per_device(resource, answers),
        )

    def _readings(self, resource: str, answers: Mapping[str, Samples]) -> list[Reading]:
        mapping = mapping_of(resource)
        if mapping is None:
            return []
        found: dict[str, Reading] = {}
        for url in self._urls(resource):
            for reading in read(mapping, answers.get(url, {})):
                found.setdefault(reading.name, reading)
        return list(found.values())

    def _cores_per_device(self, resource: str, answers: Mapping[str, Samples]) -> int | None:
        mapping = mapping_of(resource)
        if mapping is None:
            return None
        counts = (cores_per_device(mapping, answers.get(url, {})) for url in self._urls(resource))
        return next((count for count in counts if count), None)

    def _simulated_types(self, resource: str, answers: Mapping[str, Samples]) -> set[str]:
        """Types of this resource that the simulator says it plays; empty where the devices are real."""
        named = {
            sample.labels.get("type")
            for url in self._urls(resource)
            for sample in answers.get(url, {}).get(SIMULATOR_INFO, ())
        }
        return {kind.id for kind in self.targets.candidates(resource, ()) if kind.id in named}

    def _urls(self, resource: str) -> list[str]:
        urls = list(self.targets.urls(resource))
        simulator = self.targets.simulator_url
        return [*urls, simulator] if simulator and simulator not in urls else urls

    async def _ask_exporters(self, urls: Sequence[str]) -> tuple[dict[str, Samples], dict[str, ScrapeError]]:
        results = await asyncio.gather(*(self._ask(url) for url in urls))
        answers = {
            url: result for url, result in zip(urls, results, strict=True) if not isinstance(result, ScrapeError)
        }
        failures = {url: result for url, result in zip(urls, results, strict=True) if isinstance(result, ScrapeError)}
        return answers, failures

    async def _ask(self, url: str) -> Samples | ScrapeError:
        with self.metrics.timed(url, self.monotonic):
            try:
                return await self.fetch(url)
            except ScrapeError as error:
                return error

    def _count(
        self, resources: Iterable[str], answers: Mapping[str, Samples], failed: Mapping[str, ScrapeError]
    ) -> None:
        """A failure counts unless the simulator answered in the exporter's place; a simulator's absence is none."""
        missed = {
            url
            for resource in resources
            if not self._simulated_types(resource, answers)
            for url in self.targets.urls(resource)
        }
        self.metrics.keep([KUBELET, *answers, *missed])
        self._down &= {KUBELET, *answers, *missed}
        for url in answers:
            self._report(url, None)
        for url, error in failed.items():
            if url in missed:
                self._report(url, error)
            else:
                self.metrics.forget(url)

    async def _ask_kubelet(self) -> KubeletView | None:
        """The kubelet's answer, or its last one while that is fresh enough."""
        with self.metrics.timed(KUBELET, self.monotonic):
            try:
                allocatable, holders = await asyncio.gather(self.kubelet.allocatable(), self.kubelet.holders())
            except PodResourcesError as error:
                self._report(KUBELET, ScrapeError(KUBELET, ScrapeFailure.POD_RESOURCES, str(error)))
                fresh = self._view is not None and self.monotonic() - self._view.at <= KEEP_KUBELET_SECONDS
                return self._view if fresh else None
        self._report(KUBELET, None)
        self._view = KubeletView(self.monotonic(), allocatable, holders)
        self._known |= allocatable
        self._handed_out |= {name for name in self._view.resources if self.targets.candidates(name, ())}
        return self._view

    def _report_unmatched(self, units: Sequence[Unit], *, devices: int) -> None:
        """Counts what could not be joined, and says so once for each resource until it can be."""
        counts = Counter(unit.resource for unit in units)
        self.metrics.found(devices, unmatched={name: counts[name] for name in self._handed_out})
        for unit in units:
            if unit.resource not in self._unmatched:
                log.warning(
                    "%s: %d devices such as %r are none of those that the vendor's exporter names; their pods and "
                    "their measurements stay apart (docs/operations/accelerator-metrics.md)",
                    unit.resource,
                    counts[unit.resource],
                    unit.ids[0].device,
                )
                self._unmatched.add(unit.resource)
        self._unmatched &= counts.keys()

    def _report(self, target: str, error: ScrapeError | None) -> None:
        self.metrics.result(target, error.reason if error else None)
        if error is not None and target not in self._down:
            log.warning("%s (what it would say is absent until it answers)", error)
            self._down.add(target)
        elif error is None and target in self._down:
            log.info("%s answers again", target)
            self._down.discard(target)

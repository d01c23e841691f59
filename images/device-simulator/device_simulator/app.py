"""Wires the parts of one node's simulator together.

Two loops that never wait for each other: :meth:`Simulator.look` brings devices, sockets, registrations and labels in
line with the node's annotations once a second, :meth:`Simulator.measure` takes one sample in every interval.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from device_simulator.allocation import cdi_specs
from device_simulator.cgroups import Cgroups
from device_simulator.inventory import (
    UNHEALTHY_ANNOTATION,
    WANTED_ANNOTATION,
    AnnotationError,
    Inventory,
    inventory,
    read_unhealthy,
)
from device_simulator.labels import is_applied, node_labels
from device_simulator.node import ApiError
from device_simulator.notices import Notices
from device_simulator.plugin import DeviceList
from device_simulator.registration import PluginServer, RegistrationError
from device_simulator.settings import Settings
from device_simulator.telemetry import Sampler
from device_simulator.usage import node_limits
from device_simulator.vendormetrics import Reading
from hostler.kubelet.podresources import DeviceId, Holder, PodResourcesError

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks at the sockets and the state folder."""

LABEL_RETRY = 5.0
"""Seconds before labels are written again when the node still shows other ones."""

Json = Mapping[str, Any]


class Api(Protocol):
    """What is needed of :class:`device_simulator.node.NodeApi`."""

    async def apply_labels(self, labels: Mapping[str, str]) -> None: ...

    async def pod(self, namespace: str, name: str) -> Json | None: ...


class HolderSource(Protocol):
    """What is needed of :class:`hostler.kubelet.podresources.PodResources`."""

    async def holders(self) -> dict[DeviceId, Holder]: ...


class Simulator:
    """The state of one node: its devices, their plugins, the latest readings."""

    def __init__(self, settings: Settings, *, api: Api, holders: HolderSource) -> None:
        self._settings = settings
        self._api = api
        self._holders = holders
        self._cgroups = Cgroups(settings.cgroup_root)
        self._sampler = Sampler(pods=self._pod, usage=self._cgroups, clock=time.monotonic)
        self._notices = Notices(log)
        self._node: Json | None = None
        self._applied: tuple[dict[str, str], float] | None = None
        self.inventory = Inventory()
        self.servers: dict[str, PluginServer] = {}
        self.readings: tuple[Reading, ...] = ()
        self.looked_at = time.monotonic()

    def see(self, node: Json) -> None:
        """Take a new version of the node object."""
        self._node = node

    async def look(self) -> None:
        """Bring everything in line with the node once."""
        if self._node is not None:
            self._take_stock(self._node)
            await self._keep_plugins()
            await self._label(self._node)
        self.looked_at = time.monotonic()

    async def measure(self) -> None:
        """Take one sample; the metrics show it until the next one."""
        if self._node is None:
            return
        self._notices.say("cgroups", self._cgroups.problem())
        holders: dict[DeviceId, Holder] | None = None
        try:
            holders = await self._holders.holders()
            self._notices.say("holders", None)
        except PodResourcesError as error:
            self._notices.say("holders", str(error))
        limits = node_limits(self._node["status"]["capacity"])
        self.readings = await self._sampler.sample(self.inventory.devices, holders, node=limits)

    async def stop(self) -> None:
        """Close every socket."""
        for server in self.servers.values():
            await server.stop()

    def not_ready(self) -> list[str]:
        """Why this node's devices are not all offered to the kubelet; empty where they are."""
        if self._node is None:
            return [f"node {self._settings.node} has not been read"]
        return [f"{server.resource} is not registered" for server in self._needed() if not server.registered]

    def _take_stock(self, node: Json) -> None:
        annotations = node["metadata"].get("annotations") or {}
        unhealthy = read_unhealthy(annotations.get(UNHEALTHY_ANNOTATION)) | self._marked()
        try:
            found = inventory(
                annotations.get(WANTED_ANNOTATION),
                unhealthy=unhealthy,
                node=self._settings.node,
                numa_nodes=self._settings.numa_nodes,
            )
        except AnnotationError as error:
            self._notices.say("inventory", f"{error}; devices stay as they are")
            return
        self._notices.say("inventory", "; ".join(found.problems) or None)
        if found == self.inventory:
            return
        self.inventory = found
        log.info("devices: %s", ", ".join(f"{n} x {kind}" for kind, n in found.counts.items()) or "none")
        self._spread(found)

    def _spread(self, found: Inventory) -> None:
        cdi = self._settings.cdi_dir
        if cdi is not None:
            for path, text in cdi_specs(found.devices, folder=cdi).items():
                _write(path, text)
        for resource in found.resources:
            if resource not in self.servers:
                folder = self._settings.plugin_dir
                self.servers[resource] = PluginServer(resource, DeviceList(), folder=folder, cdi=cdi is not None)
        for resource, server in self.servers.items():
            # A resource that left the annotation keeps its socket with an empty list: capacity falls to zero at once.
            server.devices.update(found.of(resource))

    def _marked(self) -> frozenset[str]:
        try:
            return read_unhealthy((self._settings.state_dir / "unhealthy").read_text(encoding="utf-8"))
        except OSError:
            return frozenset()

    def _needed(self) -> list[PluginServer]:
        return [server for server in self.servers.values() if len(server.devices) or server.registered]

    async def _keep_plugins(self) -> None:
        for server in self._needed():
            try:
                await server.keep()
                self._notices.say(server.resource, None)
            except RegistrationError as error:
                self._notices.say(server.resource, str(error))

    async def _label(self, node: Json) -> None:
        wanted = node_labels(self.inventory)
        if is_applied(node, wanted):
            self._notices.say("labels", None)
            return
        now = time.monotonic()
        if self._applied is not None and self._applied[0] == wanted and now - self._applied[1] < LABEL_RETRY:
            # Written already: the watch has not shown it yet.
            return
        self._applied = wanted, now
        try:
            await self._api.apply_labels(wanted)
        except ApiError as error:
            self._notices.say("labels", str(error))

    async def _pod(self, namespace: str, name: str) -> Json | None:
        try:
            found = await self._api.pod(namespace, name)
        except ApiError as error:
            self._notices.say("pods", str(error))
            return None
        self._notices.say("pods", None)
        return found


def _write(path: Path, text: str) -> None:
    """Whole or not at all: the container runtime reads the folder whenever it likes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.rename(path)


async def every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Run an action for ever, at a fixed pace that its own duration does not stretch."""
    due = time.monotonic()
    while True:
        await action()
        due = max(due + seconds, time.monotonic())
        await asyncio.sleep(due - time.monotonic())

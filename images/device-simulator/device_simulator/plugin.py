"""The device plugin of one resource: the five calls that a kubelet makes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any, NoReturn

import grpc

from device_simulator.allocation import cdi_name, environment, preferred
from device_simulator.inventory import Device
from hostler.kubelet import deviceplugin_pb2 as messages
from hostler.kubelet.deviceplugin_pb2_grpc import DevicePluginServicer

log = logging.getLogger(__name__)

VERSION = "v1beta1"
HEALTHY, UNHEALTHY = "Healthy", "Unhealthy"


class DeviceList:
    """The devices of one resource, and who waits for them to change."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._devices = {device.id: device for device in devices}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._devices)

    def get(self, name: str) -> Device | None:
        """A device by id."""
        return self._devices.get(name)

    def update(self, devices: Iterable[Device]) -> None:
        """Take a new list; whoever waits hears of it only where it differs."""
        found = {device.id: device for device in devices}
        if found != self._devices:
            self._devices = found
            self.announce()

    def announce(self) -> None:
        """Wake every stream."""
        self._changed.set()
        # A new event, so that a stream which is between two waits misses nothing: it took the old one before sending.
        self._changed = asyncio.Event()

    async def lists(self) -> AsyncIterator[messages.ListAndWatchResponse]:
        """The list now, and again after every change."""
        while True:
            changed = self._changed
            yield messages.ListAndWatchResponse(devices=[_message(device) for device in self._devices.values()])
            await changed.wait()


class Plugin(DevicePluginServicer):  # type: ignore[misc]  # Generated code has no types.
    """Answers the kubelet for one resource."""

    def __init__(self, resource: str, devices: DeviceList, *, cdi: bool = False) -> None:
        self._resource = resource
        self._devices = devices
        self._cdi = cdi
        self.streams = 0
        """Open ListAndWatch calls; a kubelet that knows this plugin has one."""

    @staticmethod
    def options() -> messages.DevicePluginOptions:
        """What the kubelet may call, the same at registration and on request."""
        return messages.DevicePluginOptions(pre_start_required=False, get_preferred_allocation_available=True)

    async def GetDevicePluginOptions(self, request: messages.Empty, context: Any) -> messages.DevicePluginOptions:
        return self.options()

    async def ListAndWatch(self, request: messages.Empty, context: Any) -> AsyncIterator[messages.ListAndWatchResponse]:
        self.streams += 1
        try:
            async for reply in self._devices.lists():
                yield reply
        finally:
            self.streams -= 1

    async def GetPreferredAllocation(
        self, request: messages.PreferredAllocationRequest, context: Any
    ) -> messages.PreferredAllocationResponse:
        reply = messages.PreferredAllocationResponse()
        for container in request.container_requests:
            must = set(container.must_include_deviceIDs)
            known = [self._devices.get(name) for name in sorted(must | set(container.available_deviceIDs))]
            available = sorted((device for device in known if device), key=lambda device: device.ordinal)
            chosen = preferred(available, must=must, size=container.allocation_size)
            reply.container_responses.add(deviceIDs=chosen)
        return reply

    async def Allocate(self, request: messages.AllocateRequest, context: Any) -> messages.AllocateResponse:
        reply = messages.AllocateResponse()
        for container in request.container_requests:
            devices = [await self._usable(name, context) for name in container.devices_ids]
            answer = reply.container_responses.add(envs=environment(devices))
            if self._cdi:
                for device in devices:
                    answer.cdi_devices.add(name=cdi_name(device))
            log.info("%s: allocated %s", self._resource, ", ".join(device.reference for device in devices))
        return reply

    async def PreStartContainer(
        self, request: messages.PreStartContainerRequest, context: Any
    ) -> messages.PreStartContainerResponse:
        for name in request.devices_ids:
            await self._usable(name, context)
        return messages.PreStartContainerResponse()

    async def _usable(self, name: str, context: Any) -> Device:
        device = self._devices.get(name)
        if device is None:
            await self._refuse(context, grpc.StatusCode.NOT_FOUND, f"{self._resource} has no device {name} here")
        if not device.healthy:
            problem = f"{self._resource} device {name} ({device.reference}) is unhealthy"
            await self._refuse(context, grpc.StatusCode.FAILED_PRECONDITION, problem)
        return device

    async def _refuse(self, context: Any, code: grpc.StatusCode, problem: str) -> NoReturn:
        log.warning("%s", problem)
        # The kubelet works with an old list, or it would not have asked.
        self._devices.announce()
        await context.abort(code, problem)
        raise AssertionError("abort raises")


def _message(device: Device) -> messages.Device:
    numa = None if device.numa is None else messages.TopologyInfo(nodes=[messages.NUMANode(ID=device.numa)])
    return messages.Device(ID=device.id, health=HEALTHY if device.healthy else UNHEALTHY, topology=numa)

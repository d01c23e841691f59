"""Asks the kubelet which container holds which device, and which devices are free to hand out.

Extended resources carry no device ids through the API server; this socket on the node is the only place that has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import grpc.aio

from hostler.kubelet import podresources_pb2 as messages
from hostler.kubelet.podresources_pb2_grpc import PodResourcesListerStub

SOCKET = "/var/lib/kubelet/pod-resources/kubelet.sock"

CHANNEL_OPTIONS = (
    # Without it the client sends the socket's path as HTTP/2 authority, which Go servers refuse.
    ("grpc.default_authority", "localhost"),
    # An HTTP proxy of the environment has no part in a unix socket.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)

Reply = TypeVar("Reply")


class PodResourcesError(RuntimeError):
    """The kubelet's PodResources socket is absent, silent or refuses; the message names it."""

    def __init__(self, socket: str, problem: str) -> None:
        super().__init__(
            f"PodResources API at {socket}: {problem}; is the kubelet running, and is its pod-resources folder "
            "mounted into this container?"
        )
        self.socket = socket


@dataclass(frozen=True, slots=True)
class DeviceId:
    """One device of the node, as its device plugin names it."""

    resource: str
    device: str


@dataclass(frozen=True, slots=True)
class Holder:
    """The container that a device is allocated to."""

    namespace: str
    pod: str
    container: str


class PodResources:
    """A client of one kubelet. Each call opens its own connection, so a restarted kubelet needs no care."""

    def __init__(self, socket: str = SOCKET, *, timeout: float = 5.0) -> None:
        self._socket = socket
        self._timeout = timeout

    async def holders(self) -> dict[DeviceId, Holder]:
        """Every device that a container holds. Raises :class:`PodResourcesError`."""
        request = messages.ListPodResourcesRequest()
        return holders(await self._call(lambda stub: stub.List(request, timeout=self._timeout)))

    async def allocatable(self) -> frozenset[DeviceId]:
        """Every healthy device, held or free. Raises :class:`PodResourcesError`."""
        request = messages.AllocatableResourcesRequest()
        reply = await self._call(lambda stub: stub.GetAllocatableResources(request, timeout=self._timeout))
        return allocatable(reply)

    async def _call(self, method: Callable[[Any], Awaitable[Reply]]) -> Reply:
        async with grpc.aio.insecure_channel(f"unix://{self._socket}", options=CHANNEL_OPTIONS) as channel:
            try:
                return await method(PodResourcesListerStub(channel))
            except grpc.aio.AioRpcError as error:
                raise PodResourcesError(self._socket, f"{error.code().name}: {error.details()}") from error


def holders(reply: messages.ListPodResourcesResponse) -> dict[DeviceId, Holder]:
    """A List reply as a map from device to container."""
    return {
        DeviceId(entry.resource_name, device): Holder(pod.namespace, pod.name, container.name)
        for pod in reply.pod_resources
        for container in pod.containers
        for entry in container.devices
        for device in entry.device_ids
    }


def allocatable(reply: messages.AllocatableResourcesResponse) -> frozenset[DeviceId]:
    """A GetAllocatableResources reply as a set of devices."""
    return frozenset(DeviceId(entry.resource_name, device) for entry in reply.devices for device in entry.device_ids)

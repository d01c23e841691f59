"""A kubelet in the test's own process: the Registration service on a socket, and a client of each plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from patience import PATIENCE

from hostler.kubelet import deviceplugin_pb2 as messages
from hostler.kubelet.deviceplugin_pb2_grpc import (
    DevicePluginStub,
    RegistrationServicer,
    add_RegistrationServicer_to_server,
)
from hostler.kubelet.podresources import CHANNEL_OPTIONS


class FakeKubelet(RegistrationServicer):
    """Does what the device manager does: takes registrations, calls back, and keeps the latest list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registrations: list[messages.RegisterRequest] = []
        self.served_at_registration: list[bool] = []
        self.lists: dict[str, list[messages.ListAndWatchResponse]] = {}
        self.refuse = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """As the kubelet does: delete whatever sockets are in the folder, then listen."""
        for path in self.folder.glob("*.sock"):
            path.unlink()
        self._server = grpc.aio.server()
        add_RegistrationServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix://{self.folder}/kubelet.sock")
        await self._server.start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._server is not None:
            await self._server.stop(grace=None)

    async def Register(self, request: messages.RegisterRequest, context: Any) -> messages.Empty:
        if self.refuse:
            await context.abort(grpc.StatusCode.UNKNOWN, self.refuse)
        self.registrations.append(request)
        self.served_at_registration.append((self.folder / request.endpoint).exists())
        self._tasks.append(asyncio.create_task(self._watch(request)))
        return messages.Empty()

    async def _watch(self, request: messages.RegisterRequest) -> None:
        async with self.channel(request.resource_name) as channel:
            async for reply in DevicePluginStub(channel).ListAndWatch(messages.Empty()):
                self.lists.setdefault(request.resource_name, []).append(reply)

    def channel(self, resource: str) -> grpc.aio.Channel:
        """A connection to the plugin that registered last for a resource."""
        endpoint = next(r.endpoint for r in reversed(self.registrations) if r.resource_name == resource)
        return grpc.aio.insecure_channel(f"unix://{self.folder}/{endpoint}", options=CHANNEL_OPTIONS)

    def health(self, resource: str) -> dict[str, str]:
        """The latest list as id -> health."""
        replies = self.lists.get(resource)
        return {device.ID: device.health for device in replies[-1].devices} if replies else {}


async def until(condition: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Wait for a condition that other tasks bring about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # The condition lies in another task or in another process.
            await asyncio.sleep(0.01)

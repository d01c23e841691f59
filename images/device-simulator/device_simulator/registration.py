"""Keeps one plugin served and registered, whatever the kubelet does.

A kubelet that starts deletes every socket of its plugin folder and forgets every plugin; it tells nobody. So each
:meth:`PluginServer.keep` looks at the folder and mends what is missing: first the own socket, then the registration.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

import grpc
import grpc.aio

from device_simulator.plugin import VERSION, DeviceList, Plugin
from hostler.kubelet import deviceplugin_pb2 as messages
from hostler.kubelet.deviceplugin_pb2_grpc import RegistrationStub, add_DevicePluginServicer_to_server
from hostler.kubelet.podresources import CHANNEL_OPTIONS

log = logging.getLogger(__name__)

KUBELET_SOCKET = "kubelet.sock"
REGISTER_TIMEOUT = 5.0
PATIENCE = 10
"""Looks without an open stream after which a registered plugin registers again."""

SocketIdentity = tuple[int, int]


class RegistrationError(RuntimeError):
    """The kubelet did not take the plugin; the next look tries again."""


class PluginServer:
    """One resource's socket in the kubelet's plugin folder."""

    def __init__(self, resource: str, devices: DeviceList, *, folder: Path, cdi: bool = False) -> None:
        self.resource = resource
        self.devices = devices
        self._plugin = Plugin(resource, devices, cdi=cdi)
        self._folder = folder
        self._path = folder / socket_name(resource)
        self._server: grpc.aio.Server | None = None
        self._own: SocketIdentity | None = None
        self._registered_with: SocketIdentity | None = None
        self._lonely = 0

    @property
    def registered(self) -> bool:
        """True while the kubelet that we registered with is the one that listens now."""
        return self._registered_with is not None and self._registered_with == identity(self._folder / KUBELET_SOCKET)

    async def keep(self) -> None:
        """Serve and register where either is missing. Raises :class:`RegistrationError`."""
        if self._server is None or identity(self._path) != self._own:
            await self._serve()
        if self._registered_with is not None:
            self._lonely = 0 if self._plugin.streams else self._lonely + 1
        if not self.registered or self._lonely >= PATIENCE:
            await self._register()

    async def stop(self) -> None:
        """Close the socket: the kubelet marks the devices unhealthy until a plugin registers again."""
        if self._server is not None:
            # No grace: the kubelet's ListAndWatch never ends by itself.
            await self._server.stop(grace=None)
            self._server = None
        self._path.unlink(missing_ok=True)
        self._own = self._registered_with = None

    async def _serve(self) -> None:
        if self._server is not None:
            log.info("%s: our socket %s is gone, so the kubelet started again", self.resource, self._path.name)
        await self.stop()
        server = grpc.aio.server()
        add_DevicePluginServicer_to_server(self._plugin, server)
        try:
            server.add_insecure_port(f"unix://{self._path}")
            await server.start()
        except RuntimeError as error:
            raise RegistrationError(f"{self.resource}: cannot listen on {self._path}: {error}") from error
        self._server, self._own = server, identity(self._path)

    async def _register(self) -> None:
        kubelet = self._folder / KUBELET_SOCKET
        # Taken before the call: a kubelet that starts in the middle of it is another one, and gets its own call.
        target = identity(kubelet)
        if target is None:
            self._registered_with = None
            raise RegistrationError(f"{self.resource}: no kubelet listens on {kubelet}")
        request = messages.RegisterRequest(
            version=VERSION, endpoint=self._path.name, resource_name=self.resource, options=Plugin.options()
        )
        async with grpc.aio.insecure_channel(f"unix://{kubelet}", options=CHANNEL_OPTIONS) as channel:
            try:
                await RegistrationStub(channel).Register(request, timeout=REGISTER_TIMEOUT)
            except grpc.aio.AioRpcError as error:
                self._registered_with = None
                reason = f"{error.code().name}: {error.details()}"
                raise RegistrationError(f"{self.resource}: the kubelet on {kubelet} refused: {reason}") from error
        self._registered_with, self._lonely = target, 0
        log.info("%s: registered %d devices with %s", self.resource, len(self.devices), kubelet)


def identity(path: Path) -> SocketIdentity | None:
    """What tells a socket from its successor under the same name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    # The inode's number alone may be used again at once.
    return status.st_ino, status.st_ctime_ns


def socket_name(resource: str) -> str:
    """A file name for the resource's socket, short enough for the 107 bytes of a unix socket's path."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", resource)[:32]
    return f"hostler-{readable}-{hashlib.sha256(resource.encode()).hexdigest()[:8]}.sock"

"""A way to the API server on loopback, for tests that look at what passes or break it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import aiohttp
from aiohttp import web
from ports import free_port

from hostler.cluster.connection import Connection


class Proxy(ABC):
    """A reverse proxy; :meth:`pass_on` is what a subclass makes of a request."""

    def __init__(self, upstream: Connection) -> None:
        self._server = upstream.server
        self._session = upstream.session()
        self.port = free_port()

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self.pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()
        await self._session.close()

    async def ask(self, request: web.Request, *, without: tuple[str, ...] = ()) -> Any:
        """The API server's answer to the same request, as a context, but for these headers."""
        dropped = ("Host", "Accept-Encoding", *without)
        headers = {name: value for name, value in request.headers.items() if name not in dropped}
        return self._session.request(
            request.method, self._server + request.raw_path, data=await request.read() or None, headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )  # fmt: skip

    @abstractmethod
    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """The answer to a request."""

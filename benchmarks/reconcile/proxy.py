"""An API server that forgets: the operator's requests go through here, and its watches break when we say so.

What a real server does to a watch that was away for too long, whose versions etcd has compacted: nothing comes any
more, and then an error of code 410.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from plane import ControlPlane
from yarl import URL

_GONE = {
    "type": "ERROR",
    "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version",
    },
}  # fmt: skip
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "content-encoding", "host"})


@dataclass
class ForgetfulServer:
    """Passes everything on under the operator's own name."""

    plane: ControlPlane
    port: int
    _session: aiohttp.ClientSession = field(init=False)
    _runner: web.AppRunner = field(init=False)
    _deaf: asyncio.Event = field(default_factory=asyncio.Event)
    _broken: asyncio.Event = field(default_factory=asyncio.Event)
    _open: int = 0

    async def start(self) -> None:
        """Listen."""
        pki = self.plane.pki
        client = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        client.load_cert_chain(pki / "hostler.crt", pki / "hostler.key")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client, limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(pki / "server.crt", pki / "server.key")
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=server).start()

    async def stop(self) -> None:
        """Close everything."""
        self._broken.set()
        await self._runner.cleanup()
        await self._session.close()

    def kubeconfig(self) -> Path:
        """The operator's, with this server in the place of the real one."""
        config = yaml.safe_load(self.plane.kubeconfig("hostler").read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        path = self.plane.directory / "hostler-by-proxy.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def hold_watches(self) -> None:
        """From now on they tell nothing."""
        self._deaf.set()

    def break_watches(self) -> int:
        """End them as too old, and let new ones tell again; returns how many there were."""
        broken, self._broken, self._deaf = self._broken, asyncio.Event(), asyncio.Event()
        broken.set()
        return self._open

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        url = URL(f"{self.plane.url}{request.raw_path}", encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method,
            url,
            # Nothing, and not an empty body of a type that the server would refuse.
            data=await request.read() or None,
            headers=headers,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as found:
            kept = {name: value for name, value in found.headers.items() if name.lower() not in _HOP}
            if request.query.get("watch") == "true" and found.status == 200:
                return await self._watch(request, found, kept)
            return web.Response(status=found.status, headers=kept, body=await found.read())

    async def _watch(
        self, request: web.Request, found: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        broken, deaf = self._broken, self._deaf
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        self._open += 1
        end = asyncio.create_task(broken.wait())
        try:
            while not broken.is_set():
                read = asyncio.create_task(found.content.readany())
                await asyncio.wait({read, end}, return_when=asyncio.FIRST_COMPLETED)
                if not read.done():
                    read.cancel()
                elif data := read.result():
                    # A line may be cut anywhere; what was cut by the end is no event.
                    if not deaf.is_set():
                        await answer.write(data)
                else:
                    return answer
            await answer.write(b"\n" + json.dumps(_GONE).encode() + b"\n")
        except ConnectionResetError:
            # Whoever asked has gone.
            pass
        finally:
            self._open -= 1
            end.cancel()
        return answer

"""Requests as they leave the process, and what comes of the answers."""

from __future__ import annotations

import asyncio
import json
import netrc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from unit.cluster.objects import make
from virtualtime import now, virtual

from hostler.cluster.client import Client
from hostler.cluster.connection import Connection, proxy_of_environment
from hostler.cluster.errors import ApiError, NotFound, Unavailable
from hostler.cluster.resources import resource_of

JOBS = resource_of("Job")
Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def answering(handler: Handler, *, host: str = "") -> AsyncIterator[tuple[Client, TestServer]]:
    """A client of a server on the loopback interface, or of another host that can only be reached through it."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app, skip_url_asserts=True)
    await server.start_server()
    client = Client(Connection(Configuration(host=host or str(server.make_url("")).rstrip("/"))))
    try:
        yield client, server
    finally:
        await client.close()
        await server.close()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def test_no_request_reads_netrc(tmp_path: Path, bare: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("default login somebody password secret\n")
    bare.setenv("NETRC", str(file))
    bare.setattr(netrc, "netrc", lambda *_: pytest.fail("~/.netrc was read"))
    sent: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        sent.append(request.headers.get("Authorization"))
        return web.json_response(make())

    async with answering(handler) as (client, _):
        await client.get(JOBS, namespace="default", name="a")
        await client.apply(make())
        async with client._session.get(f"{client._host}/stream") as response:
            await response.read()
    assert sent == [None, None, None]


@pytest.mark.parametrize(
    ("environment", "url", "want"),
    [
        ({}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://api.example", "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".example"}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.1"}, "https://10.0.0.1:6443", None),
        ({"https_proxy": "http://proxy:3128"}, "https://10.0.0.2:6443", "http://proxy:3128"),
    ],
    ids=[
        "none is named", "the scheme's own", "not another scheme's", "a domain without", "an address without",
        "in small letters",
    ],
)  # fmt: skip
def test_the_proxy_of_the_environment(
    environment: dict[str, str], url: str, want: str | None, bare: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        bare.setenv(name, value)
    assert proxy_of_environment(url) == want


async def test_a_proxy_with_credentials_is_used_for_every_request(bare: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.host, request.headers.get("Proxy-Authorization")))
        return web.json_response(make())

    probe = TestServer(web.Application())
    await probe.start_server()
    port = probe.port
    await probe.close()
    bare.setenv("HTTP_PROXY", f"http://me:word@127.0.0.1:{port}")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    proxy = TestServer(app, port=port, skip_url_asserts=True)
    await proxy.start_server()
    client = Client(Connection(Configuration(host="http://api.example")))
    try:
        await client.get(JOBS, namespace="default", name="a")
        bare.delenv("HTTP_PROXY")
        await client.get(JOBS, namespace="default", name="a")
    finally:
        await client.close()
        await proxy.close()
    assert seen == [("api.example", "Basic bWU6d29yZA==")] * 2, "looked up once, when the session is made"


async def test_a_redirect_is_not_followed(bare: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with answering(handler) as (client, _):
        with pytest.raises(ApiError, match="was answered with 302"):
            await client.raw("/apis/hostler.dev/v1alpha1")
    assert asked == ["/apis/hostler.dev/v1alpha1"], "our token is for the API server alone"


@pytest.mark.parametrize(
    ("status", "text", "error", "sentence"),
    [
        (404, '{"kind":"Status","message":"jobs \\"a\\" not found"}', NotFound, 'jobs "a" not found'),
        (200, "<html>welcome</html>", Unavailable, "no JSON"),
        (502, "<html>bad gateway</html>", Unavailable, "was answered with 502 and no JSON"),
        (200, "[1]", ApiError, "not an object"),
    ],
    ids=["the server's own sentence", "a page of somebody else", "a proxy's page", "no object"],
)
async def test_answers_that_are_errors(
    status: int, text: str, error: type[ApiError], sentence: str, bare: pytest.MonkeyPatch
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    async with answering(handler) as (client, _):
        with pytest.raises(error, match=sentence):
            await client.get(JOBS, namespace="default", name="a")


@pytest.mark.parametrize(
    ("status", "arrives"),
    [
        ({"message": "ok"}, {"message": "ok"}),
        ({"message": "ä€😀"}, {"message": "ä€😀"}),
        ({"message": "half \ud83d"}, {"message": "half \ud83d"}),
    ],
    ids=["plain", "beyond ASCII", "half a surrogate pair, which has no UTF-8 and must not stop the write"],
)
async def test_what_is_written_arrives(
    status: dict[str, str], arrives: dict[str, str], bare: pytest.MonkeyPatch
) -> None:
    bodies: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.content_type == "application/json-patch+json"
        bodies.append(json.loads(await request.read()))
        return web.json_response(make())

    async with answering(handler) as (client, _):
        await client.replace_status(
            JOBS, namespace="default", name="a", uid="u", resource_version="1", status=status, timeout=5.0
        )
    assert bodies[0][-1] == {"op": "add", "path": "/status", "value": arrives}


async def test_a_connection_that_the_server_has_closed_costs_no_request(bare: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.method)
        if len(asked) == 2:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(make())

    async with answering(handler) as (client, _):
        for _unused in range(2):
            await client.get(JOBS, namespace="default", name="a")
    assert asked == ["GET", "GET", "GET"], "asked once more on a new connection"


class Slow:
    """A session whose requests are answered after a while: the first by the end of an idle connection."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.tries = 0

    @asynccontextmanager
    async def request(self, *_: Any, **__: Any) -> AsyncIterator[None]:
        self.tries += 1
        await asyncio.sleep(self._seconds)
        raise aiohttp.ServerDisconnectedError
        yield


@virtual
async def test_a_second_try_takes_no_time_beyond_the_requests_own() -> None:
    """No write may last longer than the Lease, and that is what its time says."""
    client = Client(Connection(Configuration(host="http://127.0.0.1:1")))
    await client.close()
    client._session = slow = Slow(7.0)  # type: ignore[assignment]
    begun = now()
    with pytest.raises(Unavailable, match="had no answer within 10 s"):
        await client.apply(make(), timeout=10.0)
    assert (now() - begun, slow.tries) == (10.0, 2)

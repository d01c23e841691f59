"""kopf keeps the watches alive, and what they say reaches the store without kopf's looking at it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from unit.cluster.objects import make

from hostler.cluster import feed
from hostler.cluster.connection import Connection
from hostler.cluster.feed import kopf_registry, kopf_settings
from hostler.cluster.resources import resource_of
from hostler.cluster.store import Store
from hostler.cluster.watches import WatchMonitor

Object = dict[str, Any]
JOBS = resource_of("Job")


class Server:
    """An API server of one kind: pages of a list, and streams that a test writes into."""

    def __init__(self) -> None:
        self.objects: list[Object] = []
        self.version = 1
        self.lists: list[str] = []
        self.watches: list[str] = []
        self.stream: web.StreamResponse | None = None
        self.monitor = WatchMonitor([JOBS], observe=lambda *_: None)
        """What is noticed of it."""
        self.ended = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/apis/batch/v1/jobs", self.jobs)
        app.router.add_get("/apis/batch/v1", self.resources)
        app.router.add_get("/apis", self.groups)
        app.router.add_get("/api", self.versions)
        app.router.add_get("/api/v1", self.resources)
        return app

    async def versions(self, _: web.Request) -> web.Response:
        return web.json_response({"versions": ["v1"]})

    async def groups(self, _: web.Request) -> web.Response:
        version = {"groupVersion": "batch/v1", "version": "v1"}
        batch = {"name": "batch", "versions": [version], "preferredVersion": version}
        return web.json_response({"kind": "APIGroupList", "groups": [batch]})

    async def resources(self, request: web.Request) -> web.Response:
        # kopf does not begin before it knows of namespaces.
        name, kind = ("jobs", "Job") if request.path.endswith("batch/v1") else ("namespaces", "Namespace")
        found = {"name": name, "singularName": "", "kind": kind, "namespaced": True, "verbs": ["list", "watch"]}
        return web.json_response({"resources": [found]})

    async def jobs(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self.watch(request)
        token = request.query.get("continue", "")
        self.lists.append(token)
        half = len(self.objects) // 2
        page = self.objects[half:] if token else self.objects[:half]
        metadata = {"resourceVersion": str(self.version), "continue": "" if token else "second"}
        return web.json_response({"kind": "JobList", "apiVersion": "batch/v1", "metadata": metadata, "items": page})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        self.watches.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        self.stream = response
        self.ended.clear()
        await self.ended.wait()
        return response

    async def say(self, *events: tuple[str, Object]) -> None:
        """Send these in one piece."""
        assert self.stream is not None
        lines = (json.dumps({"type": kind, "object": obj}) + "\n" for kind, obj in events)
        await self.stream.write("".join(lines).encode())

    def end_stream(self) -> None:
        self.stream = None
        self.ended.set()


@asynccontextmanager
async def fed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Store, list[Object]]]:
    """A store that a real kopf feeds from a server of three objects, and the events that kopf saw itself.

    No fixture: at its end kopf cancels what began after it, which would be the fixture's own end.
    """
    server, passed_by = Server(), list[Object]()
    server.objects = [make(name=name, version=1) for name in ("a", "b", "c")]
    inner = feed._watch
    monkeypatch.setattr(
        feed, "_watch", lambda registry, resource, _: inner(registry, resource, lambda *event: passed_by.append(event))
    )
    http = TestServer(server.app())
    await http.start_server()
    store = Store([JOBS])
    connection = Connection(Configuration(host=str(http.make_url("")).rstrip("/")))
    settings = kopf_settings([JOBS])
    settings.watching.reconnect_backoff = 0.01
    stop = asyncio.Event()
    registry = kopf_registry([JOBS], store=store, connection=connection, monitor=server.monitor)
    running = asyncio.create_task(kopf.operator(registry=registry, settings=settings, clusterwide=True, stop_flag=stop))
    try:
        await until(lambda: server.stream is not None)
        yield server, store, passed_by
    finally:
        stop.set()
        server.end_stream()
        await running
        await http.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def names(store: Store) -> list[str]:
    return [obj["metadata"]["name"] for obj in store.list("Job")]


async def test_lists_and_streams_fill_the_store_and_kopf_sees_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fed(monkeypatch) as (server, store, passed_by):
        assert names(store) == ["a", "b", "c"], "all pages are in before the watch is open"
        assert (server.lists, server.watches) == (["", "second"], ["1"])
        assert server.monitor.whole() == {"Job"}
        await server.say(("ADDED", make(name="d", version=5)), ("DELETED", make(name="a", version=6)))
        await until(lambda: names(store) == ["b", "c", "d"])
        assert store.list("Job")[0]["kind"] == "Job"
    assert passed_by == []


@pytest.mark.parametrize(
    ("event", "version"),
    [
        (("MODIFIED", make(name="b", version=7)), "7"),
        (("DELETED", make(name="b", version=8)), "8"),
        (("BOOKMARK", {"metadata": {"resourceVersion": "9"}}), "9"),
    ],
    ids=["an object's", "a deletion's", "a bookmark's"],
)
async def test_a_stream_that_ends_goes_on_at_the_newest_version(
    event: tuple[str, Object], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fed(monkeypatch) as (server, _, _):
        await server.say(event)
        server.end_stream()
        await until(lambda: len(server.watches) == 2)
        assert server.watches == ["1", version]
        assert server.lists == ["", "second"], "there is no need to list again"


async def test_a_version_that_is_forgotten_leads_to_a_new_list(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fed(monkeypatch) as (server, store, _):
        server.objects = [make(name="b", version=20), make(name="e", version=21)]
        server.version = 30
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        await server.say(("ADDED", make(name="d", version=5)), ("ERROR", gone))
        server.end_stream()
        await until(lambda: len(server.watches) == 2)
        assert server.watches == ["1", "30"]
        assert {"b", "d", "e"} <= set(names(store)), "what came before the error is known too"

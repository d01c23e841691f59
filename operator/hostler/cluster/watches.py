"""How alive the watches are: measured on the wire, because kopf keeps its bookmarks to itself.

kopf accepts an HTTP session from its login handler. Ours has a response class that takes the objects out of lists and
streams (see ``stream``) and notes when bytes of a watch arrive, bookmarks included (the API server sends one a minute),
and a middleware that notes lists and new streams. So the age of a watch is the silence on its stream, and a list that
kopf makes after its first one says that a watch was broken for longer than the server remembers: what was deleted in
that time has to be looked for (see ``sweeper``).
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from hostler.cluster.connection import Connection
from hostler.cluster.resources import Resource
from hostler.cluster.stream import EventStream, Object, without_items

Scope = tuple[str, str]
"""Kind and namespace; the namespace is empty for a watch on the whole cluster."""
Observe = Callable[[str, str, float], None]
TakeKind = Callable[[str, str, Object], None]
"""Called with a kind, an event's type (empty for an item of a list) and its object."""


@dataclass
class _Stream:
    heard: float
    streams: int = 0
    lists: int = 0
    relisted: bool = False
    whole: bool = False
    """Whether every object of a list was given to the store."""


class WatchMonitor:
    """What is known of each watch that there should be."""

    def __init__(self, resources: Iterable[Resource], *, namespaces: Iterable[str] = (), observe: Observe) -> None:
        self._observe = observe
        namespaces = tuple(namespaces)
        self._scopes = {
            resource.path(namespace=namespace): (resource.kind, namespace)
            for resource in resources
            for namespace in resource.scopes(namespaces)
        }
        now = time.monotonic()
        self._streams = {scope: _Stream(heard=now) for scope in self._scopes.values()}
        self.all_open = asyncio.Event()
        """Set once every watch has been opened."""
        self.on_relist: Callable[[str], None] = lambda _kind: None
        """Called with a kind whose watch goes on after a gap."""

    def ages(self) -> dict[Scope, float]:
        """Seconds of silence on each watch."""
        now = time.monotonic()
        return {scope: now - stream.heard for scope, stream in self._streams.items()}

    def age_by_kind(self) -> dict[str, float]:
        """The longest silence among the watches of each kind."""
        found: dict[str, float] = {}
        for (kind, _), age in self.ages().items():
            found[kind] = max(age, found.get(kind, 0.0))
        return found

    def reset(self) -> None:
        """Count silence from now on: the watches are about to be opened."""
        for stream in self._streams.values():
            stream.heard = time.monotonic()

    def restarts(self) -> dict[str, int]:
        """How often the watches of each kind had to begin with a new list."""
        found: dict[str, int] = {}
        for (kind, _), stream in self._streams.items():
            found[kind] = found.get(kind, 0) + max(0, stream.lists - 1)
        return found

    def session(self, connection: Connection, *, take: TakeKind) -> aiohttp.ClientSession:
        """A session for kopf that gives the objects to ``take`` and reports to this monitor."""
        monitor = self

        class Response(aiohttp.ClientResponse):
            async def start(self, connection: Any) -> aiohttp.ClientResponse:
                await super().start(connection)
                if self.status == 200 and _is_watch(self) and (scope := monitor.scope(self.url)):
                    self.content = EventStream(  # type: ignore[assignment]
                        self.content,
                        take=functools.partial(take, scope[0]),
                        heard=functools.partial(monitor.heard, scope),
                    )
                return self

            async def json(self, **options: Any) -> Any:
                if self.status == 200 and not _is_watch(self) and (scope := monitor.scope(self.url)):
                    page = await without_items(await self.read(), take=functools.partial(take, scope[0]))
                    if not page["metadata"].get("continue"):
                        monitor.took_list(scope)
                    return page
                return await super().json(**options)

        return connection.session(response_class=Response, middlewares=(self._notice,))

    def scope(self, url: Any) -> Scope | None:
        """Which watch or list a URL belongs to."""
        return self._scopes.get(url.path)

    def heard(self, scope: Scope) -> None:
        """Something came in on this watch."""
        self._streams[scope].heard = time.monotonic()

    def listed(self, scope: Scope) -> None:
        """A page of a list was answered."""
        stream = self._streams[scope]
        stream.lists += 1
        stream.relisted = stream.lists > 1

    def took_list(self, scope: Scope) -> None:
        """The last page of a list was given to the store."""
        self._streams[scope].whole = True

    def whole(self) -> frozenset[str]:
        """Kinds of which the lists before the watches have brought everything. Empty with a kopf that reads lists in
        another way than we know."""
        return frozenset(kind for kind, _ in self._streams) - {
            kind for (kind, _), stream in self._streams.items() if not stream.whole
        }

    def opened(self, scope: Scope) -> None:
        """A watch was answered."""
        stream = self._streams[scope]
        stream.streams += 1
        self.heard(scope)
        if stream.relisted:
            stream.relisted = False
            self.on_relist(scope[0])
        if all(each.streams for each in self._streams.values()):
            self.all_open.set()

    async def _notice(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        watch = _is_watch(request)
        verb = "watch" if watch else "list"
        started = time.monotonic()
        code = "error"
        try:
            response = await handler(request)
            code = str(response.status)
        finally:
            self._observe(verb, code, time.monotonic() - started)
        if response.status == 200 and (scope := self.scope(request.url)):
            if watch:
                self.opened(scope)
            elif not request.url.query.get("continue"):
                self.listed(scope)
        return response


def _is_watch(message: aiohttp.ClientRequest | aiohttp.ClientResponse) -> bool:
    return message.url.query.get("watch") == "true"

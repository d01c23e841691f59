"""What comes in on kopf's watches, taken off the wire.

kopf reads a list as one JSON document and a watch line by line, and spends twenty times the price of parsing on each
object: a worker, a wrapped body, the search for causes and handlers. Nothing of that is used here. So lists and streams
pass through these two readers, which give each object to a ``Take`` and leave to kopf what it keeps the watch alive
with: the versions of lists, bookmarks, and errors.

Where a future kopf reads in another way, its objects reach its handlers (see ``feed``): slower, and as right.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp
import orjson

from hostler.cluster.turns import Turns

Object = dict[str, Any]
Take = Callable[[str, Object], None]
"""Called with an event's type (empty for an item of a list) and its object."""

_OBJECTS = frozenset({"ADDED", "MODIFIED", "DELETED"})

_log = logging.getLogger(__name__)


class EventStream:
    """The body of a watch: objects are taken, and kopf reads a bookmark in their place.

    The bookmark carries the version of the last object, so that kopf goes on behind it when the stream has ended. It
    follows the objects, so that a stream which breaks in between is repeated from before them, never from behind.
    """

    def __init__(self, inner: aiohttp.StreamReader, *, take: Take, heard: Callable[[], None]) -> None:
        self._inner = inner
        self._take = take
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """As of ``aiohttp.StreamReader``; the way in which kopf reads."""
        # What is left of a stream that ended within a line is no event; kopf opens the next one where this one stopped.
        left = b""
        async for data in self._inner.iter_chunked(size):
            self._heard()
            *lines, left = (left + data).split(b"\n")
            if rest := await self._taken(lines):
                yield rest

    async def _taken(self, lines: Iterable[bytes]) -> bytes:
        """Take the objects out of these lines; returns what is left for kopf."""
        rest: list[bytes] = []
        version = None
        turns = Turns()
        for line in filter(None, lines):
            event = _parsed(line)
            if event.get("type") in _OBJECTS:
                version = _taken(self._take, event["type"], event["object"])
                await turns.give()
            else:
                # Of a bookmark, an error and whatever we do not know, kopf knows what to do.
                rest += [*_bookmark(version), line]
                version = None
        return b"".join(each + b"\n" for each in [*rest, *_bookmark(version)])


async def without_items(data: bytes, *, take: Take) -> Object:
    """A page of a list as kopf shall see it: its items are taken."""
    page: Object = orjson.loads(data)
    turns = Turns()
    for item in page.get("items") or ():
        _taken(take, "", item)
        await turns.give()
    return {**page, "items": []}


def _parsed(line: bytes) -> Object:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def _taken(take: Take, kind: str, obj: Object) -> str | None:
    """Take one object in; returns its version."""
    try:
        take(kind, obj)
        return str(obj["metadata"]["resourceVersion"])
    except Exception:
        # One object that nobody expected must not stop the feed; the periodic list repeats what is missed here.
        _log.exception("an object of a watch was not understood", extra={"event": kind})
        return None


def _bookmark(version: str | None) -> list[bytes]:
    if version is None:
        return []
    return [orjson.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}})]

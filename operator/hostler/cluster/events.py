"""Events of ours: state changes for people, counted up when they repeat, never in a reconcile's way.

Recording happens in the background. An Event that cannot be written is dropped: it is never the only record of
anything, conditions are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hostler.cluster.errors import ApiError, NotFound
from hostler.cluster.resources import Resource, resource_of

Object = dict[str, Any]

COMPONENT = "hostler-operator"
MESSAGE_LIMIT = 1024
SAME_WITHIN = 600.0
"""Seconds within which a repeated event is counted up instead of written anew."""
BURST = 25.0
REFILL = 1 / 60
"""Events that one object may have at once, and how many per second it regains."""
_REMEMBERED = 4096
_WAITING = 1000
PATIENCE = 5.0
"""Seconds for which an Event lets what is to begin go first."""

_log = logging.getLogger(__name__)


class EventApi(Protocol):
    """The two calls that recording needs."""

    async def create(self, body: Object) -> Object:
        """A new Event."""

    async def merge(self, resource: Resource, *, namespace: str, name: str, patch: Object) -> Object:
        """A changed Event."""


@dataclass(frozen=True)
class _Message:
    about: Object
    reason: str
    message: str
    type: str
    at: str
    """When it happened (RFC 3339)."""
    recorded: float
    """The same on the monotonic clock."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.about["metadata"].get("uid", ""), self.type, self.reason, self.message


@dataclass
class _Series:
    namespace: str
    name: str
    count: int
    since: float


class EventRecorder:
    """:meth:`record` never waits and never fails; :meth:`run` does the writing."""

    def __init__(
        self,
        api: EventApi,
        *,
        instance: str,
        now: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
        dropped: Callable[[], None] = lambda: None,
        quiet: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``quiet`` returns when nothing more urgent is to be written: in a burst, the API server's time is for what
        is to begin."""
        self._api = api
        self._instance = instance
        self._now = now
        self._monotonic = monotonic
        self._dropped = dropped
        self._quiet = quiet
        self._queue: asyncio.Queue[_Message] = asyncio.Queue(_WAITING)
        self._series: OrderedDict[tuple[str, str, str, str], _Series] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def record(self, about: Object, *, reason: str, message: str, warning: bool = False) -> None:
        """Write it down soon."""
        text = message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"
        said = _Message(about, reason, text, "Warning" if warning else "Normal", self._now(), self._monotonic())
        if not self._allowed(about["metadata"].get("uid", "")):
            self._dropped()
            return
        try:
            self._queue.put_nowait(said)
        except asyncio.QueueFull:
            self._dropped()

    async def run(self) -> None:
        """Write what is recorded, one after the other, for ever."""
        while True:
            said = await self._queue.get()
            await self._let_pass(said)
            try:
                await self._write(said)
            except ApiError as error:
                self._dropped()
                _log.debug("an Event was not written: %s", error, extra={"reason": said.reason})
            finally:
                self._queue.task_done()

    async def _let_pass(self, said: _Message) -> None:
        """Wait for a quiet moment, but not for ever."""
        left = said.recorded + PATIENCE - self._monotonic()
        if self._quiet is None or left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet(), left)

    async def flush(self) -> None:
        """Return when everything recorded so far is written or dropped."""
        await self._queue.join()

    async def _write(self, said: _Message) -> None:
        series = self._series.get(said.key)
        now = self._monotonic()
        if series is not None and now - series.since < SAME_WITHIN:
            series.count += 1
            patch = {"count": series.count, "lastTimestamp": said.at}
            try:
                await self._api.merge(resource_of("Event"), namespace=series.namespace, name=series.name, patch=patch)
            except NotFound:
                # The API server forgets Events after an hour or less; begin a new one.
                del self._series[said.key]
            else:
                return
        body = self._body(said)
        await self._api.create(body)
        metadata = body["metadata"]
        self._series[said.key] = _Series(metadata["namespace"], metadata["name"], 1, now)
        while len(self._series) > _REMEMBERED:
            self._series.popitem(last=False)

    def _body(self, said: _Message) -> Object:
        about = said.about["metadata"]
        # Events of cluster-scoped objects live in `default`.
        namespace = about.get("namespace") or "default"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about['name']}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": said.about["apiVersion"],
                "kind": said.about["kind"],
                "name": about["name"],
                "namespace": about.get("namespace", ""),
                "uid": about.get("uid", ""),
                "resourceVersion": about.get("resourceVersion", ""),
            },
            "reason": said.reason,
            "message": said.message,
            "type": said.type,
            "count": 1,
            "firstTimestamp": said.at,
            "lastTimestamp": said.at,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance,
        }

    def _allowed(self, uid: str) -> bool:
        """A token bucket per object, so that one that flaps does not drown the others."""
        now = self._monotonic()
        tokens, since = self._tokens.pop(uid, (BURST, now))
        tokens = min(BURST, tokens + (now - since) * REFILL)
        allowed = tokens >= 1
        self._tokens[uid] = (tokens - 1 if allowed else tokens, now)
        while len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)
        return allowed

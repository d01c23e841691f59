"""A client that waits for nothing: hundreds of requests of a test are on their way at the same time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubeclient import MERGE

from hostler.cluster.connection import connect

Object = dict[str, Any]
OnEvent = Callable[[str, Object], None]
_AT_ONCE = 24


class AsyncApi:
    """Dicts in, dicts out, by path."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        kind: str = "application/json",
        no_error: Sequence[int] = (404,),
    ) -> Any:
        """The answer, or None for a refusal that is no error; another one is an ``AssertionError``."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        async with self._session.request(method, self._server + path, data=data, headers=headers) as response:
            text = await response.read()
            if response.status in no_error:
                return None
            assert response.status < 300, f"{method} {path}: {text.decode()}"
            return json.loads(text)

    async def get(self, path: str) -> Any:
        return await self.call("GET", path)

    async def create(self, collection: str, body: Object) -> Object:
        answer = await self.call("POST", collection, body)
        assert answer is not None, f"{collection} does not exist"
        return answer

    async def merge(self, path: str, patch: Object, *, too_late: Sequence[int] = ()) -> None:
        """``too_late`` are codes of refusals that say that something else has come before."""
        await self.call("PATCH", path, patch, kind=MERGE, no_error=(404, *too_late))

    async def delete(self, path: str, *, grace: int | None = None) -> None:
        body: Object = {"propagationPolicy": "Background"}
        await self.call("DELETE", path, body if grace is None else body | {"gracePeriodSeconds": grace})

    async def watch(self, collection: str, on: OnEvent) -> None:
        """Tell of everything that is there, as ADDED, and of every event after it, for ever."""
        listed = await self.get(collection)
        for obj in listed["items"]:
            on("ADDED", obj)
        version = listed["metadata"]["resourceVersion"]
        while True:
            async for event in self._stream(f"{collection}?watch=1&resourceVersion={version}"):
                assert event["type"] != "ERROR", f"the watch of {collection} was lost: {event['object']}"
                version = event["object"]["metadata"]["resourceVersion"]
                on(event["type"], event["object"])

    async def _stream(self, path: str) -> AsyncIterator[Object]:
        left = b""
        endless = aiohttp.ClientTimeout(total=None)
        async with self._session.get(self._server + path, timeout=endless) as response:
            async for data in response.content.iter_any():
                *lines, left = (left + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)


@asynccontextmanager
async def async_api(kubeconfig: Path) -> AsyncIterator[AsyncApi]:
    """A client for the time of a block."""
    connection = await connect(kubeconfig)
    async with connection.session() as session:
        yield AsyncApi(session, connection.server)


class Chores:
    """Things that are done in the background, a bounded number at once; the first that fails is remembered."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None

    def add(self, work: Any) -> None:
        """A coroutine to run soon."""
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Any) -> None:
        async with self._slots:
            try:
                await work
            except Exception as error:
                self.failure = self.failure or error

    async def stop(self) -> None:
        """Let nothing run on."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

"""Server-sent events, and noticing that the client has gone away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hostler_runtime.server.errors import ApiError

CLIENT_GONE = 499
"""Status in metrics for a client that did not wait for its answer; never sent to anybody."""

T = TypeVar("T")


class ClientGoneError(Exception):
    """The client closed the connection before the answer was there."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the client goes away. Raises ``ClientGoneError`` then.

    The request's body must have been read: what ``receive`` brings next is the disconnect.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGoneError
    finally:
        for one in (task, watcher):
            one.cancel()
        # The work may hold slots of the engine: leave only when it has let go of them.
        await asyncio.gather(task, watcher, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Sends each document as an event and ``[DONE]`` at the end; an error becomes the last event."""

    media_type = "text/event-stream"

    def __init__(self, documents: AsyncGenerator[dict[str, Any], None], *, release: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._documents = documents
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run to the end, or until the client goes away; free the request's slots in both cases."""
        try:
            await while_connected(receive, self._send_all(send))
        except ClientGoneError:
            scope["hostler.code"] = CLIENT_GONE
        finally:
            self._release()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with contextlib.aclosing(self._documents) as documents:
                async for document in documents:
                    await _send_event(send, dump(document))
            await _send_event(send, "[DONE]")
        except ApiError as error:
            await _send_event(send, dump(error.body()))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_event(send: Send, data: str) -> None:
    await send({"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True})


def dump(document: dict[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

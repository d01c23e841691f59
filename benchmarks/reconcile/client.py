"""A small client of the benchmark's own: what measures must not change with what is measured."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from processes import Processes

Object = dict[str, Any]
OnEvent = Callable[[float, str, Object], None]
"""Called with the monotonic time at which the bytes came, the event's type and its object."""

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks a watch for nothing but metadata: less to send and to parse beside what is measured."""
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_APPLY = "application/apply-patch+yaml"
PATIENCE = 120.0


class BenchError(Exception):
    """The benchmark cannot go on."""


class Api:
    """Dicts in, dicts out."""

    def __init__(self, url: str, *, pki: Path, user: str) -> None:
        tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        tls.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")
        self._session = aiohttp.ClientSession(
            base_url=url,
            connector=aiohttp.TCPConnector(ssl=tls, limit=64),
            timeout=aiohttp.ClientTimeout(total=60),
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        accept: str = "application/json",
        kind: str = "application/json",
    ) -> tuple[int, Object]:
        """Status and answer."""
        data = None if body is None else json.dumps(body)
        headers = {"Accept": accept, "Content-Type": kind}
        async with self._session.request(method, path, data=data, headers=headers) as response:
            text = await response.read()
            return response.status, json.loads(text) if text[:1] == b"{" else {"message": text.decode()}

    async def _must(self, method: str, path: str, **options: Any) -> Object:
        status, answer = await self.call(method, path, **options)
        if status >= 300:
            raise BenchError(f"{method} {path}: {status} {answer.get('message')}")
        return answer

    async def get(self, path: str) -> Object:
        return await self._must("GET", path)

    async def create(self, collection: str, body: Object) -> Object:
        return await self._must("POST", collection, body=body)

    async def apply(self, path: str, body: Object) -> Object:
        query = "fieldManager=bench&force=true"
        return await self._must("PATCH", f"{path}?{query}", body=body, kind=_APPLY)

    async def merge(self, path: str, patch: Object) -> Object:
        return await self._must("PATCH", path, body=patch, kind="application/merge-patch+json")

    async def delete(self, path: str) -> None:
        """Delete one object or a whole collection; one that is not there is no error."""
        await self.call("DELETE", f"{path}?propagationPolicy=Background")

    async def remove(self, path: str) -> None:
        """Delete one object, at once where it is a pod."""
        grace = "&gracePeriodSeconds=0" if "/pods/" in path else ""
        await self._must("DELETE", f"{path}?propagationPolicy=Background{grace}")

    async def exists(self, path: str) -> bool:
        status, _ = await self.call("GET", path)
        return status == 200

    async def count(self, collection: str) -> int:
        """How many objects there are; none of a kind that is not known."""
        status, answer = await self.call("GET", f"{collection}?limit=1", accept=_METADATA_LIST)
        if status == 404:
            return 0
        return len(answer["items"] or ()) + int(answer["metadata"].get("remainingItemCount") or 0)

    async def until(
        self, holds: Callable[[], Awaitable[bool]], *, what: str = "the control plane", within: float = PATIENCE
    ) -> None:
        """Wait for a condition. Raises :class:`BenchError` after so many seconds."""
        deadline = time.monotonic() + within
        while not await holds():
            if time.monotonic() > deadline:
                raise BenchError(f"{what} is not ready after {within:g} s")
            await asyncio.sleep(0.1)

    async def until_ready(self, processes: Processes) -> None:
        """Wait for the API server."""

        async def ready() -> bool:
            processes.require_alive()
            try:
                status, _ = await self.call("GET", "/readyz")
            except aiohttp.ClientError:
                return False
            return status == 200

        await self.until(ready, what="the API server")

    async def watch(self, collection: str, on: OnEvent, *, accept: str = "application/json") -> None:
        """Tell of every event from now on, for ever."""
        status, answer = await self.call("GET", f"{collection}?limit=1")
        if status != 200:
            raise BenchError(f"cannot list {collection}: {answer.get('message')}")
        version = answer["metadata"]["resourceVersion"]
        while True:
            try:
                async for at, event in self._stream(f"{collection}?watch=1&resourceVersion={version}", accept):
                    if event["type"] == "ERROR":
                        raise BenchError(f"the watch of {collection} was lost: {event['object'].get('message')}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    on(at, event["type"], event["object"])
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)

    async def _stream(self, path: str, accept: str) -> Any:
        left = b""
        endless = aiohttp.ClientTimeout(total=None)
        async with self._session.get(path, headers={"Accept": accept}, timeout=endless) as response:
            async for data in response.content.iter_any():
                at = time.monotonic()
                *lines, left = (left + data).split(b"\n")
                for line in lines:
                    yield at, json.loads(line)

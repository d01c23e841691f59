"""Fetches and parses exporters' texts; a failure has a reason out of a fixed few, because it becomes a label."""

from __future__ import annotations

import asyncio
from enum import StrEnum

import aiohttp

from hostler.exporter.parse import Samples, parse

MAX_BYTES = 8 * 1024 * 1024


class ScrapeFailure(StrEnum):
    """Why a target gave nothing."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    STATUS = "status"
    TOO_LARGE = "too-large"
    PARSE = "parse"
    POD_RESOURCES = "pod-resources"


class ScrapeError(RuntimeError):
    """A target gave nothing; the message names it."""

    def __init__(self, target: str, reason: ScrapeFailure, detail: str) -> None:
        super().__init__(f"{target}: {reason.value}: {detail}")
        self.target = target
        self.reason = reason


class Scraper:
    """One HTTP session for all targets of the node."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str) -> Samples:
        """The samples behind a URL. Raises :class:`ScrapeError`."""
        try:
            text = await self._text(url)
        except TimeoutError:
            raise ScrapeError(url, ScrapeFailure.TIMEOUT, f"no answer in {self._timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise ScrapeError(url, ScrapeFailure.CONNECTION, str(error)) from error
        try:
            return await asyncio.to_thread(parse, text)
        except ValueError as error:
            raise ScrapeError(url, ScrapeFailure.PARSE, str(error)) from error

    async def close(self) -> None:
        """Gives the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _text(self, url: str) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        async with self._session.get(url) as response:
            if response.status != 200:
                raise ScrapeError(url, ScrapeFailure.STATUS, f"HTTP {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ScrapeError(url, ScrapeFailure.TOO_LARGE, f"more than {MAX_BYTES} bytes")
        return body.decode("utf-8", errors="replace")

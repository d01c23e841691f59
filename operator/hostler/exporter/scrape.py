"""Fetches and parses exporters' texts; a failure has a reason out of a fixed few, because it becomes a label."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from enum import StrEnum

import aiohttp

from hostler.exporter.parse import Excerpt, Samples, TooLargeError, parse

MAX_BYTES = 64 * 1024 * 1024
"""Of one answer. The largest honest one is some ten megabytes: 64 partitions with every metric switched on."""
MAX_KEPT = 2 * 1024 * 1024
"""Of the series that are read, which are held in memory: three thousand devices."""

MAX_SERIES = 8192
"""Of those in one answer: each may become a device, and so a dozen series that Prometheus keeps."""


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

    def __init__(self, *, timeout: float, wanted: Container[str]) -> None:
        self._timeout = timeout
        self._wanted = wanted
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str) -> Samples:
        """The wanted samples behind a URL, within the time limit as a whole. Raises :class:`ScrapeError`."""
        try:
            text = await self._text(url)
        except TimeoutError:
            raise ScrapeError(url, ScrapeFailure.TIMEOUT, f"no answer in {self._timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise ScrapeError(url, ScrapeFailure.CONNECTION, str(error)) from error
        except TooLargeError as error:
            raise ScrapeError(url, ScrapeFailure.TOO_LARGE, str(error)) from error
        try:
            samples = await asyncio.to_thread(parse, text)
        except ValueError as error:
            raise ScrapeError(url, ScrapeFailure.PARSE, str(error)) from error
        if sum(map(len, samples.values())) > MAX_SERIES:
            raise ScrapeError(url, ScrapeFailure.TOO_LARGE, f"more than {MAX_SERIES} series that are read")
        return samples

    async def close(self) -> None:
        """Gives the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _text(self, url: str) -> str:
        if self._session is None:
            # Nothing that grows after its bytes were counted, and no other place than the one that was configured.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                headers={"Accept": "text/plain", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        excerpt = Excerpt(self._wanted, max_bytes=MAX_BYTES, max_kept=MAX_KEPT)
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise ScrapeError(url, ScrapeFailure.STATUS, f"HTTP {response.status}")
            async for chunk in response.content.iter_chunked(1 << 16):
                excerpt.feed(chunk)
        return excerpt.text()

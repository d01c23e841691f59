"""Pulls progress from training pods: a small GET with a short limit, whose failure means 'not known'."""

from __future__ import annotations

import logging

import aiohttp

from hostler_contract import Progress

PORT = 8080
TIMEOUT = 2.0
LIMIT = 64 * 1024
"""Bytes that a snapshot may have; a pod is not trusted to be brief."""

_log = logging.getLogger(__name__)


class HttpProgressReader:
    """The ``ProgressReader`` of ``hostler.controllers.ports``; open it inside a running loop."""

    def __init__(self, *, port: int = PORT, timeout: float = TIMEOUT) -> None:
        self._port = port
        self._session = aiohttp.ClientSession(
            # Pods come and go, so connections are not kept; no proxy stands between us and a pod.
            connector=aiohttp.TCPConnector(limit=64, force_close=True),
            timeout=aiohttp.ClientTimeout(total=timeout),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def read(self, *, pod_ip: str) -> Progress | None:
        """The snapshot, or None where the pod does not answer with one in time."""
        host = f"[{pod_ip}]" if ":" in pod_ip else pod_ip
        try:
            # A pod that redirects could make us ask somebody else.
            async with self._session.get(f"http://{host}:{self._port}/progress", allow_redirects=False) as response:
                if response.status != 200:
                    return None
                text = await _read_at_most(response.content, LIMIT)
                return Progress.from_json(text)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            _log.debug("no progress: %s", error or type(error).__name__, extra={"pod_ip": pod_ip})
            return None


async def _read_at_most(stream: aiohttp.StreamReader, limit: int) -> bytes:
    text = b""
    async for chunk in stream.iter_chunked(limit):
        text += chunk
        if len(text) > limit:
            raise ValueError(f"more than {limit} bytes")
    return text

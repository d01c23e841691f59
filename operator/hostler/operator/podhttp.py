"""A small GET to a pod, which may run anybody's code: bounded in time and size, and never led elsewhere."""

from __future__ import annotations

import ipaddress

import aiohttp

TIMEOUT = 2.0
"""Seconds from the first byte sent to the last one received."""
LIMIT = 64 * 1024
"""Bytes that an answer may have."""


class ProbeError(Exception):
    """A pod gave no answer that can be used."""

    def __init__(self, result: str, message: str) -> None:
        super().__init__(message)
        self.result = result
        """One of :data:`FAILURES`."""


FAILURES = ("timeout", "unreachable", "refused", "oversized", "malformed")
"""No end in time; no connection, or a broken one; a status other than 200; more than :data:`LIMIT`; not what was
asked for."""


class PodHttp:
    """Open it inside a running loop."""

    def __init__(self, *, port: int, timeout: float = TIMEOUT, limit: int = LIMIT) -> None:
        self._port = port
        self._timeout = timeout
        self._limit = limit
        self._session = aiohttp.ClientSession(
            # Pods come and go, so connections are not kept. How many there are at a time is the prober's concern.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=timeout),
            # 64 KiB of gzip can be 64 MiB of text.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
            # What a pod would have us remember would be remembered for ever.
            cookie_jar=aiohttp.DummyCookieJar(),
            # No proxy stands between us and a pod, and ~/.netrc is not for pods to learn.
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def get(self, ip: str, path: str) -> bytes:
        """The body of a 200. Raises :class:`ProbeError` for everything else."""
        try:
            # A pod that redirects could make us ask somebody else.
            async with self._session.get(self._url(ip, path), allow_redirects=False) as response:
                if response.status != 200:
                    raise ProbeError("refused", f"GET {path} was answered with {response.status}")
                return await self._read(response)
        except TimeoutError as error:
            raise ProbeError("timeout", f"GET {path} had no whole answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ProbeError("unreachable", f"GET {path} failed: {error or type(error).__name__}") from error

    def _url(self, ip: str, path: str) -> str:
        try:
            version = ipaddress.ip_address(ip).version
        except ValueError as error:
            raise ProbeError("unreachable", f"{ip!r} is no address") from error
        host = f"[{ip}]" if version == 6 else ip
        return f"http://{host}:{self._port}{path}"

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        if (response.content_length or 0) <= self._limit:
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > self._limit:
                    break
            else:
                return bytes(body)
        # Leaving the response unread closes the connection, so that the rest is not even received.
        raise ProbeError("oversized", f"the answer has more than {self._limit} bytes")

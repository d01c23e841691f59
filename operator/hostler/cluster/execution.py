"""Running a command in a container and reading what it writes, as ``kubectl exec`` does: a WebSocket whose frames begin
with the number of a stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlencode

import aiohttp

from hostler.cluster.client import CONNECT_TIMEOUT
from hostler.cluster.connection import Connection
from hostler.cluster.errors import ApiError, Unavailable

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_MOST_SAID = 4000
"""Bytes of stderr that are kept for the message of a failure."""


async def run_in_pod(
    connection: Connection,
    *,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    take: Callable[[bytes], None],
) -> None:
    """Run ``command`` to its end; ``take`` gets its output, piece by piece. Raises :class:`ApiError` where it fails, or
    the connection is cut before its end was told."""
    query = urlencode(
        [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", part) for part in command)]
    )
    url = f"{connection.server.rstrip('/')}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{query}"
    said, ended = b"", False
    async with connection.session() as session:
        try:
            async with session.ws_connect(
                url, protocols=PROTOCOLS, timeout=aiohttp.ClientWSTimeout(ws_close=CONNECT_TIMEOUT), max_msg_size=0
            ) as stream:
                async for message in stream:
                    if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                        continue
                    channel, data = message.data[0], message.data[1:]
                    if channel == _STDOUT:
                        take(data)
                    elif channel == _STDERR:
                        said = (said + data)[-_MOST_SAID:]
                    elif channel == _STATUS:
                        _refuse_failure(data, said, pod=pod)
                        ended = True
        except aiohttp.WSServerHandshakeError as error:
            raise ApiError(
                f"exec in pod {pod} was refused: {error.status} {error.message}", code=error.status
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"exec in pod {pod} failed: {error or type(error).__name__}") from error
    if not ended:
        raise Unavailable(f"the connection to pod {pod} was cut before the command ended")


def _refuse_failure(status: bytes, said: bytes, *, pod: str) -> None:
    try:
        found = json.loads(status)
    except ValueError:
        found = {}
    if found.get("status") != "Success":
        why = said.decode(errors="replace").strip() or found.get("message") or "no further detail"
        raise ApiError(f"the command in pod {pod} failed: {why}")

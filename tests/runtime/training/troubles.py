"""Failures that a server of a test gives instead of answers."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

RESET = 0
"""Instead of a status: the connection is reset."""
SILENCE = -1
"""Instead of a status: no answer ever, until the other side hangs up."""


class Troubles:
    """The failures that are due, in order."""

    def __init__(self) -> None:
        self._due: list[tuple[str, int]] = []

    def plan(self, status: int, *, on: str = "", times: int = 1) -> None:
        """Answer the next requests that have ``on`` in their first line with a status."""
        self._due += [(on, status)] * times

    def strike(self, request: BaseHTTPRequestHandler, answer: Callable[[int], None]) -> bool:
        """Whether this request has failed; ``answer`` sends a status without more."""
        line = f"{request.command} {request.path}"
        place = next((place for place, (on, _) in enumerate(self._due) if on in line), None)
        if place is None:
            return False
        _, status = self._due.pop(place)
        if status > 0:
            answer(status)
            return True
        request.close_connection = True
        if status == SILENCE:
            request.connection.recv(1)
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.connection.close()
        return True

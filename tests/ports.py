"""Ports of this machine for servers that tests start, each given to one process of the tests at a time."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 10_000, 19_999
"""Below those that the kernel gives to connections by itself (32768 and up, as shipped) and those of NodePorts: a port
that it gave for ``bind(0)`` may be an outgoing connection of somebody else before the one listens that it is for."""
_held: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody listens on, and that no other process of the tests is given as long as this one lives."""
    ports = list(range(_FIRST, _LAST + 1))
    random.SystemRandom().shuffle(ports)
    return next(port for port in ports if _claim(port) and _is_free(port))


def _claim(port: int) -> bool:
    """An abstract address is held by one socket of a network namespace, as the port is, and ends with its process."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0hostler-test-port-{port}")
    except OSError:
        claim.close()
        return False
    _held.append(claim)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

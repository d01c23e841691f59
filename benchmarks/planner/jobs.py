"""What a trace is made of, whatever its format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class TraceError(Exception):
    """A file cannot be read as a trace; the message names file, line and way out."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a trace."""

    name: str
    arrives: float
    """Seconds since the first one."""
    seconds: float
    """How long it runs once it has its devices."""
    devices: int
    cpu: int = 100
    """Thousandths of a core, of each pod."""
    memory: int = 2**20
    """Bytes, of each pod."""
    models: frozenset[str] = frozenset()
    """Models of device that will do; empty where any will."""
    on_one_node: bool = False
    """Whether it is one pod, whatever its devices."""
    namespace: str = "replay"
    """Whose it is."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node of the cluster that a trace is replayed on."""

    name: str
    cpu: int
    """Thousandths of a core."""
    memory: int
    """Bytes."""
    devices: int
    model: str = ""
    """Of its devices."""


@dataclass(frozen=True)
class Trace:
    """What a file has."""

    jobs: list[Job]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many of its jobs are not among them, by why, as the end of a sentence about them."""


def equal_nodes(count: int, *, devices: int) -> list[Node]:
    """Nodes on which nothing but devices is short."""
    return [Node(name=f"node-{number}", cpu=1_024_000, memory=8 * 2**40, devices=devices) for number in range(count)]


@contextmanager
def opened(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a file. Raises :class:`TraceError`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            yield iter(file.readlines())
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} cannot be read: {error}") from error


def number_of(where: str, name: str, text: str | None) -> float:
    """A finite number. Raises :class:`TraceError`."""
    try:
        value = float(text or "")
    except ValueError:
        raise TraceError(f"{where}: {name} is {text!r} and not a number") from None
    if not math.isfinite(value):
        raise TraceError(f"{where}: {name} is {text!r} and not a finite number")
    return value


def positive_of(where: str, name: str, text: str | None) -> float:
    """A number above zero. Raises :class:`TraceError`."""
    value = number_of(where, name, text)
    if value <= 0:
        raise TraceError(f"{where}: {name} is {text!r}, and nothing takes no time")
    return value


def count_of(where: str, name: str, text: str | None, *, least: int = 1) -> int:
    """A whole number. Raises :class:`TraceError`."""
    value = number_of(where, name, text)
    if value < least or value != int(value):
        raise TraceError(f"{where}: {name} is {text!r} and not a whole number, {least} or more")
    return int(value)

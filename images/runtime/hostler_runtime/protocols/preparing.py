"""How a family prepares rows: a pass over them in chunks, which the core shares out, keeps and goes on with.

What a row becomes is arrays and a little JSON, so that it can lie in a shard on disk without anything that a reader
would have to trust. A family says what a chunk becomes; whether another process does it, and whether it was done before
a crash, is none of its business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from hostler_data.record import Record

MOST_ROWS = 4096
"""Rows of a chunk, where a family names no other number."""
CHUNK_OF_MEDIA = 32 << 20
"""Bytes that a chunk of decoded images, clips or recordings takes at most, or one row where that is larger."""
CHUNK_BYTES = 4 << 20
"""Text and bytes in the rows of a chunk, after which no further row is taken into it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """What one row became, or one piece of it."""

    arrays: Mapping[str, np.ndarray]
    """Flat, by name: the same names and types for every row of a pass."""
    facts: Any = None
    """JSON."""


Make = Callable[[Sequence[Record], int], Iterable[Made]]
"""From the rows of a chunk and its number, which counts from 0. Depends on nothing else that changes: which process
does it, and what was done before, must not show in the result."""


class Work(Protocol):
    """What the core lends a family while it prepares."""

    def each(self, name: str, rows: Iterable[Record], make: Make, *, most: int = MOST_ROWS) -> Iterator[Made]:
        """What all rows become, in their order. ``name`` is this pass's own. Raises what ``make`` and ``rows`` do, that
        of the first row first."""

    def once(
        self, name: str, make: Callable[[], T], *, save: Callable[[T, Path], object], load: Callable[[Path], T]
    ) -> T:
        """Something that all rows need, such as a tokenizer that is trained on them: made once, and read back after a
        crash. ``save`` gets an empty directory."""


def chunks(rows: Iterable[Record], *, most: int = MOST_ROWS, size: int = CHUNK_BYTES) -> Iterator[list[Record]]:
    """Neighbouring rows, cut at the same places whenever the same data is read."""
    chunk: list[Record] = []
    held = 0
    for record in rows:
        chunk.append(record)
        held += content_size(record)
        if len(chunk) >= most or held >= size:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def content_size(record: Record) -> int:
    """About how many bytes the values of a row have."""
    return sum(_size(value) for value in record.values.values())


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(each) for each in value.values())
    if isinstance(value, list | tuple):
        return sum(_size(each) for each in value)
    return 8


@dataclass(frozen=True)
class Inline:
    """Work that is done here and now, and kept nowhere: for little data."""

    size: int = field(default=CHUNK_BYTES)

    def each(self, name: str, rows: Iterable[Record], make: Make, *, most: int = MOST_ROWS) -> Iterator[Made]:
        """One chunk after the other."""
        for number, chunk in enumerate(chunks(rows, most=most, size=self.size)):
            yield from make(chunk, number)

    def once(
        self, name: str, make: Callable[[], T], *, save: Callable[[T, Path], object], load: Callable[[Path], T]
    ) -> T:
        """Made, and not saved."""
        return make()


INLINE = Inline()

"""Columns and files that nobody reads, counted so that they can be named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hostler_data.files import name_of
from hostler_data.readers.manifest import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from hostler_data.record import Record
from hostler_data.turns import KEYS
from hostler_data.words import counted

_MEDIA = ("image", "audio", "video", "frames")
_NAMES = frozenset(
    {
        *("key", "__key__", "__url__", "__index_level_0__", "_id", "conversation_id", "example_id", "guid", "id"),
        *("idx", "index", "message_id", "prompt_id", "row_id", "sample_id", "uid", "uuid"),
    }
)
"""What shards and tables call their rows: an identifier says nothing that could be learned, so nothing of the data is
lost with it. Also pandas' index, which it writes into Parquet."""
_PLAYED = (*IMAGE_SUFFIXES, *AUDIO_SUFFIXES, *VIDEO_SUFFIXES, ".txt", ".cls")
_BOTH = "txt"
"""One text that is there in both of its roles."""
_SHOWN = 8


class Unread:
    """What rows have, on the way through them."""

    def __init__(self) -> None:
        self._columns: Counter[str] = Counter()
        self._keys: Counter[str] = Counter()
        self._media: set[str] = set()

    def add(self, record: Record) -> None:
        """One row."""
        for name, value in record.values.items():
            # A member of a shard is there by its ending, and once more as the role that it plays.
            if value is not None and name not in _NAMES and not f".{name}".endswith(_PLAYED):
                self._columns[_BOTH if name in ("text", "caption") and _is_both(record.values) else name] += 1
        self._keys.update(set(_unread_keys(record.values.get("messages"))))
        for path in _paths(record.values):
            self._media.add(os.path.normpath(record.folder / path))

    def notes(self, *, reads: Collection[str], files: Sequence[Path], root: Path) -> list[str]:
        """Sentences about what nobody reads; ``files`` are those that are not read as rows."""
        read = {*reads, _BOTH} if {"text", "caption"} & set(reads) else set(reads)
        columns = {name: count for name, count in self._columns.items() if name not in read}
        if "messages" in reads:
            columns |= {f"messages[].{key}": count for key, count in self._keys.items()}
        left = [name_of(file, root=root) for file in files if os.path.normpath(file) not in self._media]
        named = [f"{name} ({counted(count, 'row')})" for name, count in sorted(columns.items())]
        return [*_sentence("column", named), *_sentence("file", sorted(left))]


def _sentence(noun: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return [f"{counted(len(names), noun)} that nobody reads: {', '.join(names[:_SHOWN])}{more}."]


def _unread_keys(messages: Any) -> Iterator[str]:
    for message in messages if isinstance(messages, list | tuple) else ():
        if isinstance(message, Mapping):
            # A null is how Parquet stores what only other rows have.
            yield from (
                str(key)
                for key, value in message.items()
                if key not in KEYS and str(key) not in _NAMES and value not in (None, [])
            )


def _is_both(values: Mapping[str, Any]) -> bool:
    return values.get("text") is not None and values.get("text") is values.get("caption")


def _paths(values: Mapping[str, Any]) -> Iterator[str]:
    for role in _MEDIA:
        value = values.get(role)
        for one in value if isinstance(value, list) else [value]:
            path = one.get("path") if isinstance(one, Mapping) else one
            if isinstance(path, str):
                yield path

"""JSON lines: one object per line, plain or compressed with gzip."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.halves import half_character, half_said
from hostler_data.readers import Found, guarded, of_format
from hostler_data.record import Record, kind_of

_SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
_ARRAY = "is one JSON array: write one object per line instead (`jq -c '.[]'` does)"
_MAY_BE_HALF = b"\\ud"
_SPREAD = "begins an object that goes on over several lines: write one object per line instead (`jq -c .` does)"


class JsonLinesReader:
    """Rows are the lines that are not blank."""

    nothing = "holds no rows: all its files are empty"
    untyped = False

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self.files, self._root = of_format(files, _SUFFIXES, location=location), root

    def scan(self) -> Iterator[Found]:
        """Rows in the order of the files' names; ``row`` is the line."""
        for file in self.files:
            yield from json_lines(file, name=name_of(file, root=self._root))


def json_lines(file: Path, *, name: str) -> Iterator[Found]:
    """The objects of one file."""
    return guarded(_lines(file, name=name), name=name)


def _lines(file: Path, *, name: str) -> Iterator[Found]:
    line, blank = 0, True
    try:
        with opened(file) as stream:
            for line, content in enumerate(stream, start=1):
                content = content.removeprefix(b"\xef\xbb\xbf") if line == 1 else content
                if not content.strip():
                    continue
                if message := _no_lines(content.strip(), first=blank):
                    yield DataError(file=name, row=line, message=message)
                    return
                blank = False
                yield _row(content, name=name, line=line, folder=file.parent)
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        yield DataError(file=name, row=line + 1, message=f"the compressed file is damaged: {error}")
    except OSError as error:
        yield unreadable(error, name=name, row=line + 1)


def opened(file: Path) -> IO[bytes]:
    """The bytes of a file, without their compression. Raises ``OSError``."""
    with file.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(file, "rb") if compressed else file.open("rb")  # type: ignore[return-value]


def _no_lines(content: bytes, *, first: bool) -> str | None:
    """What is wrong with the whole file, where it shows: said once, and not of each line."""
    if first and content.startswith(b"["):
        return _ARRAY
    if content == b"{" or (first and content.startswith(b"{") and content.endswith((b"{", b"[", b","))):
        return _SPREAD
    return None


def _row(content: bytes, *, name: str, line: int, folder: Path) -> Found:
    try:
        value = json.loads(content)
    except UnicodeDecodeError as error:
        return DataError(
            file=name, row=line, message=f"is not UTF-8 text (byte {error.start} of the line): convert the file"
        )
    except (ValueError, RecursionError) as error:
        return DataError(file=name, row=line, message=f"is not JSON: {error}")
    if not isinstance(value, dict):
        return DataError(file=name, row=line, message=f"is {kind_of(value)}, not an object with columns")
    if _MAY_BE_HALF in content.lower() and (half := half_character(value)):
        return DataError(file=name, row=line, message=half_said(half))
    return Record(file=name, row=line, values=value, folder=folder)

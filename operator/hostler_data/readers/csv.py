"""CSV and TSV: a line with the names of the columns, then a line for each row, plain or compressed with gzip.

Nothing in such a file has a type: what must be a number or a truth is made one in ``hostler_data.cells``, once its role
is known. An empty cell is a value that is not there.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.readers import Found, guarded, of_format
from hostler_data.readers.jsonl import opened
from hostler_data.record import Record

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_SEPARATORS = (",", ";", "\t")
_LONGEST_CELL = 64 << 20
"""Characters; the library's own limit of 131,072 is less than many a text."""


class CsvReader:
    """Rows are records, which quotes may spread over several lines."""

    nothing = "holds no rows: its files are empty, or have a line of names alone"
    untyped = True

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self.files, self._root = of_format(files, SUFFIXES, location=location), root

    def scan(self) -> Iterator[Found]:
        """Rows in the order of the files' names; ``row`` is the line on which one begins."""
        for file in self.files:
            yield from csv_rows(file, name=name_of(file, root=self._root))


def csv_rows(file: Path, *, name: str) -> Iterator[Found]:
    """The rows of one file."""
    return guarded(_rows(file, name=name), name=name)


def _rows(file: Path, *, name: str) -> Iterator[Found]:
    line = 1
    try:
        with opened(file) as stream:
            lines = _Lines(stream)
            csv.field_size_limit(_LONGEST_CELL)
            first = next(lines, "")
            separator = _separator(first, name=name)
            header = _header(first, lines, separator=separator)
            if problem := _names_problem(header):
                yield DataError(file=name, row=1, message=problem)
                return
            line = lines.number + 1
            for cells in csv.reader(lines, delimiter=separator, strict=True):
                if cells:
                    yield _row(cells, header, place=(name, line), folder=file.parent)
                line = lines.number + 1
    except csv.Error as error:
        yield DataError(file=name, row=line, message=f"is not CSV: {error}; quote cells, and double quotes within them")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte 0x{error.object[error.start]:02x}): convert the file"
        yield DataError(file=name, row=lines.number + 1, message=message)
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        yield DataError(file=name, row=line, message=f"the compressed file is damaged: {error}")
    except OSError as error:
        yield unreadable(error, name=name, row=line)


class _Lines:
    """Lines of text, counted: the library counts those that it read, which is where a row ends."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        text = line.removeprefix(codecs.BOM_UTF8).decode() if self.number == 0 else line.decode()
        self.number += 1
        return text


def _separator(first: str, *, name: str) -> str:
    """What the file's name says, or what the first line has most of."""
    if name.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    return max(_SEPARATORS, key=first.count)


def _header(first: str, lines: Iterator[str], *, separator: str) -> list[str]:
    def from_the_first() -> Iterator[str]:
        yield first
        yield from lines

    return [cell.strip() for cell in next(csv.reader(from_the_first(), delimiter=separator, strict=True), [])]


def _names_problem(header: Sequence[str]) -> str | None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        return f"the first line names {', '.join(map(repr, twice))} twice: the first line has the columns' names"
    return None


def _row(cells: Sequence[str], header: Sequence[str], *, place: tuple[str, int], folder: Path) -> Found:
    name, line = place
    if len(cells) != len(header):
        message = f"has {len(cells)} cells, and the first line names {len(header)}: quote cells that hold a separator"
        return DataError(file=name, row=line, message=message)
    values = {column: cell or None for column, cell in zip(header, cells, strict=True)}
    return Record(file=name, row=line, values=values, folder=folder)

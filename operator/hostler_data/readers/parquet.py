"""Parquet files, read in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.libraries import library
from hostler_data.readers import Found, guarded, of_format
from hostler_data.record import Record

_BATCH_ROWS = 256
"""Rows held at a time: they may be images."""


class ParquetReader:
    """Rows in the order of the files' names."""

    nothing = "holds no rows: all its files are empty"
    untyped = False

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self.files, self._root = of_format(files, (".parquet",), location=location), root

    def scan(self) -> Iterator[Found]:
        """Rows as plain Python values; ``row`` counts from 1."""
        for file in self.files:
            name = name_of(file, root=self._root)
            yield from guarded(self._scan_file(file, name=name), name=name)

    def _scan_file(self, file: Path, *, name: str) -> Iterator[Found]:
        arrow, parquet = (library(name, use="reading Parquet") for name in ("pyarrow", "pyarrow.parquet"))
        row = 0
        try:
            with parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(batch_size=_BATCH_ROWS):
                    yield from _rows(batch, name=name, first=row + 1, folder=file.parent)
                    row += batch.num_rows
        except arrow.ArrowException as error:
            said = str(error).splitlines()[0]
            yield DataError(file=name, row=row + 1, message=f"is not a Parquet file that can be read: {said}")
        except OSError as error:
            yield unreadable(error, name=name, row=row + 1)


def _rows(batch: Any, *, name: str, first: int, folder: Path) -> Iterator[Found]:
    """The rows of a batch. Parquet's texts are bytes that nobody checked when they were written: where some are no
    text, the rows are looked at one by one."""
    try:
        for row, values in enumerate(batch.to_pylist(), start=first):
            yield Record(file=name, row=row, values=values, folder=folder)
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            one, row = batch.slice(index, 1), first + index
            if wrong := [column for column in batch.schema.names if not _is_text(one, column)]:
                message = f"{', '.join(wrong)} is not UTF-8 text: convert or remove it"
                yield DataError(file=name, row=row, message=message)
            else:
                yield Record(file=name, row=row, values=one.to_pylist()[0], folder=folder)


def _is_text(row: Any, column: str) -> bool:
    try:
        row.column(column).to_pylist()
    except UnicodeDecodeError:
        return False
    return True

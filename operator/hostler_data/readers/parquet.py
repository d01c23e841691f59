"""Parquet files, read in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hostler_data.errors import DataError
from hostler_data.files import name_of, unreadable
from hostler_data.libraries import library
from hostler_data.readers import Found, of_format
from hostler_data.record import Record

_BATCH_ROWS = 256
"""Rows held at a time: they may be images."""


class ParquetReader:
    """Rows in the order of the files' names."""

    nothing = "holds no rows: all its files are empty"

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self._files, self._root = of_format(files, (".parquet",), location=location), root

    def scan(self) -> Iterator[Found]:
        """Rows as plain Python values; ``row`` counts from 1."""
        for file in self._files:
            yield from self._scan_file(file)

    def _scan_file(self, file: Path) -> Iterator[Found]:
        arrow, parquet = (library(name, use="reading Parquet") for name in ("pyarrow", "pyarrow.parquet"))
        name, row = name_of(file, root=self._root), 0
        try:
            with parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(batch_size=_BATCH_ROWS):
                    for values in batch.to_pylist():
                        row += 1
                        yield Record(file=name, row=row, values=values, folder=file.parent)
        except arrow.ArrowException as error:
            said = str(error).splitlines()[0]
            yield DataError(file=name, row=row + 1, message=f"is not a Parquet file that can be read: {said}")
        except OSError as error:
            yield unreadable(error, name=name, row=row + 1)

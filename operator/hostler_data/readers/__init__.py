"""One reader for each format. A reader streams: it holds one row, one batch or one block of a file at a time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hostler_contract.job import DataFormat
from hostler_data.errors import DataError, MissingLibraryError
from hostler_data.record import Record

Found = Record | DataError
"""A row, or why it cannot be read."""
_MOST_SAID = 300
"""Characters of what a library said."""


class Reader(Protocol):
    """A dataset's files as rows of their own columns."""

    nothing: str
    """What to say where there are no rows."""
    untyped: bool
    """Whether values are texts throughout, also where they mean numbers."""

    @property
    def files(self) -> Sequence[Path]:
        """Files that are read as rows."""

    def scan(self) -> Iterator[Found]:
        """Rows in a stable order; starts anew on each call."""


_READERS: dict[DataFormat, str] = {
    "text": "TextReader",
    "jsonl": "JsonLinesReader",
    "csv": "CsvReader",
    "parquet": "ParquetReader",
    "images": "ImageFolderReader",
    "webdataset": "WebDatasetReader",
    "audio": "AudioReader",
}


def reader(format: DataFormat, files: Sequence[Path], *, root: Path, location: str) -> Reader:
    """The reader of a format over these files. Raises ``DataError`` where none of them is of this format."""
    module = importlib.import_module(f"hostler_data.readers.{format}")
    made: Reader = getattr(module, _READERS[format])(files, root=root, location=location)
    return made


def guarded(rows: Iterator[Found], *, name: str) -> Iterator[Found]:
    """The rows of one file, and an error with file and row in place of an exception that its reader did not foresee.

    Data comes from anywhere, and libraries raise anything: whatever it is, the user has to look at that row, and
    reading it once more changes nothing.
    """
    row = 0
    try:
        for found in rows:
            row = found.row or row
            yield found
    except (MissingLibraryError, MemoryError):
        raise
    except DataError as error:
        yield error
    except Exception as error:
        said = (str(error).splitlines() or [""])[0][:_MOST_SAID]
        message = f"cannot be read ({type(error).__name__}: {said}): repair or remove it"
        yield DataError(file=name, row=row + 1, message=message)


def of_format(files: Sequence[Path], suffixes: Sequence[str], *, location: str) -> list[Path]:
    """The files with one of these endings. A single file needs none: a download has no name of its own."""
    chosen = [file for file in files if file.name.lower().endswith(tuple(suffixes))]
    if chosen:
        return chosen
    if len(files) == 1:
        return list(files)
    raise DataError(file=location, message=f"holds no file that ends in {', '.join(suffixes)}: check the format")

"""Which format a dataset has, guessed from its files' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from hostler_contract.job import DataFormat
from hostler_data.errors import DataError
from hostler_data.readers.csv import SUFFIXES as CSV_SUFFIXES
from hostler_data.readers.manifest import AUDIO_SUFFIXES, IMAGE_SUFFIXES, NAMES, TABLES, VIDEO_SUFFIXES

_BY_SUFFIX: tuple[tuple[DataFormat, tuple[str, ...]], ...] = (
    ("parquet", (".parquet",)),
    ("webdataset", (".tar", ".tar.gz", ".tgz")),
    ("audio", AUDIO_SUFFIXES),
    ("images", (*IMAGE_SUFFIXES, "metadata.jsonl")),
    ("jsonl", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".json", ".json.gz")),
    ("csv", CSV_SUFFIXES),
)
_NOT_TEXT: tuple[tuple[tuple[str, ...], str], ...] = (
    *(
        (suffixes, f"is {what}, not a document: set `format: {format}`")
        for format, suffixes, what in (
            ("jsonl", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"), "JSON lines"),
            ("csv", CSV_SUFFIXES, "a table"),
            ("parquet", (".parquet",), "Parquet"),
            ("webdataset", (".tar", ".tar.gz", ".tgz"), "a tar shard"),
        )
    ),
    (
        (".xls", ".xlsx", ".ods"),
        f"is in none of the formats that are read ({', '.join(get_args(DataFormat))}): "
        "save its sheet as CSV, or write its rows as JSON lines or Parquet",
    ),
    (
        VIDEO_SUFFIXES,
        "is a clip: put clips into a WebDataset tar, each followed by its caption (0001.mp4, 0001.txt), "
        "or name them in a metadata.jsonl",
    ),
    (
        AUDIO_SUFFIXES,
        'is a recording: put a manifest.jsonl beside recordings, with a line such as {"audio": "a.wav", "text": "..."} '
        "for each",
    ),
)
"""Files that nobody means as documents, and what to do with them."""


def guess_format(files: Sequence[Path]) -> DataFormat:
    """The first format in whose files' names these end; text where they end in none of them. Raises ``DataError`` where
    a name says that a file is not text either."""
    names = [file.name.lower() for file in files]
    for format, suffixes in _BY_SUFFIX:
        if format == "audio" and not set(names) & {*NAMES, *TABLES}:
            continue
        if any(name.endswith(suffixes) for name in names):
            return format
    for file in files:
        if message := not_text(file.name):
            raise DataError(file=file.name, message=message)
    return "text"


def not_text(name: str) -> str | None:
    """Why a file of this name, or a URL that ends in it, is no document; None where it may be one."""
    end = urlsplit(name).path if "://" in name else name
    return next((message for suffixes, message in _NOT_TEXT if end.lower().endswith(suffixes)), None)

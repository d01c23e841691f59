"""Which format a dataset has, guessed from its files' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from hostler_contract.job import DataFormat
from hostler_data.errors import DataError
from hostler_data.readers.manifest import AUDIO_SUFFIXES, IMAGE_SUFFIXES, NAMES, VIDEO_SUFFIXES

_BY_SUFFIX: tuple[tuple[DataFormat, tuple[str, ...]], ...] = (
    ("parquet", (".parquet",)),
    ("webdataset", (".tar", ".tar.gz", ".tgz")),
    ("audio", AUDIO_SUFFIXES),
    ("images", (*IMAGE_SUFFIXES, "metadata.jsonl")),
    ("jsonl", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".json", ".json.gz")),
)
_NOT_TEXT: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".xls", ".xlsx", ".ods"),
        f"is in none of the formats that are read ({', '.join(get_args(DataFormat))}): "
        "write its rows as JSON lines or Parquet",
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
        if format == "audio" and not set(names) & set(NAMES):
            continue
        if any(name.endswith(suffixes) for name in names):
            return format
    for file, name in zip(files, names, strict=True):
        for suffixes, message in _NOT_TEXT:
            if name.endswith(suffixes):
                raise DataError(file=file.name, message=message)
    return "text"

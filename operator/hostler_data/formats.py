"""Which format a dataset has, guessed from its files' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hostler_contract.job import DataFormat
from hostler_data.readers.manifest import AUDIO_SUFFIXES, IMAGE_SUFFIXES, NAMES

_BY_SUFFIX: tuple[tuple[DataFormat, tuple[str, ...]], ...] = (
    ("parquet", (".parquet",)),
    ("webdataset", (".tar", ".tar.gz", ".tgz")),
    ("audio", AUDIO_SUFFIXES),
    ("images", (*IMAGE_SUFFIXES, "metadata.jsonl")),
    ("jsonl", (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".json", ".json.gz")),
)


def guess_format(files: Sequence[Path]) -> DataFormat:
    """The first format in whose files' names these end; text where they end in none of them."""
    names = [file.name.lower() for file in files]
    for format, suffixes in _BY_SUFFIX:
        if format == "audio" and not set(names) & set(NAMES):
            continue
        if any(name.endswith(suffixes) for name in names):
            return format
    return "text"

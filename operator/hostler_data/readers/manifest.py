"""Media files described by a file beside them: JSON lines (``metadata.jsonl``, ``manifest.jsonl``) or a table
(``metadata.csv``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from hostler_data.errors import DataError
from hostler_data.readers import Found, guarded
from hostler_data.readers.csv import csv_rows
from hostler_data.readers.jsonl import json_lines
from hostler_data.record import Record

NAMES = ("metadata.jsonl", "manifest.jsonl")
TABLES = ("metadata.csv", "metadata.tsv", "manifest.csv", "manifest.tsv")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".webm", ".aac")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
_FILE_COLUMNS = ("file_name", "audio_filepath", "image_path", "audio_path", "path")
"""Columns that other tools put the media file's name in."""


def described(manifest: Path, *, name: str, role: str) -> Iterator[Found]:
    """The rows of a manifest; the media file plays ``role`` (or ``video`` where it is one) unless a column does."""
    found = (csv_rows if manifest.name in TABLES else json_lines)(manifest, name=name)
    rows = (_with_media(each, role=role) if isinstance(each, Record) else each for each in found)
    return guarded(rows, name=name)


def _with_media(record: Record, *, role: str) -> Found:
    values = dict(record.values)
    if not values.keys() & {role, "video", "frames"}:
        column = next((column for column in _FILE_COLUMNS if column in values), None)
        if column is None:
            have = ", ".join(sorted(values)) or "none"
            return record.error(
                f"there is neither {role} nor file_name; the columns are: {have}. Name the one with the files under "
                "`columns`"
            )
        file = values.pop(column)
        is_video = role == "image" and str(file).lower().endswith(VIDEO_SUFFIXES)
        values["video" if is_video else role] = file
    if role == "image" and "caption" not in values and "text" in values:
        values["caption"] = values["text"]  # as most tools name it, and as a shard's txt is read
    for key in (role, "video"):
        if isinstance(values.get(key), str) and (problem := _problem(record, values[key], role=key)):
            return problem
    return replace(record, values=values)


def _problem(record: Record, file: str, *, role: str) -> DataError | None:
    if leaves(file):
        return record.error(f"{role} {file!r} lies outside the dataset: use a path relative to the manifest")
    if not (record.folder / file).is_file():
        return record.error(f"{role} {file!r} does not exist: the path is relative to the manifest")
    return None


def leaves(path: str) -> bool:
    """Whether a path from the data points out of the data."""
    pure = PurePosixPath(path)
    depth = 0
    for part in pure.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return pure.is_absolute()

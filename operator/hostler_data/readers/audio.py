"""Audio files and a manifest (``manifest.jsonl``, ``metadata.csv``) with a line for each: ``audio`` (or ``file_name``),
``text`` and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hostler_data.errors import DataError
from hostler_data.files import name_of
from hostler_data.readers import Found
from hostler_data.readers.manifest import NAMES, TABLES, described


class AudioReader:
    """Rows are the manifests' lines."""

    nothing = "holds no recordings: its manifest is empty"

    def __init__(self, files: Sequence[Path], *, root: Path, location: str) -> None:
        self._root = root
        self.files = [file for file in files if file.name in (*NAMES, *TABLES)]
        if not self.files and len(files) == 1:
            self.files = list(files)
        self.untyped = any(file.name in TABLES for file in self.files)
        if not self.files:
            raise DataError(
                file=location,
                message="holds no manifest.jsonl that says what is in which recording: write one with a line such as "
                '{"audio": "1.wav", "text": "what is said"} for each',
            )

    def scan(self) -> Iterator[Found]:
        """Rows in the order of the manifests; ``row`` is the line."""
        for manifest in self.files:
            yield from described(manifest, name=name_of(manifest, root=self._root), role="audio")

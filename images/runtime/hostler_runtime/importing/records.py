"""What was fetched of files of which no digest is known: the next pod takes them only as they were left."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

from hostler_runtime.training.files import write_file

RECORDS: Final = ".fetched.json"


class Records:
    """Version and own SHA-256 of each file, in a file beside them."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / RECORDS
        self._lock = threading.Lock()

    def sha256(self, name: str, version: str | None) -> str | None:
        """What was fetched of this version; None where nothing was."""
        found = self._all().get(name)
        if version is None or not isinstance(found, dict) or found.get("version") != version:
            return None
        return str(found.get("sha256"))

    def keep(self, name: str, version: str | None, *, sha256: str) -> None:
        """A file is whole."""
        with self._lock:
            write_file(self._path, json.dumps(self._all() | {name: {"version": version, "sha256": sha256}}))

    def _all(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

"""Files that are on their way: what has come stays on the volume, and the next try asks for the rest (RFC 9110, 14)."""

from __future__ import annotations

import hashlib
import json
import re
from http.client import HTTPResponse
from pathlib import Path

from hostler_runtime.training.files import clear_directory
from hostler_runtime.training.sources.tries import Told, untold

_UNFINISHED = ".cache"
"""Directory for what is not whole, below that of the data."""
_CHUNK = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-")


class Part:
    """One file that is on its way. What has come is of one version: that which the name, or the validator, says."""

    def __init__(self, directory: Path, *identity: str) -> None:
        folder = directory / _UNFINISHED
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]
        self.path = folder / name
        self._note = folder / f"{name}.json"

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def validator(self) -> str:
        """What the server called the version, for ``If-Range``; empty where it called it nothing."""
        try:
            return str(json.loads(self._note.read_text()))
        except (OSError, ValueError):
            return ""

    def forget(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def receive(self, response: HTTPResponse, *, told: Told = untold, remember: bool = False) -> None:
        """Append an answer with the rest, or write one with the whole, whose version is to be remembered where the name
        says none. Raises ``ConnectionError`` where it ends early,
        and ``OSError`` of the disk."""
        before = self.size if response.status == 206 else 0
        if before and not _begins_at(response.headers.get("Content-Range", ""), before):
            self.forget()
            raise ConnectionError(f"the answer is not what follows byte {before}")
        announced = int(response.headers.get("Content-Length") or 0)
        if not before:
            self.forget()
            if remember:
                self._note.write_text(json.dumps(_version(response)))
        with self.path.open("ab") as stream:
            came = 0
            while block := response.read(_CHUNK):
                stream.write(block)
                came += len(block)
                if announced:
                    told(before + came, before + announced)
        if announced and came < announced:
            # http.client ends a cut body without an error when it is read in blocks.
            raise ConnectionError(f"the body ended after {before + came} of {before + announced} bytes")

    def finish(self, target: Path) -> None:
        """Give the file its name."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)
        self.forget()


def keep_parts(directory: Path) -> None:
    """Before anything is fetched: what has its name already was whole in an earlier try, of which nobody knows
    the version."""
    for path in directory.iterdir():
        if path.name != _UNFINISHED:
            clear_directory(path) if path.is_dir() else path.unlink()


def drop_parts(directory: Path) -> None:
    """Once everything is whole: what is left is of versions that nobody asks for any more."""
    clear_directory(directory / _UNFINISHED)


def _begins_at(said: str, offset: int) -> bool:
    match = _RANGE.match(said)
    return match is not None and int(match[1]) == offset


def _version(response: HTTPResponse) -> str:
    """A strong ETag, else a date: a weak ETag says nothing of single bytes."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")

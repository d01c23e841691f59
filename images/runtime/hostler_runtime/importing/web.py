"""An archive of a model behind a URL: a tar file, compressed or not, or a zip file, of which the SHA-256 is known.

Only chosen members that are plain files are taken out, each under its own name below the model's directory.
"""

from __future__ import annotations

import hashlib
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Final

from hostler_contract.importing import ImportReason, ModelSource
from hostler_runtime.importing.choice import CONFIGURATION, PIPELINE, HubFile
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.network import SILENCE_SECONDS, PassingError, opener, unanswered
from hostler_runtime.remote.failures import refuses

_SPEC: Final = "spec.artifacts.source.http"
_CHUNK: Final = 1 << 20


class Web:
    """One file behind a URL."""

    def __init__(self, source: ModelSource, environ: Mapping[str, str]) -> None:
        self._url = source.url or ""
        self._sha256 = source.sha256 or ""
        self._open = opener(self._url, environ)

    def describe(self) -> HubFile:
        """The file's size, and its hash as it was asked for. Raises ``ImportFailure`` and ``PassingError``."""
        with self._get({}) as response:
            size = response.headers.get("Content-Length", "")
        if not size.isdigit():
            text = (
                f"{self._url} is answered without a Content-Length, so nothing says when it is whole: name another URL"
            )
            raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text)
        return HubFile(name="archive", size=int(size), sha256=self._sha256)

    def open(self, file: HubFile, *, commit: str, offset: int) -> HTTPResponse:
        """The bytes from ``offset`` on, or from the beginning where the status is 200. Raises ``ImportFailure`` and
        ``PassingError``."""
        return self._get({"Range": f"bytes={offset}-"} if offset else {})

    def _get(self, headers: Mapping[str, str]) -> HTTPResponse:
        request = urllib.request.Request(
            self._url, headers={"User-Agent": "hostler", "Accept-Encoding": "identity", **headers}
        )
        try:
            response: HTTPResponse = self._open.open(request, timeout=SILENCE_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 416 and refuses(error.code):
                    text = f"{self._url} is answered with {error.code} {error.reason}: correct {_SPEC}.url"
                    raise ImportFailure(ImportReason.SOURCE_NOT_FOUND, text) from error
                raise PassingError(f"{self._url} is answered with {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            raise unanswered(error, where=self._url, field=f"{_SPEC}.url") from error
        return response


class Archive:
    """A finished download, open to be looked at and unpacked. Close it."""

    def __init__(self, path: Path, *, what: str) -> None:
        """Raises ``ImportFailure`` where it is none."""
        self._stack = ExitStack()
        self._readers: dict[str, Callable[[], IO[bytes] | None]] = {}
        sizes = self._open(path, what=what)
        self._prefix = prefix_of(sizes)
        self.files = {
            name.removeprefix(self._prefix): HubFile(name=name.removeprefix(self._prefix), size=size)
            for name, size in sizes.items()
            if name.startswith(self._prefix)
        }
        """Plain files by their name in the model's directory."""

    def close(self) -> None:
        """Let go of the file."""
        self._stack.close()

    def unpack(self, files: Sequence[HubFile], directory: Path) -> dict[str, str]:
        """SHA-256 of each file, by its name. Raises ``OSError`` of the disk, ``ImportFailure`` where the archive breaks
        off."""
        return {file.name: self._one(file, directory / file.name) for file in files}

    def _open(self, path: Path, *, what: str) -> dict[str, int]:
        try:
            if zipfile.is_zipfile(path):
                zipped = self._stack.enter_context(zipfile.ZipFile(path))
                plain = [member for member in zipped.infolist() if not member.is_dir()]
                self._readers = {member.filename: partial(zipped.open, member) for member in plain}
                return {member.filename: member.file_size for member in plain}
            tarred = self._stack.enter_context(tarfile.open(path))  # noqa: SIM115
            regular = [member for member in tarred.getmembers() if member.isreg()]
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
            text = f"{what} is no tar or zip archive that can be read: name one of a model's directory"
            raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text) from error
        self._readers = {member.name: partial(tarred.extractfile, member) for member in regular}
        return {member.name: member.size for member in regular}

    def _one(self, file: HubFile, target: Path) -> str:
        source = self._readers[f"{self._prefix}{file.name}"]()
        if source is None:
            raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, f"{file.name} is no plain file in the archive")
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, seen = hashlib.sha256(), 0
        with source, target.open("wb") as stream:
            while block := source.read(min(_CHUNK, file.size - seen + 1)):
                seen += len(block)
                if seen > file.size:
                    break
                digest.update(block)
                stream.write(block)
        if seen != file.size:
            text = f"{file.name} has other than the {file.size:,} bytes that the archive speaks of"
            raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)
        return digest.hexdigest()


def prefix_of(names: Mapping[str, int]) -> str:
    """The directory of an archive that holds the model: the shallowest with a configuration; empty for the root."""
    for depth in range(4):
        for name in sorted(names):
            parts = name.removeprefix("./").split("/")
            if parts[-1] in (CONFIGURATION, PIPELINE) and len(parts) == depth + 1:
                return name.removesuffix(parts[-1])
    return ""

"""Getting hold of the data: files below a path, or one download kept in the workspace.

Runs on rank 0 only. Every way in which data can be missing has its own sentence, because this is where most users'
first attempts end.
"""

from __future__ import annotations

import hashlib
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from hostler_contract import DatasetSource, ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.logs import event
from hostler_runtime.training.files import sha256_of

MAX_DATA_BYTES = 1 << 30
"""Text is read into memory once; more than this needs a streaming format."""
_TRIES = 3
_TIMEOUT_SECONDS = 30
_CHUNK = 1 << 20

logger = logging.getLogger(__name__)


def locate(
    source: DatasetSource, *, cache: Path, limit: int = MAX_DATA_BYTES, pause: Callable[[float], None] = time.sleep
) -> list[Path]:
    """The files that make up the dataset, in a stable order."""
    if source.kind == "path":
        files = files_below(Path(source.location))
        if source.sha256 is not None:
            verify_files(files, location=source.location, expected=source.sha256.lower())
    else:
        files = [download(source, cache=cache, limit=limit, pause=pause)]
    if (total := sum(file.stat().st_size for file in files)) > limit:
        raise RuntimeFailure(
            ErrorReason.DATASET_INVALID, f"{source.location} has {total} bytes of text; at most {limit} can be read"
        )
    return files


def files_below(root: Path) -> list[Path]:
    """Regular files, without hidden ones: a mounted ConfigMap shows every file twice, once below ``..data``."""
    if root.is_file():
        return [root]
    if not root.exists():
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{root} does not exist in the dataset volume: check the source's path"
        )
    files = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not files:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{root} holds no files: put text files there")
    return files


def verify_files(files: list[Path], *, location: str, expected: str) -> None:
    """Check a content hash: of the file's bytes, or of all files' bytes in order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    _compare(digest.hexdigest(), location=location, expected=expected)


def download(source: DatasetSource, *, cache: Path, limit: int, pause: Callable[[float], None]) -> Path:
    """Fetch a URL once per job: a later attempt must train on the same bytes as the first."""
    url = source.location
    if urlsplit(url).scheme not in {"http", "https"}:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{url} is not an http or https URL")
    target = cache / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:32]
    expected = source.sha256 and source.sha256.lower()
    if target.exists() and expected in {None, sha256_of(target)}:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    try:
        _fetch(url, partial=partial, limit=limit, pause=pause)
        if expected is not None:
            _compare(sha256_of(partial), location=url, expected=expected)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _fetch(url: str, *, partial: Path, limit: int, pause: Callable[[float], None]) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch_once(url, partial=partial, limit=limit)
            return
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            said = _said(error)
            permanent = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if permanent or attempt == _TRIES:
                raise RuntimeFailure(
                    ErrorReason.DATASET_NOT_FOUND, f"{url} could not be downloaded: {said}. Check the URL"
                ) from error
            event(logger, "download failed, trying again", level=logging.WARNING, url=url, error=said)
            pause(2.0**attempt)


def _fetch_once(url: str, *, partial: Path, limit: int) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "hostler"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response, partial.open("wb") as stream:
        announced = int(response.headers.get("Content-Length") or 0)
        _bound(max(announced, 0), url=url, limit=limit)
        while block := response.read(_CHUNK):
            stream.write(block)
            _bound(stream.tell(), url=url, limit=limit)
        if announced and stream.tell() != announced:
            # http.client ends a cut body without an error when it is read in blocks.
            raise ConnectionError(f"the body ended after {stream.tell()} of {announced} bytes")


def _bound(size: int, *, url: str, limit: int) -> None:
    if size > limit:
        raise RuntimeFailure(ErrorReason.DATASET_INVALID, f"{url} has more than {limit} bytes, the most that is read")


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    return str(getattr(error, "reason", error)) or type(error).__name__


def _compare(found: str, *, location: str, expected: str) -> None:
    if found != expected:
        raise RuntimeFailure(
            ErrorReason.DATASET_INVALID,
            f"{location} has SHA-256 {found}, expected {expected}: correct the hash or the data",
        )

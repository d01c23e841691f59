"""One file from an http or https URL."""

from __future__ import annotations

import logging
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.logs import event

_TRIES = 3
_TIMEOUT_SECONDS = 30
_CHUNK = 1 << 20

logger = logging.getLogger(__name__)


def download(url: str, directory: Path, *, pause: Callable[[float], None]) -> None:
    """Fetch ``url`` into ``directory`` under its own name. Raises ``RuntimeFailure``."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{url} is not an http or https URL")
    target = directory / name_in(url)
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch(url, target)
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


def name_in(url: str) -> str:
    """A file name for what a URL holds: errors name it, and its ending tells formats apart."""
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]", "_", last).lstrip(".")[-100:] or "data"


def _fetch(url: str, target: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "hostler"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response, target.open("wb") as stream:
        announced = int(response.headers.get("Content-Length") or 0)
        while block := response.read(_CHUNK):
            stream.write(block)
        if announced and stream.tell() != announced:
            # http.client ends a cut body without an error when it is read in blocks.
            raise ConnectionError(f"the body ended after {stream.tell()} of {announced} bytes")


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    return str(getattr(error, "reason", error)) or type(error).__name__

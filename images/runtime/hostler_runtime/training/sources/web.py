"""One file from an http or https URL."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from http.client import HTTPException, InvalidURL
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.remote.failures import distrusted, nobody_there, refuses
from hostler_runtime.remote.ways import BundleError, opener
from hostler_runtime.training.sources.parts import Part
from hostler_runtime.training.sources.tries import DownloadError, Pause, Told, no_room, persistently, untold

_TIMEOUT_SECONDS = 30
_NOTHING_THERE = 416
"""Status where nothing follows what has come."""


def download(url: str, directory: Path, *, pause: Pause, told: Told = untold) -> None:
    """Fetch ``url`` into ``directory`` under its own name, or the rest where an earlier try has left some and the
    server knows the version. Raises ``RuntimeFailure``, and ``OSError`` where there is no room."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{url} is not an http or https URL")
    part = Part(directory, url)
    persistently(
        lambda: _fetch(url, part, told),
        failed=f"{url} could not be downloaded",
        advice="Check the URL",
        pause=pause,
    )
    part.finish(directory / name_in(url))


def name_in(url: str) -> str:
    """A file name for what a URL holds: errors name it, and its ending tells formats apart."""
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]", "_", last).lstrip(".")[-100:] or "data"


def _fetch(url: str, part: Part, told: Told) -> None:
    try:
        _write(url, part, told)
    except BundleError as error:
        raise DownloadError(str(error), for_good=True) from error
    except (OSError, HTTPException, ValueError) as error:
        if no_room(error):
            raise
        raise DownloadError(_said(error), for_good=_for_good(error)) from error


def _write(url: str, part: Part, told: Told) -> None:
    headers = {"User-Agent": "hostler", "Accept-Encoding": "identity"}
    if part.size and part.validator:
        # A server with another version answers with the whole.
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator}
    request = urllib.request.Request(url, headers=headers)
    try:
        with opener(os.environ).open(request, timeout=_TIMEOUT_SECONDS) as response:
            part.receive(response, told=told, remember=True)
    except urllib.error.HTTPError as error:
        if error.code == _NOTHING_THERE:
            part.forget()
        raise


def _for_good(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code != _NOTHING_THERE and refuses(error.code)
    # A ValueError is about the URL itself, such as letters that no URL may have.
    return isinstance(error, InvalidURL | ValueError) or nobody_there(error)


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    said = str(getattr(error, "reason", error)) or type(error).__name__
    return f"{said}, which imports.caBundle in the chart's values is for" if distrusted(error) else said

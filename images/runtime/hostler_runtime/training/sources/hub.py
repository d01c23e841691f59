"""A dataset of the Hugging Face hub, or of a hub of one's own: ``hf://datasets/owner/name[/path]``."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hostler_contract import DatasetSource, ErrorReason
from hostler_data.readers.manifest import leaves
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.files import fresh_directory
from hostler_runtime.training.sources.tries import DownloadError, Pause, persistently

REFUSED, NO_ROOM = 3, 4
"""Exit statuses of the process that downloads. Any other failure may be over at the next try, also its death."""

_SILENCE_SECONDS = 30
"""After which a request has failed. A whole download may take hours."""
_LOCATION = re.compile(r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+)(?:/(?P<path>.+?))?/?")


def download(source: DatasetSource, directory: Path, *, pause: Pause) -> None:
    """Fetch the repository's files, or those below a path of it. Raises ``RuntimeFailure``, and ``OSError`` where there
    is no room."""
    match = _match(source.location)
    wanted = {
        "repository": match["repository"],
        "path": path_in(source.location) or None,
        "revision": source.revision,
        "endpoint": source.endpoint,
        "directory": str(directory),
        "silence": _SILENCE_SECONDS,
    }
    persistently(
        lambda: _fetch(wanted, directory),
        failed=f"{source.location} could not be downloaded",
        advice="Check repository, revision, endpoint and token",
        pause=pause,
    )
    shutil.rmtree(directory / ".cache", ignore_errors=True)  # the library's notes


def path_in(location: str) -> str:
    """The path within the repository; empty for the whole of it. Raises ``RuntimeFailure``."""
    return _match(location)["path"] or ""


def _fetch(wanted: Mapping[str, object], directory: Path) -> None:
    """In a process of its own: the trainer runs with ``HF_HUB_OFFLINE=1``, which the library reads once, and which has
    to stay true for everything else."""
    # Files of an earlier try may be of another commit, and where the hub cannot be reached the library would take them
    # for all there are.
    fresh_directory(directory)
    environ = {
        **os.environ,
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        # Its transfers send the token to whatever address the hub names. The public hub names its own.
        "HF_HUB_DISABLE_XET": "0" if wanted["endpoint"] is None else "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "hostler_runtime.training.sources.hub_download"],
        input=json.dumps(wanted),
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:400]
    if done.returncode == NO_ROOM:
        raise OSError(errno.ENOSPC, said)
    raise DownloadError(said, for_good=done.returncode == REFUSED)


def _match(location: str) -> re.Match[str]:
    match = _LOCATION.fullmatch(location)
    if match is None or leaves(match["path"] or ""):
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{location} is not of the form hf://datasets/owner/name[/path]"
        )
    return match

"""A dataset of the Hugging Face hub, or of a hub of one's own: ``hf://datasets/owner/name``, and a path within it."""

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
_LOCATION = re.compile(r"hf://datasets/(?P<repository>[\w.-]+(?:/[\w.-]+)?)")


def download(source: DatasetSource, directory: Path, *, pause: Pause) -> None:
    """Fetch the repository's files, or those below a path of it. Raises ``RuntimeFailure``, and ``OSError`` where there
    is no room."""
    wanted = {
        "repository": _repository(source),
        "path": source.path,
        "revision": source.revision,
        "endpoint": source.endpoint,
        "directory": str(directory),
        "silence": _SILENCE_SECONDS,
    }
    persistently(
        lambda: _fetch(wanted, directory),
        failed=f"{named(source)} could not be downloaded",
        advice="Check repository, revision, endpoint and token",
        pause=pause,
    )
    shutil.rmtree(directory / ".cache", ignore_errors=True)  # the library's notes


def named(source: DatasetSource) -> str:
    """What is asked for, as errors name it."""
    return source.location if source.path is None else f"{source.location} (path {source.path})"


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
        "HF_HUB_DISABLE_XET": "0" if wanted["endpoint"] is None and not os.environ.get("HF_ENDPOINT") else "1",
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


def _repository(source: DatasetSource) -> str:
    match = _LOCATION.fullmatch(source.location)
    if match is None:
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{source.location} is not of the form hf://datasets/owner/name"
        )
    if source.path is not None and leaves(source.path):
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{named(source)} lies outside the repository")
    return match["repository"]

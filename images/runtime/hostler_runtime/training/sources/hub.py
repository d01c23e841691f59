"""A dataset of the Hugging Face hub, or of a hub of one's own: ``hf://datasets/owner/name``, and a path within it."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hostler_contract import DatasetSource, ErrorReason
from hostler_data.readers.manifest import leaves
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.sources.tries import DownloadError, Pause, Told, persistently, untold

REFUSED, NO_ROOM = 3, 4
"""Exit statuses of the process that downloads. Any other failure may be over at the next try, also its death."""

_SILENCE_SECONDS = 30
"""After which a request has failed. A whole download may take hours."""
_LOCATION = re.compile(r"hf://datasets/(?P<repository>[\w.-]+(?:/[\w.-]+)?)")


def download(source: DatasetSource, directory: Path, *, pause: Pause, told: Told = untold) -> None:
    """Fetch the repository's files, or those below a path of it, and of what earlier tries have left of this commit the
    rest. Raises ``RuntimeFailure``, and ``OSError`` where there is no room."""
    wanted = {
        "repository": _repository(source),
        "path": source.path,
        "revision": source.revision,
        "endpoint": source.endpoint,
        "directory": str(directory),
        "silence": _SILENCE_SECONDS,
    }
    persistently(
        lambda: _fetch(wanted, told),
        failed=f"{named(source)} could not be downloaded",
        advice="Check repository, revision, endpoint and token",
        pause=pause,
    )


def named(source: DatasetSource) -> str:
    """What is asked for, as errors name it."""
    return source.location if source.path is None else f"{source.location} (path {source.path})"


def _fetch(wanted: Mapping[str, object], told: Told) -> None:
    """In a process of its own: the trainer runs with ``HF_HUB_OFFLINE=1``, which the library reads once, and which has
    to stay true for everything else."""
    environ = {
        **os.environ,
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-m", "hostler_runtime.training.sources.hub_download", json.dumps(wanted)]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            done, total = line.split()
            told(int(done), int(total))
        status = process.wait()
        errors.seek(0)
        said = (errors.read().strip().splitlines() or [f"exit status {status}"])[-1][:400]
    if status == NO_ROOM:
        raise OSError(errno.ENOSPC, said)
    if status:
        raise DownloadError(said, for_good=status == REFUSED)


def _repository(source: DatasetSource) -> str:
    match = _LOCATION.fullmatch(source.location)
    if match is None:
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{source.location} is not of the form hf://datasets/owner/name"
        )
    if source.path is not None and leaves(source.path):
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{named(source)} lies outside the repository")
    return match["repository"]

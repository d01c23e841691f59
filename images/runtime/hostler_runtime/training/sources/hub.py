"""A dataset of the Hugging Face hub, or of a hub of one's own: ``hf://datasets/owner/name[/path]``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hostler_contract import DatasetSource, ErrorReason
from hostler_data.readers.manifest import leaves
from hostler_runtime.errors import RuntimeFailure

_LOCATION = re.compile(r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+)(?:/(?P<path>.+?))?/?")


def download(source: DatasetSource, directory: Path) -> None:
    """Fetch the repository's files, or those below a path of it. Raises ``RuntimeFailure``.

    A process of its own does it: the trainer runs with ``HF_HUB_OFFLINE=1``, which the library reads once, and which
    has to stay true for everything else.
    """
    match = _match(source.location)
    wanted = {
        "repository": match["repository"],
        "path": path_in(source.location) or None,
        "revision": source.revision,
        "endpoint": source.endpoint,
        "directory": str(directory),
    }
    environ = {
        **os.environ,
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
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
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND,
            f"{source.location} could not be downloaded: {said[:400]}. Check repository, revision, endpoint and token",
        )
    shutil.rmtree(directory / ".cache", ignore_errors=True)  # the library's notes


def path_in(location: str) -> str:
    """The path within the repository; empty for the whole of it. Raises ``RuntimeFailure``."""
    return _match(location)["path"] or ""


def _match(location: str) -> re.Match[str]:
    match = _LOCATION.fullmatch(location)
    if match is None or leaves(match["path"] or ""):
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{location} is not of the form hf://datasets/owner/name[/path]"
        )
    return match

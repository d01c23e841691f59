"""Getting hold of the data: files below a path, or a download that is kept in the workspace.

Runs on rank 0 only. Every way in which data can be missing has its own sentence, because this is where most users'
first attempts end. A download is kept, because a later attempt must train on the same bytes as the first. A service in
trouble is asked again, and the job fails for good only where asking again cannot help.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from hostler_contract import DatasetSource, ErrorReason
from hostler_contract.job import DatasetConfig
from hostler_data.errors import DataNotFoundError
from hostler_data.files import content_sha256, files_below, root_of
from hostler_data.records import Records, open_records
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.training.files import clear_directory, publish_directory
from hostler_runtime.training.sources import hub, s3, web
from hostler_runtime.training.sources.parts import drop_parts, keep_parts
from hostler_runtime.training.sources.tries import Pause, Told, untold


@dataclass(frozen=True)
class Located:
    """Where the data is on this machine."""

    root: Path
    """What names of files are relative to."""
    files: list[Path]
    """In a stable order."""

    @property
    def sha256(self) -> str:
        """Content hash."""
        return content_sha256(self.files, root=self.root)


def open_source(config: DatasetConfig, *, cache: Path, told: Told = untold) -> Records:
    """The rows of a dataset, wherever it is; ``told`` hears how much of a download has come, where that is known.
    Raises ``RuntimeFailure`` and ``DataError``."""
    located = find(config.source, cache=cache, told=told)
    return open_records(
        located.files,
        root=located.root,
        location=config.source.location,
        format=config.format,
        columns=config.columns,
    )


def find(source: DatasetSource, *, cache: Path, pause: Pause = time.sleep, told: Told = untold) -> Located:
    """The dataset's files. Raises ``RuntimeFailure`` and ``DataError``."""
    if source.kind != "path":
        return _kept(source, cache=cache, pause=pause, told=told)
    path = Path(source.location)
    if not path.exists():
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{path} does not exist in the dataset volume: check the source's path"
        )
    located = Located(root_of(path), files_below(path))
    _verify(located, source)
    return located


def _kept(source: DatasetSource, *, cache: Path, pause: Pause, told: Told) -> Located:
    identity = " ".join((source.kind, source.location, source.path or "", source.revision or "", source.endpoint or ""))
    target = cache / "downloads" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    if target.exists():
        located = _located(source, target)
        if source.sha256 is None or located.sha256 == source.sha256.lower():
            return located
    # What a process has left that was killed, or a service that broke off, is gone on with.
    temporary = target.with_name(f".{target.name}")
    temporary.mkdir(parents=True, exist_ok=True)
    keep_parts(temporary)
    try:
        _fetch(source, temporary, pause=pause, told=told)
        drop_parts(temporary)
        _verify(_located(source, temporary), source)
        publish_directory(temporary, target)
    except Exception as error:
        if classify(error).reason is not ErrorReason.INTERNAL:
            clear_directory(temporary)  # no other try follows, or not of these bytes
        raise
    return _located(source, target)


def _located(source: DatasetSource, directory: Path) -> Located:
    # A path within a repository is the data's root, as a prefix in a bucket is: folders below it are labels.
    below = directory / (source.path or "")
    try:
        return Located(below if below.is_dir() else directory, files_below(directory))
    except DataNotFoundError:
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND, f"{hub.named(source)} holds no files: check that it exists"
        ) from None


def _fetch(source: DatasetSource, directory: Path, *, pause: Pause, told: Told) -> None:
    if source.kind == "http":
        web.download(source.location, directory, pause=pause, told=told)
    elif source.kind == "s3":
        s3.download(source, directory, pause=pause, told=told)
    else:
        hub.download(source, directory, pause=pause, told=told)


def _verify(located: Located, source: DatasetSource) -> None:
    if source.sha256 is not None and (found := located.sha256) != source.sha256.lower():
        raise RuntimeFailure(
            ErrorReason.DATASET_INVALID,
            f"{source.location} has SHA-256 {found}, expected {source.sha256.lower()}: correct the hash or the data",
        )

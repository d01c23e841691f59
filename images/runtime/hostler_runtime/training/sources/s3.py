"""Objects below ``s3://bucket/prefix``, from AWS or any service that speaks S3."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

from hostler_contract import DatasetSource, ErrorReason
from hostler_data.readers.manifest import leaves
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.remote.identity import keys_of
from hostler_runtime.remote.s3 import Bucket, Entry, Place, S3Error, below, split_location
from hostler_runtime.remote.ways import BundleError
from hostler_runtime.training.sources.parts import Part
from hostler_runtime.training.sources.tries import DownloadError, Pause, Told, no_room, persistently, untold

_AT_ONCE = 8
_CHANGED = 412
"""Status where the object has other content by now."""
_ADVICE = "Check bucket, region, endpoint and credentials"

_T = TypeVar("_T")


def download(source: DatasetSource, directory: Path, *, pause: Pause, told: Told = untold) -> None:
    """Fetch all objects below the location; their names relative to it stay, and of what earlier tries have left the
    rest is asked for. Raises ``RuntimeFailure``, and ``OSError``
    where there is no room."""
    named = split_location(source.location)
    if named is None:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{source.location} is not of the form s3://bucket/prefix")
    name, prefix = named

    def tried(fetch: Callable[[], _T]) -> _T:
        failed = f"{source.location} could not be downloaded"
        return persistently(lambda: _once(fetch), failed=failed, advice=_ADVICE, pause=pause)

    bucket = tried(lambda: _bucket(source, name))
    objects = tried(lambda: below(bucket.entries(prefix), prefix))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = {directory / _inside(each, entry): _part(directory, entry) for each, entry in objects.items()}
        copies = [partial(_copy, bucket, *each) for each in zip(objects.values(), parts.values(), strict=True)]
        # The first failure ends the rest of the list unread.
        done, total = 0, sum(entry.size for entry in objects.values())
        for entry, _ in zip(objects.values(), pool.map(tried, copies), strict=True):
            done += entry.size
            told(done, total)
    # Until here the name of each says its version.
    for target, part in parts.items():
        part.finish(target)


def _bucket(source: DatasetSource, name: str) -> Bucket:
    region = source.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    place = Place(bucket=name, endpoint=source.endpoint, region=region)
    return Bucket(place, keys=keys_of(os.environ, region=region), environ=os.environ)


def _inside(relative: str, entry: Entry) -> str:
    if leaves(relative):
        raise RuntimeFailure(ErrorReason.DATASET_INVALID, f"{entry.key} has a name that leads out of the dataset")
    return relative


def _part(directory: Path, entry: Entry) -> Part:
    return Part(directory, entry.key, entry.etag, str(entry.size))


def _copy(bucket: Bucket, entry: Entry, part: Part) -> None:
    if part.path.exists() and (not entry.etag or part.size > entry.size):
        part.forget()  # nothing says of what version it is
    if part.path.exists() and part.size == entry.size:
        return
    try:
        with bucket.open(entry.key, offset=part.size, etag=entry.etag if part.size else None) as response:
            part.receive(response)
    except S3Error as error:
        if error.status != _CHANGED:
            raise
        part.forget()
        with bucket.open(entry.key) as response:
            part.receive(response)


def _once(fetch: Callable[[], _T]) -> _T:
    try:
        return fetch()
    except S3Error as error:
        raise DownloadError(str(error), for_good=error.for_good) from error
    except BundleError as error:
        raise DownloadError(str(error), for_good=True) from error
    except (OSError, HTTPException) as error:
        if no_room(error):
            raise
        raise DownloadError(str(error) or type(error).__name__, for_good=False) from error

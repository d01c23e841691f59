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
from hostler_runtime.training.sources.tries import DownloadError, Pause, no_room, persistently

_AT_ONCE = 8
_CHUNK = 8 << 20
_ADVICE = "Check bucket, region, endpoint and credentials"

_T = TypeVar("_T")


def download(source: DatasetSource, directory: Path, *, pause: Pause) -> None:
    """Fetch all objects below the location; their names relative to it stay. Raises ``RuntimeFailure``, and ``OSError``
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
        copies = [partial(_copy, bucket, entry, directory / _inside(each, entry)) for each, entry in objects.items()]
        # The first failure ends the rest of the list unread.
        for _ in pool.map(tried, copies):
            pass


def _bucket(source: DatasetSource, name: str) -> Bucket:
    region = source.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    place = Place(bucket=name, endpoint=source.endpoint, region=region)
    return Bucket(place, keys=keys_of(os.environ, region=region), environ=os.environ)


def _inside(relative: str, entry: Entry) -> str:
    if leaves(relative):
        raise RuntimeFailure(ErrorReason.DATASET_INVALID, f"{entry.key} has a name that leads out of the dataset")
    return relative


def _copy(bucket: Bucket, entry: Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with bucket.open(entry.key) as response, target.open("wb") as file:
        announced = int(response.headers.get("Content-Length") or 0)
        while block := response.read(_CHUNK):
            file.write(block)
        if file.tell() < announced:
            # http.client ends a cut body without an error when it is read in blocks.
            raise ConnectionError(f"the body ended after {file.tell()} of {announced} bytes")


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

"""Objects below ``s3://bucket/prefix``, from AWS or any service that speaks S3."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hostler_contract import DatasetSource, ErrorReason
from hostler_data.libraries import library
from hostler_data.readers.manifest import leaves
from hostler_runtime.errors import RuntimeFailure

_AT_ONCE = 8
_CHUNK = 8 << 20
_CONNECT_SECONDS, _REQUEST_SECONDS, _TRIES = 10, 60, 3
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables by which AWS' own tools find credentials. Where none is set, requests are not signed: asking the machine's
metadata service instead would take long where there is none, and would lend a job the node's rights where there is."""


def download(source: DatasetSource, directory: Path) -> None:
    """Fetch all objects below the location; their names relative to it stay. Raises ``RuntimeFailure``."""
    bucket, prefix = split_location(source.location)
    filesystem = connect(source, bucket=bucket)
    base = f"{bucket}/{prefix}".rstrip("/")
    try:
        names = list(_objects(filesystem, base))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # The first failure ends the rest of the list unread.
            for _ in pool.map(lambda name: _copy(filesystem, name, base=base, directory=directory), names):
                pass
    except OSError as error:
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND,
            f"{source.location} could not be downloaded: {_said(error)}. "
            "Check bucket, region, endpoint and credentials",
        ) from error


def split_location(location: str) -> tuple[str, str]:
    """Bucket and prefix. Raises ``RuntimeFailure``."""
    match = re.fullmatch(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?:/(?P<prefix>.*))?", location)
    if match is None:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{location} is not of the form s3://bucket/prefix")
    return match["bucket"], (match["prefix"] or "").strip("/")


def connect(source: DatasetSource, *, bucket: str) -> Any:
    """A file system over the service. Credentials come from the environment that AWS' own tools read."""
    fs = library("pyarrow.fs", use="reading s3://")
    settings: dict[str, Any] = {}
    if source.endpoint is not None:
        endpoint = urlsplit(source.endpoint)
        settings |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
    region = source.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = "us-east-1" if source.endpoint is not None else _region_of(fs, bucket)
    return fs.S3FileSystem(
        region=region,
        anonymous=not any(os.environ.get(name) for name in _CREDENTIALS),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        **settings,
    )


def _region_of(fs: Any, bucket: str) -> str:
    try:
        return str(fs.resolve_s3_region(bucket))
    except OSError as error:
        raise RuntimeFailure(
            ErrorReason.DATASET_NOT_FOUND,
            f"the region of s3://{bucket} could not be found: {_said(error)}. Name the region, or check the bucket",
        ) from error


def _objects(filesystem: Any, base: str) -> Iterable[str]:
    fs = library("pyarrow.fs", use="reading s3://")
    if (info := filesystem.get_file_info(base)).type == fs.FileType.File:
        return [info.path]
    found = filesystem.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    return sorted(info.path for info in found if info.type == fs.FileType.File)


def _copy(filesystem: Any, name: str, *, base: str, directory: Path) -> None:
    relative = name.removeprefix(base).lstrip("/") or name.rsplit("/", 1)[-1]
    if leaves(relative):
        raise RuntimeFailure(ErrorReason.DATASET_INVALID, f"s3://{name} has a name that leads out of the dataset")
    target = directory / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    with filesystem.open_input_stream(name) as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)


def _said(error: OSError) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300]

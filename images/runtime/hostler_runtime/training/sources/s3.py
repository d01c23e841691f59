"""Objects below ``s3://bucket/prefix``, from AWS or any service that speaks S3."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hostler_contract import DatasetSource, ErrorReason
from hostler_data.libraries import library
from hostler_data.readers.manifest import leaves
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.sources.tries import DownloadError, Pause, Told, no_room, persistently, refuses, untold

_AT_ONCE = 8
_CHUNK = 8 << 20
_CONNECT_SECONDS, _REQUEST_SECONDS = 10, 60
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables by which AWS' own tools find credentials. Where none is set, requests are not signed: asking the machine's
metadata service instead would take long where there is none, and would lend a job the node's rights where there is."""
_PASSING = frozenset(
    {
        "NETWORK_CONNECTION",
        "INTERNAL_FAILURE",
        "SERVICE_UNAVAILABLE",
        "SLOW_DOWN",
        "THROTTLING",
        "REQUEST_TIMEOUT",
        "REQUEST_TIME_TOO_SKEWED",
    }
)
"""Names that AWS' library has for what may be over at the next try."""
_ADVICE = "Check bucket, region, endpoint and credentials"

_T = TypeVar("_T")


def download(source: DatasetSource, directory: Path, *, pause: Pause, told: Told = untold) -> None:
    """Fetch all objects below the location; their names relative to it stay. Raises ``RuntimeFailure``, and ``OSError``
    where there is no room."""
    bucket, prefix = split_location(source.location)
    filesystem = connect(source, bucket=bucket, pause=pause)
    base = f"{bucket}/{prefix}".rstrip("/")

    def tried(fetch: Callable[[], _T]) -> _T:
        failed = f"{source.location} could not be downloaded"
        return persistently(lambda: _once(fetch), failed=failed, advice=_ADVICE, pause=pause)

    sizes = tried(lambda: _objects(filesystem, base))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        copies = pool.map(lambda name: tried(lambda: _copy(filesystem, name, base=base, directory=directory)), sizes)
        done, total = 0, sum(sizes.values())
        # The first failure ends the rest of the list unread.
        for size, _ in zip(sizes.values(), copies, strict=True):
            done += size
            told(done, total)


def split_location(location: str) -> tuple[str, str]:
    """Bucket and prefix. Raises ``RuntimeFailure``."""
    match = re.fullmatch(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?:/(?P<prefix>.*))?", location)
    if match is None:
        raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{location} is not of the form s3://bucket/prefix")
    return match["bucket"], (match["prefix"] or "").strip("/")


def connect(source: DatasetSource, *, bucket: str, pause: Pause) -> Any:
    """A file system over the service. Credentials come from the environment that AWS' own tools read. Raises
    ``RuntimeFailure``."""
    fs = library("pyarrow.fs", use="reading s3://")
    settings: dict[str, Any] = {}
    if source.endpoint is not None:
        endpoint = urlsplit(source.endpoint)
        settings |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
    region = source.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        region = "us-east-1" if source.endpoint is not None else _region_of(fs, bucket, pause=pause)
    return fs.S3FileSystem(
        region=region,
        anonymous=not any(os.environ.get(name) for name in _CREDENTIALS),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        # Tries are ours, so that they are counted and waited for in one place.
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        **settings,
    )


def _region_of(fs: Any, bucket: str, *, pause: Pause) -> str:
    return persistently(
        lambda: _once(lambda: str(fs.resolve_s3_region(bucket))),
        failed=f"the region of s3://{bucket} could not be found",
        advice="Name the region, or check the bucket",
        pause=pause,
    )


def _objects(filesystem: Any, base: str) -> dict[str, int]:
    """Sizes by name, in the order of the names."""
    fs = library("pyarrow.fs", use="reading s3://")
    if (info := filesystem.get_file_info(base)).type == fs.FileType.File:
        return {info.path: info.size}
    found = filesystem.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    return dict(sorted((info.path, info.size) for info in found if info.type == fs.FileType.File))


def _copy(filesystem: Any, name: str, *, base: str, directory: Path) -> None:
    relative = name.removeprefix(base).lstrip("/") or name.rsplit("/", 1)[-1]
    if leaves(relative):
        raise RuntimeFailure(ErrorReason.DATASET_INVALID, f"s3://{name} has a name that leads out of the dataset")
    target = directory / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    with filesystem.open_input_stream(name) as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)


def _once(fetch: Callable[[], _T]) -> _T:
    try:
        return fetch()
    except OSError as error:
        if no_room(error):
            raise
        raise DownloadError(_said(error), for_good=_for_good(error)) from error


def _for_good(error: OSError) -> bool:
    """Arrow keeps of the service's answer only what stands in its sentence."""
    said = str(error)
    if status := re.search(r"HTTP status (\d{3})", said):
        return refuses(int(status[1]))
    name = re.search(r"AWS Error (\w+)", said)
    # Numbered errors are this machine's, or say that there is no such object.
    return error.errno is not None if name is None else name[1] not in _PASSING


def _said(error: OSError) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300]

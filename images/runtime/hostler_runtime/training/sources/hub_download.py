"""The process that talks to a hub: its argument says what is wanted; it prints how many bytes of how many have come,
and says what failed in one line.

The library finds the files; their bytes are fetched here. Its own downloads begin anew in each process.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi, get_session, hf_hub_url, set_client_factory
from huggingface_hub.constants import DEFAULT_REVISION, ENDPOINT
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]  # documented so

from hostler_data.readers.manifest import leaves
from hostler_runtime.remote.failures import causes, distrusted, nobody_there, refuses
from hostler_runtime.remote.ways import BundleError, certificates, direct, proxy_of
from hostler_runtime.training.sources.hub import NO_ROOM, REFUSED
from hostler_runtime.training.sources.parts import Part
from hostler_runtime.training.sources.tries import no_room

_AT_ONCE = 8
_CHUNK = 1 << 20
_SECONDS_BETWEEN = 0.5
_PORTS = {"http": 80, "https": 443}


def main() -> int:
    """Download. Exit status ``NO_ROOM``, ``REFUSED``, or 1 where another try may help."""
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    try:
        _limit_requests(silence=wanted["silence"], hub=wanted["endpoint"] or ENDPOINT)
        _download(wanted, Path(wanted["directory"]))
    except Exception as error:
        # Whatever the library raises belongs into one sentence; it has many kinds and adds some with each release.
        said = f"{type(error).__name__}: {error}" if not isinstance(error, BundleError) else str(error)
        more = ", which imports.caBundle in the chart's values is for" if distrusted(error) else ""
        print(" ".join(f"{said}{more}".split()), file=sys.stderr)
        return _status(error)
    return 0


def _download(wanted: dict[str, Any], directory: Path) -> None:
    hub = HfApi(endpoint=wanted["endpoint"])
    # Names may mean another commit by now, and a mixture of two is none.
    commit = hub.dataset_info(wanted["repository"], revision=wanted["revision"] or DEFAULT_REVISION).sha or ""
    tree = hub.list_repo_tree(wanted["repository"], repo_type="dataset", revision=commit, recursive=True)
    patterns = [wanted["path"], f"{wanted['path']}/*"] if wanted["path"] is not None else ["*"]
    files = [
        each
        for each in tree
        if isinstance(each, RepoFile) and any(fnmatchcase(each.path, pattern) for pattern in patterns)
    ]
    if outside := next((each.path for each in files if leaves(each.path)), None):
        raise HFValidationError(f"{outside} has a name that leads out of the dataset")
    parts = {each.path: Part(directory, each.path, _digest_of(each)) for each in files}
    counter = _Counter(sum(each.size for each in files), sum(part.size for part in parts.values()))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        coming = [
            pool.submit(_bring, hub, wanted["repository"], commit, each, parts[each.path], counter) for each in files
        ]
        try:
            for each in coming:
                each.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for path, part in parts.items():
        part.finish(directory / path)


def _bring(hub: HfApi, repository: str, commit: str, file: RepoFile, part: Part, counter: _Counter) -> None:
    """One file, whole and of the digest that the hub has of it."""
    if part.size > file.size:
        part.forget()
    if part.size < file.size or not part.path.exists():
        url = hf_hub_url(repository, file.path, repo_type="dataset", revision=commit, endpoint=hub.endpoint)
        asked = build_hf_headers() | {"Accept-Encoding": "identity"}
        if part.size:
            asked["Range"] = f"bytes={part.size}-"
        with get_session().stream("GET", url, headers=asked) as response:
            hf_raise_for_status(response)
            with part.path.open("ab" if response.status_code == 206 else "wb") as stream:
                for block in response.iter_raw():  # in larger pieces, what came before a break would be lost
                    stream.write(block)
                    counter.took(len(block))
    if (found := _digest(part.path, file)) != (wanted := _digest_of(file)):
        size = part.size
        if size >= file.size:
            part.forget()
            raise ConnectionError(f"{file.path} has digest {found}, and the hub says {wanted}")
        raise ConnectionError(f"{file.path} ended after {size:,} of {file.size:,} bytes")


def _digest_of(file: RepoFile) -> str:
    return file.lfs.sha256 if file.lfs is not None else file.blob_id


def _digest(path: Path, file: RepoFile) -> str:
    """SHA-256 of a large file; of others what git calls them, which begins with how long the whole is."""
    digest = hashlib.sha256() if file.lfs is not None else hashlib.sha1(usedforsecurity=False)
    if file.lfs is None:
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


class _Counter:
    """Bytes of all files, said now and then."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done
        self._lock = threading.Lock()
        self._said = 0.0

    def took(self, count: int) -> None:
        """So many more have come."""
        with self._lock:
            self._done += count
            if time.monotonic() - self._said >= _SECONDS_BETWEEN or self._done >= self._total:
                self._said = time.monotonic()
                print(min(self._done, self._total), self._total, flush=True)


def _status(error: Exception) -> int:
    if no_room(error):
        return NO_ROOM
    for each in causes(error):
        if isinstance(each, HfHubHTTPError) and each.response is not None:
            return REFUSED if refuses(each.response.status_code) else 1
    return REFUSED if isinstance(error, HFValidationError | BundleError) or nobody_there(error) else 1


def _limit_requests(*, silence: float, hub: str) -> None:
    """Have every request fail after so many seconds of ``silence``: the library asks for lists without a limit. And
    send the token to the hub alone: the library follows the pages of a list wherever they are said to be, and forwards
    what is meant for another hub to the public one."""
    usual, home = get_session(), _origin(hub)

    def limit(request: Any) -> None:
        if _origin(str(request.url)) != home:
            request.headers.pop("Authorization", None)
        limits = {"connect": None, "read": None, "write": None, "pool": None, **request.extensions.get("timeout", {})}
        request.extensions["timeout"] = {
            name: silence if seconds is None else seconds for name, seconds in limits.items()
        }

    hooks = {"request": [*usual.event_hooks["request"], limit]}
    make, verify = type(usual), certificates(os.environ)
    # Whatever the hub's library talks through, which has changed between its releases.
    http: Any = sys.modules[make.__module__.partition(".")[0]]
    ways: Any = {
        f"{scheme}://": _Chooses(http.HTTPTransport(proxy=proxy, verify=verify), http.HTTPTransport(verify=verify))
        for scheme in _PORTS
        if (proxy := proxy_of(scheme, os.environ))
    }
    set_client_factory(
        lambda: make(event_hooks=hooks, follow_redirects=True, verify=verify, trust_env=False, mounts=ways)
    )


class _Chooses:
    """Through a proxy, or past it, for each request: the library itself knows no networks in NO_PROXY."""

    def __init__(self, through: Any, past: Any) -> None:
        self._through, self._past = through, past

    def __enter__(self) -> _Chooses:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle_request(self, request: Any) -> Any:
        """As the library calls it."""
        way = self._past if direct(str(request.url), os.environ) else self._through
        return way.handle_request(request)

    def close(self) -> None:
        """Let go of both."""
        self._through.close()
        self._past.close()


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


if __name__ == "__main__":
    sys.exit(main())

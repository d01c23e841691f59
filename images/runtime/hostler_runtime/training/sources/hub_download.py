"""The process that talks to a hub. Reads what is wanted from standard input; says what failed in one line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import get_session, set_client_factory, snapshot_download
from huggingface_hub.constants import ENDPOINT
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from hostler_runtime.remote.failures import causes, distrusted, nobody_there, refuses
from hostler_runtime.remote.ways import BundleError, certificates, direct, proxy_of
from hostler_runtime.training.sources.hub import NO_ROOM, REFUSED
from hostler_runtime.training.sources.tries import no_room

_PORTS = {"http": 80, "https": 443}


def main() -> int:
    """Download. Exit status ``NO_ROOM``, ``REFUSED``, or 1 where another try may help."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    path = wanted["path"]
    try:
        _limit_requests(silence=wanted["silence"], hub=wanted["endpoint"] or ENDPOINT)
        snapshot_download(
            wanted["repository"],
            repo_type="dataset",
            revision=wanted["revision"],
            endpoint=wanted["endpoint"],
            local_dir=Path(wanted["directory"]),
            allow_patterns=None if path is None else [path, f"{path}/*"],
        )
    except Exception as error:
        # Whatever the library raises belongs into one sentence; it has many kinds and adds some with each release.
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
        said = f"{type(cause).__name__}: {cause}" if not isinstance(cause, BundleError) else str(cause)
        more = ", which imports.caBundle in the chart's values is for" if distrusted(error) else ""
        print(" ".join(f"{said}{more}".split()), file=sys.stderr)
        return _status(error)
    return 0


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

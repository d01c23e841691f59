"""The process that talks to a hub. Reads what is wanted from standard input; says what failed in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import get_session, set_client_factory, snapshot_download
from huggingface_hub.constants import ENDPOINT
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from hostler_runtime.training.sources.hub import NO_ROOM, REFUSED
from hostler_runtime.training.sources.tries import causes, no_room, nobody_there, refuses

_PORTS = {"http": 80, "https": 443}


def main() -> int:
    """Download. Exit status ``NO_ROOM``, ``REFUSED``, or 1 where another try may help."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    path = wanted["path"]
    _limit_requests(silence=wanted["silence"], hub=wanted["endpoint"] or ENDPOINT)
    try:
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
        print(" ".join(f"{type(cause).__name__}: {cause}".split()), file=sys.stderr)
        return _status(error)
    return 0


def _status(error: Exception) -> int:
    if no_room(error):
        return NO_ROOM
    for each in causes(error):
        if isinstance(each, HfHubHTTPError) and each.response is not None:
            return REFUSED if refuses(each.response.status_code) else 1
    return REFUSED if isinstance(error, HFValidationError) or nobody_there(error) else 1


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
    set_client_factory(lambda: type(usual)(event_hooks=hooks, follow_redirects=True))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


if __name__ == "__main__":
    sys.exit(main())

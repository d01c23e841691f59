"""The process that talks to a hub. Reads what is wanted from standard input; says what failed in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import get_session, set_client_factory, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from hostler_runtime.training.sources.hub import NO_ROOM, REFUSED
from hostler_runtime.training.sources.tries import causes, no_room, nobody_there, refuses


def main() -> int:
    """Download. Exit status ``NO_ROOM``, ``REFUSED``, or 1 where another try may help."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    path = wanted["path"]
    _end_silence(wanted["silence"])
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


def _end_silence(after: float) -> None:
    """Have every request fail after so many seconds without a word: the library asks for lists without a limit."""
    usual = get_session()

    def limit(request: Any) -> None:
        limits = {"connect": None, "read": None, "write": None, "pool": None, **request.extensions.get("timeout", {})}
        request.extensions["timeout"] = {
            name: after if seconds is None else seconds for name, seconds in limits.items()
        }

    hooks = {"request": [*usual.event_hooks["request"], limit]}
    set_client_factory(lambda: type(usual)(event_hooks=hooks, follow_redirects=True))


if __name__ == "__main__":
    sys.exit(main())

"""The process that talks to a hub. Reads what is wanted from standard input; says what failed in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError


def main() -> int:
    """Download. Exit status 1 where that failed."""
    wanted: dict[str, Any] = json.load(sys.stdin)
    path = wanted["path"]
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
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

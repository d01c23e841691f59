"""One row of the tables of what the API server refuses."""

from __future__ import annotations

from typing import Any, NamedTuple


class Invalid(NamedTuple):
    """A sentence, the manifest, the field to blame, part of the message."""

    sentence: str
    manifest: dict[str, Any]
    want_path: str
    want_message: str

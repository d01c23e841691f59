"""One hash for content: names, revisions and 'did anything change' all use it."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def content_hash(content: Any, *, length: int = 10) -> str:
    """Lower-case hex over the canonical JSON of plain types: the order of keys does not count."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]

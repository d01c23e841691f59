"""Writes, as the API server's audit log counts them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

Writes = dict[str, dict[str, int]]
"""By user: how often each verb on each resource; a refused one carries its status, as in `create jobs !409`."""


def size(log: Path) -> int:
    """Where the log ends now."""
    return log.stat().st_size if log.exists() else 0


def writes(log: Path, *, since: int) -> Writes:
    """What was written after a place in the log."""
    found: dict[str, Counter[str]] = {}
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                # The last line may still be on its way.
                continue
            found.setdefault(event["user"]["username"], Counter())[_what(event)] += 1
    return {user: dict(counts.most_common()) for user, counts in found.items()}


def _what(event: dict) -> str:  # type: ignore[type-arg]
    target = event.get("objectRef") or {}
    resource = "/".join(filter(None, (target.get("resource", "?"), target.get("subresource"))))
    code = (event.get("responseStatus") or {}).get("code", 0)
    return f"{event['verb']} {resource}" + (f" !{code}" if code >= 400 else "")


def per_job(counts: Mapping[str, int], *, jobs: int, without: tuple[str, ...] = ()) -> float:
    """Writes for each job, leaving out those on some resources and their subresources."""
    kept = sum(number for what, number in counts.items() if what.split()[1].split("/")[0] not in without)
    return kept / jobs

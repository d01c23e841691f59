"""Points in time as the API writes them: RFC 3339, UTC, whole seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_PARTS = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def later(moment: str, *, seconds: float) -> str:
    """The moment so many seconds after this one, rounded down to whole seconds."""
    return (_parsed(moment) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def elapsed(since: str, *, now: str) -> float:
    """Seconds from one moment to another; negative where the first lies in the future."""
    return (_parsed(now) - _parsed(since)).total_seconds()


@lru_cache(maxsize=65536)
def epoch(moment: str) -> float:
    """Seconds since 1970. Remembered, because a line of thousands is put in order many times."""
    return _parsed(moment).timestamp()


def duration(seconds: float) -> str:
    """Two figures at most: ``45s``, ``2m10s``, ``3h05m``, ``2d3h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def seconds_of(shown: str) -> float | None:
    """What :func:`duration` wrote, in seconds; None where it is something else."""
    parts = _PARTS.findall(shown)
    if not parts or "".join(count + unit for count, unit in parts) != shown:
        return None
    return float(sum(int(count) * _SECONDS[unit] for count, unit in parts))


def _parsed(moment: str) -> datetime:
    found = datetime.fromisoformat(moment)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

"""Points in time as the API writes them: RFC 3339, UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def later(moment: str, *, seconds: float) -> str:
    """The moment so many seconds after this one, rounded down to whole seconds."""
    return (_parsed(moment) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def elapsed(since: str, *, now: str) -> float:
    """Seconds from one moment to another; negative where the first lies in the future."""
    return (_parsed(now) - _parsed(since)).total_seconds()


def _parsed(moment: str) -> datetime:
    found = datetime.fromisoformat(moment)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

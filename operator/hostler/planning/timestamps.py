"""RFC 3339 as Kubernetes writes it: UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def parse(text: str) -> datetime:
    """A moment. Raises ``ValueError``."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one moment to another; negative where the order is the other way round."""
    return (parse(later) - parse(earlier)).total_seconds()


def after(text: str, seconds: float) -> str:
    """The moment so many seconds later, rounded up to a whole one."""
    moment = parse(text) + timedelta(seconds=seconds)
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

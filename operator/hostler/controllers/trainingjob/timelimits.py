"""What a job's own time limits say: how long its attempts may take, and how long it stays when it has ended."""

from __future__ import annotations

from hostler.controllers.trainingjob.accounting import active_seconds
from hostler.controllers.trainingjob.observed import AttemptState, Observed
from hostler.planning import moments

_AT_LEAST_SECONDS = 1.0
"""Between two looks: times have whole seconds."""


def is_out_of_time(seen: Observed) -> bool:
    """Whether all attempts together have taken as long as spec.activeDeadlineSeconds allows."""
    left = _active_seconds_left(seen)
    return left is not None and left <= 0


def has_expired(seen: Observed) -> bool:
    """Whether it has ended, and spec.ttlSecondsAfterFinished has passed since."""
    left = _kept_seconds_left(seen)
    return left is not None and left <= 0


def next_look(seen: Observed) -> float | None:
    """Seconds until one of the limits is reached, of which no event tells; None where none is running out."""
    if seen.ended:
        left = _kept_seconds_left(seen)
    else:
        live = seen.newest is not None and seen.newest.state is AttemptState.LIVE
        left = _active_seconds_left(seen) if live else None
    return None if left is None else max(_AT_LEAST_SECONDS, left)


def _active_seconds_left(seen: Observed) -> float | None:
    limit = seen.spec.active_deadline_seconds
    return None if limit is None else limit - active_seconds(seen)


def _kept_seconds_left(seen: Observed) -> float | None:
    limit, ended_at = seen.spec.ttl_seconds_after_finished, seen.status.completion_time
    if limit is None or ended_at is None or not seen.ended:
        return None
    return limit - moments.elapsed(ended_at, now=seen.now)

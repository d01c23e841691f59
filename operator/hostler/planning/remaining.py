"""How much longer a job takes, by what is known of it.

In this order, because each is nearer to the truth than the next: what the first process says while it trains; the pace
of the attempts so far, where they have left a checkpoint; what the user said, or else the estimator, less the share of
the steps that the newest checkpoint keeps. A job that returns to the line therefore does not count as long as it did
at first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a job has to do, and what it has done."""

    steps: int
    """Optimizer steps in all."""
    kept: int = 0
    """Steps of the newest checkpoint, which the next attempt does not make again."""
    spent: float = 0.0
    """Seconds that the attempts took that are over."""
    said: float | None = None
    """Seconds that the user expects for all of it."""
    estimated: float | None = None
    """Seconds that the estimator expects for all of it, where the user says nothing."""
    told: float | None = None
    """Seconds until the end, as the first process says; None while none does."""


def estimate(work: Work) -> float | None:
    """Seconds that the next attempt takes until the end; None where nobody knows."""
    if work.kept and work.spent:
        # Start-up, and what was lost, are part of the pace: they come again.
        return work.spent / work.kept * max(0, work.steps - work.kept)
    whole = work.said if work.said is not None else work.estimated
    if whole is None:
        return None
    return whole * max(0.0, 1.0 - work.kept / max(1, work.steps))


def remaining(work: Work, *, running: float) -> float | None:
    """Seconds until a job is done that has held its accelerators for ``running`` seconds; None where nobody knows.

    Below zero once it is past what was said, by how much it is: only progress corrects that.
    """
    if work.told is not None:
        return work.told
    whole = estimate(work)
    return None if whole is None else whole - running

"""What an action answers."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.controllers.plan import Plan
from hostler.planning.demand import Demand


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan, and what it promises to the pool."""

    plan: Plan
    promise: tuple[str, Demand] | None = None
    """Name of the Job about to be written, and what it will take."""

"""What is demanded of the planner, beside what other orders gave in the same run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

EASY, SHORTEST = "EASY", "shortest first"
FIFO, ATTAINED = "first come first served", "least attained service"
EXACT, NOISY, NONE = "planner", "planner, estimates x/2", "planner, no estimates"

MEAN, P99 = "completion mean, s", "completion p99, s"
SLOWDOWN, MAKESPAN = "bounded slowdown mean", "makespan, s"
WHOLE_DEVICES = "openb_pod_list_multigpu50"
"""The published list in which half of the devices asked for are of tasks with several; without those that share one."""
LEAST_ALLOCATED = 96.0
"""Per cent of the devices, when 100 per cent have been asked for."""

Figures = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One demand and what was found."""

    what: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def row(self) -> tuple[str, str, str, str]:
        """For a table."""
        sign = "at least" if self.at_least else "at most"
        return self.what, f"{self.found:.3f}", f"{sign} {self.limit:g}", "holds" if self.holds else "MISSED"


def of_order(trace: str, found: Mapping[str, Figures]) -> Iterator[Demand]:
    """Those of one trace, by the name of each order that was replayed."""
    for what, figure, ours, theirs, limit in (
        ("mean completion, times EASY's", MEAN, EXACT, EASY, 0.80),
        ("p99 of completion, times EASY's", P99, EXACT, EASY, 1.60),
        ("mean bounded slowdown, times shortest first's", SLOWDOWN, EXACT, SHORTEST, 1.0),
        ("makespan, times shortest first's", MAKESPAN, EXACT, SHORTEST, 1.10),
        ("mean completion with estimates wrong by 2, times EASY's", MEAN, NOISY, EASY, 0.85),
    ):
        yield Demand(what=f"{trace}: {what}", found=found[ours][figure] / found[theirs][figure], limit=limit)


def of_allocation(found: Mapping[str, Mapping[int, float]]) -> Iterator[Demand]:
    """That of the list with many whole devices, where it was there."""
    if WHOLE_DEVICES in found:
        what = f"{WHOLE_DEVICES}: devices allocated at 100 % demand, per cent"
        yield Demand(what=what, found=found[WHOLE_DEVICES][100], limit=LEAST_ALLOCATED, at_least=True)

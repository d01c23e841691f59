"""Tables of the queue's benchmark, and the page of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from demands import Demand, Figures
from folder import Folder
from trace_bench import shown

_SHOWN = (
    "completion mean, s",
    "completion p99, s",
    "bounded slowdown mean",
    "makespan, s",
    "utilization",
    "fragmentation",
    "unfairness: largest rho",
    "fairness: Jain's index",
    "preemptions",
    "longest line",
    "pass p50, ms",
    "pass p95, ms",
    "pass max, ms",
)
_COMPARED = ("Random", "GpuPacking", "BestFit", "FGD")
_METHOD = Path(__file__).with_name("queue_method.md")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a run of the command."""

    folder: Folder
    runs: Mapping[str, Mapping[str, Figures]]
    """By trace and order."""
    allocation: Mapping[str, Mapping[int, float]]
    """By list of tasks and demand, in per cent."""
    seeds: int
    """Over how many orders of arrival that is the mean."""
    demands: Sequence[Demand]

    def document(self) -> dict[str, object]:
        """All of it for machines."""
        return {
            "date": _now(),
            "machine": _machine(),
            "runs": self.runs,
            "allocation": self.allocation,
            "demands": [demand.row for demand in self.demands],
        }

    def tables(self) -> str:
        """Demands, then each trace."""
        return "\n\n".join(["### Demands\n\n" + self._demands(), *self._traces(), *self._allocation()])

    def page(self) -> str:
        """The method and the tables, with date and machine."""
        head = _METHOD.read_text(encoding="utf-8").rstrip()
        missed = sum(not demand.holds for demand in self.demands)
        said = f"{len(self.demands) - missed} of {len(self.demands)} demands hold." if self.demands else ""
        left = "".join(f"\nLeft out: {name}: {why}." for name, why in self.folder.unknown.items())
        when = f"## Measured\n\n{_now()[:10]}, {_machine()}, other work beside it. {said}{left}"
        return f"{head}\n\n{when}\n\n{self.tables()}\n"

    def _demands(self) -> str:
        return _table(("demand", "found", "wanted", ""), (demand.row for demand in self.demands))

    def _traces(self) -> Iterable[str]:
        for each in self.folder.replayed:
            runs = self.runs[each.name]
            devices = sum(node.devices for node in each.nodes)
            left = sum(each.trace.left_out.values())
            jobs = next(iter(runs.values()))["jobs"]
            title = f"### {each.name}: {jobs:,.0f} jobs on {len(each.nodes)} nodes with {devices} devices"
            note = "".join(f"\n\n{count} more jobs {why}." for why, count in each.trace.left_out.items() if left)
            rows = ((name, *(shown(name, found[name]) for found in runs.values())) for name in _SHOWN)
            yield f"{title}{note}\n\n{_table(('', *runs), rows)}"

    def _allocation(self) -> Iterable[str]:
        if not self.allocation:
            return
        rows = []
        for name, shares in self.allocation.items():
            others = self.folder.published.get(name, {})
            told = [" / ".join(f"{each:.1f}" for each in others[one].values()) for one in _COMPARED if one in others]
            ours = " / ".join(f"{each:.1f}" for each in shares.values())
            rows.append((name, ours, *(told or ["-"] * len(_COMPARED))))
        head = ("tasks", "planner, whole devices", *(f"{each}, published" for each in _COMPARED))
        title = (
            f"### Per cent of openb's devices allocated at 100 / 130 % demand, mean of {self.seeds} orders of arrival"
        )
        yield f"{title}\n\n{_table(head, rows)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _machine() -> str:
    return f"{len(os.sched_getaffinity(0))} cores of a virtual machine, Python {platform.python_version()}"

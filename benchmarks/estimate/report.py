"""Tables of the estimates' benchmark, and the page of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from published import Run
from scores import ROW, Demand, Score

from hostler.planning.estimate.priors import Priors

_METHOD = Path(__file__).with_name("method.md")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table."""

    title: str
    scores: tuple[Score, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a run of the command."""

    runs: Sequence[Run]
    priors: Priors
    sections: tuple[Section, ...]
    demands: tuple[Demand, ...]

    def tables(self) -> str:
        """Demands, then each section."""
        demands = _table(("demand", "found", "wanted", ""), (each.row for each in self.demands))
        sections = (f"### {each.title}\n\n{_table(ROW, (s.row for s in each.scores))}" for each in self.sections)
        return "\n\n".join([f"### Demands\n\n{demands}", *sections])

    def page(self) -> str:
        """The method and the tables, with date and machine."""
        head = _METHOD.read_text(encoding="utf-8").rstrip()
        held = sum(demand.holds for demand in self.demands)
        when = f"{datetime.now(UTC).date().isoformat()}, {_machine()}. {held} of {len(self.demands)} demands hold."
        sources = "; ".join(self.priors.sources)
        return f"{head}\n\n## Measured\n\n{when} {len(self.runs)} runs: {sources}.\n\n{self.tables()}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _machine() -> str:
    return f"{len(os.sched_getaffinity(0))} cores of a virtual machine, Python {platform.python_version()}"

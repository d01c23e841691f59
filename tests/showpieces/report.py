"""What was measured, as a page of the documentation."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from showpieces.shelves import ALL

_FRAME = Path(__file__).with_name("page.md")
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "showpieces.md"


@dataclass(frozen=True)
class _Row:
    model: str
    what: str
    measured: str
    demand: str


@dataclass
class Report:
    """Figures in the order in which they were measured."""

    rows: list[_Row] = field(default_factory=list)

    def add(self, model: str, what: str, measured: object, *, demand: str = "") -> None:
        """One figure, and what it has to be."""
        self.rows.append(_Row(model, what, str(measured), demand))

    def is_complete(self, missing: Container[str]) -> bool:
        """Whether every model was measured, or is missing with a reason."""
        return all(name in missing or any(row.model == name for row in self.rows) for name in ALL)

    def page(self, *, missing: Mapping[str, str], machine: str, date: str) -> str:
        """The whole page."""
        lines = [f"| {row.model} | {row.what} | {row.measured} | {row.demand} |" for row in self.rows]
        lines += [f"| {name} | not run | | {reason} |" for name, reason in missing.items()]
        table = "\n".join(["| model | figure | measured | demand |", "|---|---|---|---|", *lines])
        frame = _FRAME.read_text(encoding="utf-8")
        return frame.format(table=table, machine=machine, date=date)

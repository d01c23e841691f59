"""Tables for people: on a narrow terminal whole columns are left out and named, so that no cell is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 220
"""Columns of a terminal that is none, so that a pipe gets whole lines."""
_GAP = 2
"""Blanks between two columns."""
_SENTENCE = 24
"""Characters that a column of sentences has at least, which go on in the next line."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    right: bool = False
    """Whether it is aligned to the right, as figures are."""
    leaves: int | None = None
    """Its place in the order in which columns are left out of a narrow terminal, the lowest first; None stays."""
    wraps: bool = False
    """Whether it holds sentences."""


def terminal() -> Console:
    """Where tables go: as wide as the terminal is, and wide where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=max(WIDE, console.width))


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, to: Console | None = None) -> None:
    """Print a table as wide as the terminal is, and say on standard error what was left out of it."""
    console = to or terminal()
    kept = fitting(columns, rows, width=console.width)
    console.print(table_of(columns, rows, kept=kept))
    if left := [column.name for index, column in enumerate(columns) if index not in kept]:
        click.echo(
            f"Left out of {console.width} columns: {', '.join(left)}. --output json has everything, and so has a pipe.",
            err=True,
        )


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int) -> list[int]:
    """Indices of the columns that stay. Where even those that must are too wide, they are kept all the same."""
    needed = [_width(column, [row[index] for row in rows]) for index, column in enumerate(columns)]
    leaving = [index for _, index in sorted((c.leaves, i) for i, c in enumerate(columns) if c.leaves is not None)]

    def fits(indices: Sequence[int]) -> bool:
        return sum(needed[each] for each in indices) + _GAP * (len(indices) - 1) <= width

    kept, left = list(range(len(columns))), list[int]()
    while leaving and not fits(kept):
        left.append(leaving.pop(0))
        kept.remove(left[-1])
    # A wide one that went later may have made room for a narrow one that went before.
    for index in reversed(left):
        if fits(with_it := sorted([*kept, index])):
            kept = with_it
    return kept


def table_of(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, kept: Sequence[int]) -> Table:
    """The table of some of its columns."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for index in kept:
        column = columns[index]
        result.add_column(
            column.name, justify="right" if column.right else "left", no_wrap=not column.wraps, overflow="fold"
        )
    for row in rows:
        # As it is: brackets are no markup.
        result.add_row(*(Text(row[index]) for index in kept))
    return result


def _width(column: Column, cells: Sequence[str]) -> int:
    widest = max(map(len, cells), default=0)
    return max(len(column.name), min(widest, _SENTENCE) if column.wraps else widest)

"""Tables that fit a terminal, and are whole lines in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 200
"""Columns of a terminal that is none, so that a pipe gets whole lines."""


def console() -> Console:
    """Where to print: as wide as the terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=max(_WIDE, found.width))


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = ()) -> Table:
    """Columns without a frame; what is too long for its column goes on below."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table

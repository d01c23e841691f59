"""Tables on terminals of every width."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from builders import make_pool
from rich.console import Console
from tables import table

from hostler.catalog import entries
from hostler.cli import catalog, pools
from hostler.cli.catalogview import view_of
from hostler.cli.tables import Column, fitting, table_of

SENTENCE = "No node carries hostler.dev/pool=gpu, so nothing can run here before one does: label your nodes."


def drawn(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(table_of(columns, rows, kept=fitting(columns, rows, width=width)))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@table(
    "width, want",
    {
        "room for all": (80, ["NAME", "SIZE", "WORDS", "FLAG"]),
        "what leaves first": (20, ["NAME", "SIZE", "FLAG"]),
        "then the next": (12, ["NAME", "FLAG"]),
        "what stays is there on every terminal": (3, ["NAME"]),
    },
)
def test_columns_leave_in_their_order(width: int, want: list[str]) -> None:
    columns = (
        Column(name="NAME"), Column(name="SIZE", leaves=2), Column(name="WORDS", leaves=1),
        Column(name="FLAG", leaves=3),
    )  # fmt: skip
    rows = [("abcd", "12345", "long enough", "yes!")]
    assert [columns[index].name for index in fitting(columns, rows, width=width)] == want


def test_a_narrow_column_comes_back_where_a_wide_one_made_room() -> None:
    columns = (Column(name="NAME"), Column(name="A", leaves=1), Column(name="WIDE", leaves=2))
    assert fitting(columns, [("abcd", "1", "x" * 60)], width=20) == [0, 1]


def catalog_rows() -> tuple[Sequence[Column], Sequence[Sequence[str]]]:
    found = view_of(
        list(entries().values()), [make_pool("gpu"), make_pool("ipu", acceleratorType="graphcore-ipu-c600")]
    )
    return catalog.COLUMNS, catalog.rows_of(list(found.entries.values()), found)


def pool_rows() -> tuple[Sequence[Column], Sequence[Sequence[str]]]:
    condition = {"type": "Ready", "status": "False", "reason": "NoNodes", "message": SENTENCE}
    status = {"conditions": [condition], "capacity": 1024, "inUse": 1000, "reserved": 24, "largestFreeBlock": 8}
    price = {"amount": "2.79", "currency": "EUR", "source": "contract", "date": "2026-01-01"}
    return pools.POOL_COLUMNS, pools.pool_rows([make_pool("gpu-of-the-lab", price=price) | {"status": status}])


def accelerator_rows() -> tuple[Sequence[Column], Sequence[Sequence[str]]]:
    return pools.accelerator_columns("speech-to-text"), pools.accelerator_rows("speech-to-text")


@pytest.mark.parametrize("made", [catalog_rows, pool_rows, accelerator_rows])
@pytest.mark.parametrize("width", [80, 100, 132, 220])
def test_no_cell_is_cut_on_a_terminal_of_usual_width(made: object, width: int) -> None:
    columns, rows = made()  # type: ignore[operator]
    lines = drawn(columns, rows, width=width)
    kept = fitting(columns, rows, width=width)

    assert max(map(len, lines)) <= width
    whole = " ".join(" ".join(lines).split())
    for row in rows:
        for index in kept:
            if not columns[index].wraps:
                assert row[index] in whole
    if not any(column.wraps for column in columns):
        assert len(lines) == 1 + len(rows)


def test_brackets_are_no_markup() -> None:
    assert drawn([Column(name="A")], [("[bold]x",)], width=80)[1].strip() == "[bold]x"

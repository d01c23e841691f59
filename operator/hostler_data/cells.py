"""Cells of tables without types: the roles that are numbers or truths become such."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from hostler_data.readers import Found
from hostler_data.record import Record

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def typed(rows: Iterator[Found]) -> Iterator[Found]:
    """The rows with their cells as what their roles need. What does not read as such stays text, and is found wrong by
    whoever needs it."""
    for found in rows:
        yield replace(found, values=_typed(found.values)) if isinstance(found, Record) else found


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        role: _TYPES[role](cell) if role in _TYPES and isinstance(cell, str) else cell for role, cell in values.items()
    }


def _whole(cell: str) -> str | int:
    return int(cell) if _WHOLE.fullmatch(cell.strip()) else cell


def _decimal(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


def _truth(cell: str) -> str | bool:
    return _TRUTHS.get(cell.strip().lower(), cell)


def _listed(cell: str) -> Any:
    """A conversation in a cell is written as JSON."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


_TYPES: Mapping[str, Callable[[str], Any]] = {
    "label": _whole,
    "answer_start": _whole,
    "praise": _truth,
    "offset": _decimal,
    "duration": _decimal,
    "messages": _listed,
}

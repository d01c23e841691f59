"""Columns get the names that the families know: the roles that they play."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from hostler_data.errors import DataError, MissingColumnError
from hostler_data.readers import Found
from hostler_data.record import Record

_PATIENCE = 1000
"""Rows within which a column must turn up once. Rows may lack it: some have no label on purpose."""


def assign_roles(scan: Callable[[], Iterator[Found]], columns: Mapping[str, str]) -> Iterator[Found]:
    """Rename each row's columns by ``columns`` (role to column). A column that no row has is an error, and the first
    thing that is told: what single rows lack for want of it says less. ``scan`` begins with the rows anew."""
    if not columns:
        yield from scan()
        return
    yield from _missing(scan(), columns)
    for found in scan():
        yield replace(found, values=_renamed(found.values, columns)) if isinstance(found, Record) else found


def _renamed(values: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    taken = set(columns.values())
    kept = {name: value for name, value in values.items() if name not in taken and name not in columns}
    return kept | {role: values[column] for role, column in columns.items() if column in values}


def _missing(rows: Iterator[Found], columns: Mapping[str, str]) -> Iterator[DataError]:
    """Looks at as many rows as it needs to have seen every column, mostly one."""
    unseen, seen = dict(columns), set[str]()
    first: Record | None = None
    for row in itertools.islice((found for found in rows if isinstance(found, Record)), _PATIENCE):
        first = first or row
        seen.update(row.values)
        unseen = {role: column for role, column in unseen.items() if column not in row.values}
        if not unseen:
            return
    if first is None:
        return
    have = ", ".join(sorted(seen)) or "none"
    for role, column in unseen.items():
        near = difflib.get_close_matches(column, sorted(seen), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "correct `columns`"
        message = f"there is no column {column!r} for the role {role}; the columns are: {have}; {hint}"
        yield first.error(message, kind=MissingColumnError)

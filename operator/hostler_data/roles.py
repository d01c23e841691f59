"""Columns get the names that the families know: the roles that they play."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hostler_data.errors import DataError, MissingColumnError
from hostler_data.readers import Found
from hostler_data.record import Record

_PATIENCE = 1000
"""Rows within which a column must turn up once. Rows may lack it: some have no label on purpose."""


def assign_roles(rows: Iterator[Found], columns: Mapping[str, str]) -> Iterator[Found]:
    """Rename each row's columns by ``columns`` (role to column). A column that no row has is an error."""
    if not columns:
        yield from rows
        return
    unseen = dict(columns)
    first: Record | None = None
    count = 0
    for found in rows:
        if isinstance(found, Record):
            first = first or found
            for role in [role for role, column in unseen.items() if column in found.values]:
                del unseen[role]
            found = replace(found, values=_renamed(found.values, columns))
            count += 1
        yield found
        if unseen and first and count == _PATIENCE:
            yield from _missing(first, unseen)
            unseen = {}
    if first:
        yield from _missing(first, unseen)


def _renamed(values: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    taken = set(columns.values())
    kept = {name: value for name, value in values.items() if name not in taken and name not in columns}
    return kept | {role: values[column] for role, column in columns.items() if column in values}


def _missing(first: Record, unseen: Mapping[str, str]) -> Iterator[DataError]:
    have = ", ".join(sorted(first.values)) or "none"
    for role, column in unseen.items():
        message = f"there is no column {column!r} for the role {role}; the columns are: {have}. Correct `columns`"
        yield first.error(message, kind=MissingColumnError)

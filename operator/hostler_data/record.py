"""One row of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostler_data.errors import DataError

_SHOWN = 80
"""Characters of a value in an error."""


@dataclass(frozen=True)
class Record:
    """One row with its place, so that whatever is found wrong with it can be said with file and row."""

    file: str
    """Relative to the data's root."""
    row: int
    """Line, row or sample in the file, from 1."""
    values: Mapping[str, Any]
    """By role; columns that play no role keep their own names."""
    folder: Path = Path()
    """Directory that paths in the values are relative to."""

    def text(self, role: str = "text") -> str:
        """The value of a role that must be text. Raises ``DataError``."""
        value = self.require(role)
        if not isinstance(value, str):
            quote = ": write it in quotes" if isinstance(value, int | float) else ""
            raise self.error(f"{role} is {shown(value)}, not text{quote}")
        return value

    def require(self, role: str) -> Any:
        """The value of a role that must be there. Raises ``DataError`` that names the columns that are."""
        value = self.values.get(role)
        if value is None:
            have = ", ".join(sorted(self.values)) or "none"
            state = f"{role} is empty" if role in self.values else f"there is no {role}"
            raise self.error(f"{state}; the columns are: {have}. Name the column that is the {role} under `columns`")
        return value

    def error(self, message: str, *, kind: type[DataError] = DataError) -> DataError:
        """An error about this row, to be raised."""
        return kind(file=self.file, row=self.row, message=message)


def kind_of(value: object) -> str:
    """A value's type in words of JSON."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """A value as an error names it: itself where it is short, else its type."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    return kind_of(value)

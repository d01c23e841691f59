"""What can be wrong with data, always with the file and the row, because that is what a user opens next."""

from __future__ import annotations


class DataError(Exception):
    """Data that cannot be used. ``str()`` is ``file:row: message``."""

    def __init__(self, *, file: str, row: int | None = None, message: str) -> None:
        super().__init__(f"{file}:{row}: {message}" if row is not None else f"{file}: {message}")
        self.file = file
        """Path relative to the data's root, or the location itself where the data as a whole is meant."""
        self.row = row
        """Line, row or sample within the file, from 1."""
        self.message = message

    def __reduce__(self) -> tuple[object, ...]:
        # An exception with keyword arguments does not survive pickling, and errors travel between processes.
        return _restore, (type(self), self.file, self.row, self.message)


class DataNotFoundError(DataError):
    """Nothing is where data was said to be."""


class NoRoleError(DataError):
    """A row whose columns no family, or not the one that is asked, can use."""


class MissingColumnError(DataError):
    """A column that was mapped to a role, and that no row has."""


class MissingLibraryError(Exception):
    """A library that this format needs is not installed; the message says how to install it."""


def _restore(kind: type[DataError], file: str, row: int | None, message: str) -> DataError:
    return kind(file=file, row=row, message=message)

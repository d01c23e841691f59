"""A dataset as rows by role: read from disk again and again, never held in memory as a whole."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from hostler_contract.job import DataFormat
from hostler_data.cells import typed
from hostler_data.checks import ROLES
from hostler_data.errors import DataError
from hostler_data.files import content_sha256, root_of
from hostler_data.readers import Found, reader
from hostler_data.readers.text import TextReader
from hostler_data.record import Record
from hostler_data.roles import assign_roles
from hostler_data.shapes import with_messages
from hostler_data.split import plan_split

__all__ = ["Record", "Records", "Rows", "open_records"]


class Rows:
    """Rows that can be read any number of times, always in the same order."""

    def __init__(self, scan: Callable[[], Iterator[Found]], *, location: str, what: str = "holds no rows") -> None:
        self._scan = scan
        self.location = location
        """Where the data is, as its owner named it."""
        self._empty = what

    def scan(self) -> Iterator[Found]:
        """Every row; one that cannot be read is there as its error, so that a check can go on after it."""
        return self._scan()

    def __iter__(self) -> Iterator[Record]:
        """Every row. Raises ``DataError`` at the first one that cannot be read, and where there is none."""
        nothing = True
        for found in self.scan():
            if isinstance(found, DataError):
                raise found
            nothing = False
            yield found
        if nothing:
            raise DataError(file=self.location, message=self._empty)


class Records(Rows):
    """A whole dataset."""

    def __init__(
        self, files: Sequence[Path], *, root: Path, location: str, format: DataFormat, columns: Mapping[str, str]
    ) -> None:
        if unknown := sorted(set(columns) - set(ROLES)):
            near = difflib.get_close_matches(unknown[0], ROLES, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; the roles are: {', '.join(sorted(ROLES))}"
            message = f"`columns` names the role {unknown[0]!r}, which no family reads{hint}"
            raise DataError(file=location, message=message)
        self._reader = reader(format, files, root=root, location=location)
        super().__init__(self._by_role, location=location, what=self._reader.nothing)
        self.files = tuple(files)
        self.root = root
        self.format: DataFormat = format
        self.columns = dict(columns)

    def _by_role(self) -> Iterator[Found]:
        rows = assign_roles(self._reader.scan, self.columns)
        return with_messages(typed(rows) if self._reader.untyped else rows)

    @property
    def row_files(self) -> Sequence[Path]:
        """Files whose rows these are; others may be media that rows name, or of no use."""
        return self._reader.files

    @cached_property
    def sha256(self) -> str:
        """Content hash; see ``hostler_data.files.content_sha256``."""
        return content_sha256(self.files, root=self.root)

    @cached_property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)

    @cached_property
    def amount(self) -> int:
        """About how much there is to read, in the units of ``amount_of``: for showing how far a pass over it is. Lines
        are counted, not understood; where rows are no lines, the rows are."""
        if isinstance(self._reader, TextReader):
            return self.size_bytes
        if self.format in ("jsonl", "csv"):
            return sum(map(_lines, self.row_files))
        return sum(1 for _ in self.scan())

    def amount_of(self, record: Record) -> int:
        """What one row counts for."""
        return len(record.text().encode()) if isinstance(self._reader, TextReader) else 1

    def split(self, validation_percent: int) -> tuple[Rows, Rows]:
        """Rows to train on and rows held out, both never empty. Raises ``DataError``.

        Text is cut by bytes, because a dataset may be one long document; everything else is shared out by rows.
        """
        if isinstance(self._reader, TextReader):
            next(iter(self))  # where there is no text at all, that is said, and not of a part
            parts = self._reader.split(validation_percent)
            names = ("training", "validation")
            return tuple(  # type: ignore[return-value]
                Rows(
                    lambda part=part: assign_roles(part.scan, self.columns),  # type: ignore[misc]
                    location=self.location,
                    what=f"the {name} part has no text: add data or change validationPercent",
                )
                for name, part in zip(names, parts, strict=True)
            )
        rule = plan_split(self, percent=validation_percent)
        if rule is None:
            raise DataError(
                file=self.location,
                message="holds one row; at least two are needed, one of them for validation: add rows",
            )
        return self._part(lambda place: not rule.held_out(place)), self._part(rule.held_out)

    def _part(self, belongs: Callable[[int], bool]) -> Rows:
        def scan() -> Iterator[Found]:
            place = 0
            for found in self.scan():
                if isinstance(found, DataError):
                    yield found
                    continue
                if belongs(place):
                    yield found
                place += 1

        return Rows(scan, location=self.location)


def open_records(
    files: Sequence[Path],
    *,
    root: Path,
    location: str | None = None,
    format: DataFormat = "text",
    columns: Mapping[str, str] | None = None,
) -> Records:
    """A dataset of ``files`` below ``root`` (a directory, or the file itself), which its owner knows as ``location``.
    ``columns`` maps roles to columns. Nothing is read yet; raises ``DataError`` where no file is of this format."""
    return Records(files, root=root_of(root), location=location or str(root), format=format, columns=columns or {})


def _lines(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    except OSError:
        return 0  # whoever reads its rows says what is wrong with it

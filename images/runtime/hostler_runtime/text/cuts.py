"""Counts of what had to be cut to fit into a sequence, so that a run can say what was not read."""

from __future__ import annotations

from hostler_contract import ErrorReason
from hostler_contract.job import Overlong
from hostler_contract.result import LeftOut
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure


class Cuts:
    """One kind of texts on their way into sequences."""

    def __init__(self, what: str, *, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._seen = self._cut = self._tokens = 0

    def add(self, found: int, *, kept: int) -> None:
        """One text of ``found`` tokens, of which its sequence has ``kept``."""
        self._seen += 1
        self._cut += found > kept
        self._tokens += found - kept

    @property
    def left_out(self) -> list[LeftOut]:
        """For ``DatasetFacts``; empty where everything fitted."""
        if not self._cut:
            return []
        return [LeftOut(what=self._what, count=self._cut, of=self._seen, limit=self._limit, tokens=self._tokens)]


class Overlongs:
    """Rows that are one sequence or none, on their way into a context: what becomes of those that are longer."""

    def __init__(self, what: str, *, context_length: int, overlong: Overlong) -> None:
        self._what = what
        self._context = context_length
        self._overlong = overlong
        self._first: str | None = None
        self.rows = self._longer = 0
        self._left: set[tuple[str, int | None]] = set()

    def take(self, record: Record, *, longer: bool) -> bool:
        """Whether the row is to be learnt, cut where it is longer."""
        self.rows += 1
        if longer:
            self._longer += 1
            self._first = self._first or f"{record.file}:{record.row}"
        if not longer or self._overlong == "truncate":
            return True
        self._left.add((record.file, record.row))
        return False

    def has_left(self, record: Record) -> bool:
        """Whether a row that came by was not taken."""
        return (record.file, record.row) in self._left

    def check(self) -> None:
        """Raises ``RuntimeFailure`` where too long rows are refused and there are any."""
        if self._overlong == "refuse" and self._longer:
            raise self._refusal("training.overlong to truncate or drop")

    def check_left(self, count: int) -> None:
        """Raises ``RuntimeFailure`` where ``count``, what was taken of one part of the data, is nothing because all of
        it was longer."""
        if not count and self._longer and self._overlong != "truncate":
            raise self._refusal("training.overlong to truncate")

    @property
    def left_out(self) -> list[LeftOut]:
        """For ``DatasetFacts``; empty where everything was taken."""
        if self._overlong == "truncate" or not self._longer:
            return []
        why = f"they are longer than {self._context:,} tokens"
        return [LeftOut(what=self._what, count=self._longer, of=self.rows, why=why, first=self._first)]

    def _refusal(self, setting: str) -> RuntimeFailure:
        return RuntimeFailure(
            ErrorReason.DATASET_INVALID,
            f"{self._longer:,} of {self.rows:,} {self._what} are longer than the context of {self._context:,} tokens, "
            f"the first is {self._first}: shorten them, raise contextLength, or set {setting}",
        )

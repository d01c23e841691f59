"""A dataset in figures: rows, bytes, lengths, what packing would gain, and the first things that are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from hostler_contract.dataset import DatasetReport, LengthBucket, LengthFacts, PackingFacts, RowError
from hostler_data.checks import CONVERSATIONS, TEXTS, problems
from hostler_data.errors import DataError, MissingColumnError, MissingLibraryError, NoRoleError
from hostler_data.media import decode_audio
from hostler_data.packing import chunk_lengths, expect
from hostler_data.record import Record
from hostler_data.records import Records
from hostler_data.turns import said, turns_of
from hostler_data.unread import Unread
from hostler_data.uses import Candidates

BYTES_PER_TOKEN = 4
"""For an estimate before there is a tokenizer. A vocabulary of 8,000, trained on four fifths of Python's language
reference, has 4.2 bytes per token of the last fifth; one of 500 has 2.2."""
AUDIO_RATE = 16_000


def describe(
    records: Records, *, max_length: int = 512, most_errors: int = 10, family: str | None = None
) -> DatasetReport:
    """Read everything once, as ``family`` would, or as any would that can use it. Rows that are wrong are counted, and
    the first ``most_errors`` told. Raises ``DataError`` only where there is nothing to read."""
    candidates, unread = Candidates(family), Unread()
    rows, roles, found = 0, set[str](), _Findings(most_errors)
    lengths: Counter[int] = Counter()
    unit: Literal["tokens", "seconds"] = "tokens"
    for entry in records.scan():
        if isinstance(entry, DataError):
            found.add([entry])
        else:
            rows += 1
            roles.update(entry.values)
            unread.add(entry)
            length, wrong = _inspected(entry, candidates)
            found.add(wrong)
            if length:
                lengths[length] += 1
                unit = "seconds" if "audio" in entry.values else "tokens"
    if not rows and not found.count:
        next(iter(records))  # says what is missing
    return DatasetReport(
        rows=rows,
        files=len(records.files),
        size_bytes=records.size_bytes,
        sha256=records.sha256,
        roles=sorted(roles),
        lengths=length_facts(lengths, unit=unit) if lengths else None,
        packing=packing_facts(lengths, max_length=max_length) if lengths and unit == "tokens" else None,
        errors=[RowError(file=error.file, row=error.row, message=error.message) for error in found.first],
        error_count=found.count,
        notes=_notes(records, candidates, unread),
    )


class _Findings:
    """The first things that are wrong, and how many there are. Where a mapped column is missing, rows without a role
    are the same mistake once more, and are not told."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen = self._roleless = 0
        self._first: list[DataError] = []
        self._first_roleless: list[tuple[int, DataError]] = []
        """With the number of errors told before it."""
        self._column_missing = False

    def add(self, errors: Iterable[DataError]) -> None:
        """More of them, in their order."""
        for error in errors:
            self._column_missing |= isinstance(error, MissingColumnError)
            if isinstance(error, NoRoleError):
                self._roleless += 1
                if len(self._first_roleless) < self._most:
                    self._first_roleless.append((self._seen, error))
                continue
            self._seen += 1
            if len(self._first) < self._most:
                self._first.append(error)

    @property
    def count(self) -> int:
        """All of them."""
        return self._seen + (0 if self._column_missing else self._roleless)

    @property
    def first(self) -> list[DataError]:
        """The first ones, in their order."""
        if self._column_missing:
            return self._first
        told = list(self._first)
        for place, error in reversed(self._first_roleless):
            told.insert(place, error)
        return told[: self._most]


def _inspected(record: Record, candidates: Candidates) -> tuple[int, list[DataError]]:
    """The row's length and what is wrong with it. Whatever a library makes of the row, the row is to blame."""
    try:
        wrong = list(problems(record))
        if not wrong and (problem := candidates.problem(record)):
            wrong = [problem]
        return (0, wrong) if wrong else (length_of(record), [])
    except DataError as error:
        return 0, [error]
    except (MissingLibraryError, MemoryError):
        raise
    except Exception as error:
        return 0, [record.error(f"cannot be read ({type(error).__name__}: {error}): repair or remove the row")]


def _notes(records: Records, candidates: Candidates, unread: Unread) -> list[str]:
    if (reads := candidates.reads) is None:
        return []
    rows = set(records.row_files)
    left = [file for file in records.files if file not in rows]
    return [*candidates.notes, *unread.notes(reads=reads, files=left, root=records.root)]


def length_of(record: Record) -> int:
    """Estimated tokens of a row's text, or seconds of its recording, rounded up; 0 where it has neither.
    Raises ``DataError``."""
    if record.values.get("audio") is not None:
        return -(-len(decode_audio(record, rate=AUDIO_RATE)) // AUDIO_RATE)
    return sum(-(-len(text.encode()) // BYTES_PER_TOKEN) for text in _texts(record))


def packing_facts(lengths: Mapping[int, int], *, max_length: int) -> PackingFacts:
    """What packing these lengths is expected to gain, with longer ones cut."""
    pieces: Counter[int] = Counter()
    for length, count in lengths.items():
        for piece in chunk_lengths(length, max_length=max_length):
            pieces[piece] += count
    packing = expect(pieces, max_length=max_length)
    return PackingFacts(
        max_length=max_length,
        longer=sum(count for length, count in lengths.items() if length > max_length),
        factor=round(packing.factor, 4),
        efficiency=round(packing.efficiency, 4),
        unpacked_efficiency=round(packing.efficiency / packing.factor, 4),
    )


def length_facts(lengths: Mapping[int, int], *, unit: Literal["tokens", "seconds"]) -> LengthFacts:
    """The histogram in powers of two, with its middle and ends."""
    buckets: Counter[int] = Counter()
    for length, count in lengths.items():
        buckets[_power_above(length)] += count
    powers = _powers(min(buckets), max(buckets))
    return LengthFacts(
        unit=unit,
        total=sum(length * count for length, count in lengths.items()),
        shortest=min(lengths),
        median=_median(lengths),
        longest=max(lengths),
        buckets=[LengthBucket(up_to=power, rows=buckets[power]) for power in powers],
    )


def _texts(record: Record) -> Iterator[str]:
    values = record.values
    for role in ("messages", *CONVERSATIONS):
        if values.get(role) and not isinstance(values[role], str):
            yield from (said(turn) for turn in turns_of(record, role))
    for role in ("answer", *TEXTS):
        # A shard's txt plays two roles, but is one text.
        repeated = role == "caption" and values.get("text") == values.get("caption")
        if isinstance(value := values.get(role), str) and not repeated:
            yield value


def _power_above(length: int) -> int:
    return 1 << (length - 1).bit_length()


def _powers(first: int, last: int) -> list[int]:
    return [1 << exponent for exponent in range(first.bit_length() - 1, last.bit_length())]


def _median(lengths: Mapping[int, int]) -> int:
    before, half = 0, sum(lengths.values()) / 2
    for length, count in sorted(lengths.items()):
        before += count
        if before >= half:
            return length
    raise ValueError("there are no lengths")

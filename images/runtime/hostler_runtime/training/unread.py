"""Columns and files of a job's data that nobody reads: counted while the data is prepared, named in the job's notes.

The sentences are those of a Dataset's status and of ``hostler data validate``, for what this one job reads: where words
are hidden, for example, the labels of the texts are of no use.
"""

from __future__ import annotations

import json
from pathlib import Path

from hostler_contract import JobConfig, Objective
from hostler_data.records import Records
from hostler_data.unread import Unread
from hostler_data.uses import reads_of
from hostler_runtime.protocols.training import TrainingHalf

_FILE = "unread.json"


def keep_unread(job: JobConfig, half: TrainingHalf, records: Records, directory: Path) -> None:
    """Put the sentences beside the prepared data, because later attempts do not read the rows again."""
    unread, reads = Unread(), _fixed(job, half)
    for record in records:
        unread.add(record)
        if reads is None:
            reads = reads_of(job.family, record.values, judged=job.objective.kind is Objective.PREFERENCE)
    rows = set(records.row_files)
    files = [file for file in records.files if file not in rows]
    notes = [] if reads is None else unread.notes(reads=reads, files=files, root=records.root)
    (directory / _FILE).write_text(json.dumps(notes), encoding="utf-8")


def unread_notes(directory: Path) -> list[str]:
    """The sentences beside prepared data; none where an older release has prepared it."""
    path = directory / _FILE
    found: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def _fixed(job: JobConfig, half: TrainingHalf) -> frozenset[str] | None:
    """Roles that the family reads whatever the rows have, where it says so."""
    asked = getattr(half, "reads", None)
    found: frozenset[str] | None = None if asked is None else asked(job)
    return found

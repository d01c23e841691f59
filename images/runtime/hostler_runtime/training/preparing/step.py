"""The step from a job's data to what its trainers read: found where it is prepared already, else prepared here."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hostler_contract import ErrorReason, JobConfig
from hostler_data.record import Record
from hostler_data.records import Records
from hostler_runtime.errors import classify
from hostler_runtime.logs import event
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import TrainingHalf
from hostler_runtime.training.files import clear_directory, fresh_directory
from hostler_runtime.training.preparing.place import LeaseLostError, Place, made, shared_root
from hostler_runtime.training.preparing.work import KeptWork
from hostler_runtime.training.sources import open_source
from hostler_runtime.training.unread import keep_unread

LAYOUT = "shards 1"
"""A release that cuts chunks elsewhere, or stores them otherwise, has another one."""
SMALL_BYTES = 4 << 20
"""Data up to this size is prepared in a moment, and shards would cost more than they save."""
_MANIFEST = "prepared.json"
_TEXTS = frozenset({".json", ".jinja", ".txt", ".model"})
"""Endings of a model's files that say how it reads: configurations, tokenizers, processors."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Prepared data on the volume."""

    directory: Path
    key: str
    sha256: str
    """Of the data."""
    found: bool
    """Whether it was there already."""

    @property
    def size_bytes(self) -> int:
        """Bytes on the volume."""
        return sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file())


@dataclass(frozen=True)
class Watch:
    """Who wants to know how far it is."""

    there: Callable[[], None] = lambda: None
    """Called when the data itself is on this machine."""
    advanced: Callable[[int, int], None] = lambda done, of: None
    """Called with how much of how much is done."""


def prepare_data(job: JobConfig, half: TrainingHalf, *, volume: Path, watch: Watch | None = None) -> Prepared:
    """Rank 0, or a step before there are ranks: the prepared dataset, once for each content on a volume. Raises
    ``RuntimeFailure`` and ``DataError``."""
    watch = watch or Watch()
    workspace = Path(job.workspace)
    cache, root = made(workspace / "cache"), made(shared_root(workspace=workspace, volume=volume))
    settings = settings_digest(job, half)
    if job.prepared is not None and (there := _named(job, root, settings=settings)) is not None:
        return there
    started = time.monotonic()
    records = open_source(job.dataset, cache=cache, told=watch.advanced)
    watch.there()
    key = hashlib.sha256(f"{records.sha256} {settings}".encode()).hexdigest()[:32]
    place = Place(root, key, job.name)
    place.mark()
    found = inherits = True
    while not place.target.exists():
        with place.held(inherits=inherits, waiting=_tell) as held:
            if held is None:
                break
            try:
                _prepare(job, half, records, place, settings=settings, may_go_on=held, watch=watch)
            except LeaseLostError:
                event(logger, "another process has taken the preparation over")
                inherits = False
                continue
            found = False
    seconds = round(time.monotonic() - started, 2)
    event(logger, "data ready", files=len(records.files), bytes=records.size_bytes, seconds=seconds, found=found)
    return Prepared(place.target, key, records.sha256, found)


def _named(job: JobConfig, root: Path, *, settings: str) -> Prepared | None:
    """What a step before has left. The data is not looked at again: it may lie far away, and may have changed since."""
    assert job.prepared is not None
    place = Place(root, job.prepared, job.name)
    place.mark()
    try:
        stored = json.loads((place.target / _MANIFEST).read_text())
    except (OSError, ValueError):
        event(logger, "the prepared data is not there, and is prepared again", level=logging.WARNING, key=place.key)
        return None
    expected = job.dataset.source.sha256
    if expected is not None and expected.lower() != stored["sha256"]:
        event(logger, "the prepared data is of another version of the data, and is prepared again", key=place.key)
        return None
    if stored["settings"] != settings:
        event(logger, "the prepared data was made for other settings, and is prepared again", key=place.key)
        return None
    return Prepared(place.target, place.key, stored["sha256"], found=True)


def _prepare(
    job: JobConfig,
    half: TrainingHalf,
    records: Records,
    place: Place,
    *,
    settings: str,
    may_go_on: Callable[[], None],
    watch: Watch,
) -> None:
    temporary = fresh_directory(place.under_way / f"assembled-{place.token}")
    try:
        half.prepare(job, records, temporary, work=_work(records, place, may_go_on=may_go_on, watch=watch))
        keep_unread(job, half, records, temporary)
        stored = {"key": place.key, "sha256": records.sha256, "settings": settings}
        (temporary / _MANIFEST).write_text(json.dumps(stored))
        place.publish(temporary)
    except Exception as error:
        if classify(error).reason in (ErrorReason.DATASET_INVALID, ErrorReason.DATASET_NOT_FOUND):
            clear_directory(place.under_way)  # the next try is made of other data
        raise
    finally:
        clear_directory(temporary)


def _work(records: Records, place: Place, *, may_go_on: Callable[[], None], watch: Watch) -> Work:
    if records.size_bytes <= SMALL_BYTES:
        return INLINE
    done = 0

    def passed(rows: list[Record]) -> None:
        nonlocal done
        done += sum(map(records.amount_of, rows))
        watch.advanced(done, records.amount)

    watch.advanced(0, records.amount)
    processes = cores()
    event(logger, "preparing", bytes=records.size_bytes, processes=processes)
    return KeptWork(place.under_way / "shards", processes=processes, passed=passed, may_go_on=may_go_on)


def cores() -> int:
    """As many as were granted: a container sees those of its whole node."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdigit() and int(granted) > 0 else len(os.sched_getaffinity(0))


def settings_digest(job: JobConfig, half: TrainingHalf) -> str:
    """Whatever besides the data decides what the prepared data looks like, for any job on the volume."""
    settings = {
        "layout": LAYOUT,
        "dataset": job.dataset.model_dump(mode="json", exclude={"source", "license"}),
        "packing": job.packing.model_dump(mode="json"),
        # An adapter changes no row: jobs that look for its best size share their data.
        "objective": job.objective.model_dump(mode="json", exclude={"lora"}),
        "base": _texts_of(job.inputs.base),
        "parts": {name: _texts_of(path) for name, path in job.inputs.parts.items()},
        "family": half.fingerprint(job),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _texts_of(model: str | None) -> str | None:
    """What a model's files say of how it reads. Another job may have another model at the same path."""
    if model is None:
        return None
    root, digest = Path(model), hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.suffix in _TEXTS and not name.parts[0].startswith(("samples", ".")) and path.is_file():
            digest.update(name.as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _tell(user: str) -> None:
    event(logger, "another job prepares the same data, which is waited for", job=user)

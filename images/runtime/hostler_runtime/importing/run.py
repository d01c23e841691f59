"""One import from beginning to end: look at the repository, refuse or choose, fetch, say what it is, publish.

Everything that can be refused is refused before the weights are fetched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from hostler_contract.importing import ImportConfig, ImportReason, ImportReport
from hostler_runtime.errors import classify
from hostler_runtime.importing import choice
from hostler_runtime.importing.choice import HubFile, Repository
from hostler_runtime.importing.facts import HEADER_LIMIT, Kind, Known, Tensors, facts, kind_of, read_header, total
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.fetching import PARTIAL, TRIES, Fetcher, Place
from hostler_runtime.importing.hub import Hub, PassingError, token_of
from hostler_runtime.importing.meter import Meter
from hostler_runtime.logs import event
from hostler_runtime.training.files import publish_directory, write_file
from hostler_runtime.training.sources.tries import Pause, no_room

REPORT: Final = ".hostler.json"
"""In the finished directory: what was reported of it."""
_GIB: Final = 1 << 30
_SPARE: Final = 1.05
"""Times the files' bytes that a volume should have: file systems keep some for themselves."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What an import needs of the world."""

    environ: Mapping[str, str]
    meter: Meter
    clock: Callable[[], float]
    """Seconds from any moment."""
    pause: Pause
    known: Callable[[], Known]
    """What the libraries know; asked once there is a configuration to judge."""


def bring(config: ImportConfig, tools: Tools) -> ImportReport:
    """Have the model on the volume, and say what it is; or why not. Raises nothing that a condition could not name."""
    try:
        return _brought(config, tools)
    except ImportFailure as failure:
        return ImportReport(reason=failure.reason, message=failure.message)
    except PassingError as error:
        return ImportReport(reason=ImportReason.SOURCE_UNREACHABLE, message=str(error))
    except Exception as error:
        if no_room(error):
            return ImportReport(reason=ImportReason.STORAGE_FULL, message=_full(config, tools))
        logger.exception("the model could not be imported")
        return ImportReport(reason=ImportReason.INTERNAL, message=classify(error).message)


def _brought(config: ImportConfig, tools: Tools) -> ImportReport:
    volume = Path(config.volume)
    target, staging = volume / config.directory, volume / f".{config.directory}"
    if (before := _earlier(target)) is not None:
        return before
    hub = Hub(config.source, token=token_of(tools.environ), secret=config.secret, environ=tools.environ)
    repository = _persistently(hub.describe, pause=tools.pause)
    choice.check_license(repository, accepted=config.accepted_license, page=hub.page)
    what = f"{repository.name} {config.source.path}".strip()
    files = choice.below(repository, config.source.path)
    choice.check_layout(files, what=what)
    prefix = f"{config.source.path.strip('/')}/" if config.source.path.strip("/") else ""
    place = Place(directory=staging, commit=repository.commit, prefix=prefix)
    fetcher = Fetcher(hub, place, meter=tools.meter, clock=tools.clock, pause=tools.pause)

    staging.mkdir(parents=True, exist_ok=True)
    hashes = fetcher.fetch(choice.texts(files))
    documents = _documents(staging, hashes)
    kind = kind_of(documents, names=files, tags=repository.tags, known=tools.known())
    chosen = choice.weights(files, documents, what=what)
    everything = (*choice.texts(files), *chosen)
    _require_room(config, everything, staging=staging)
    tools.meter.expect(sum(file.size for file in everything))
    fetcher.count_partials(chosen)
    hashes |= fetcher.fetch(chosen)

    _clear_others(staging, keep=hashes)
    report = _report(
        repository, kind, documents, hashes, staging=staging, weights=[place.path(file) for file in chosen]
    )
    write_file(staging / REPORT, report.to_json())
    publish_directory(staging, target)
    event(logger, "model imported", repository=repository.name, revision=repository.commit, bytes=report.size_bytes)
    return report


def _report(
    repository: Repository,
    kind: Kind,
    documents: Mapping[str, Any],
    hashes: Mapping[str, str],
    *,
    staging: Path,
    weights: Sequence[Path],
) -> ImportReport:
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
    return ImportReport(
        revision=repository.commit,
        files=len(hashes),
        size_bytes=sum((staging / name).stat().st_size for name in hashes),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
        facts=facts(
            kind,
            documents,
            names=hashes,
            tensors=total(_tensors(path) for path in weights),
            license=repository.license,
        ),
    )


def _earlier(target: Path) -> ImportReport | None:
    """The report of an import that came to its end, whose word may have been lost."""
    try:
        return ImportReport.from_json((target / REPORT).read_bytes())
    except (OSError, ValidationError):
        return None


def _persistently(describe: Callable[[], Repository], *, pause: Pause) -> Repository:
    for tried in range(1, TRIES):
        try:
            return describe()
        except PassingError as error:
            event(logger, "no answer, trying again", level=logging.WARNING, error=str(error))
        pause(2.0**tried)
    return describe()


def _documents(directory: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """The JSON files among the texts."""
    found: dict[str, Any] = {}
    for name in names:
        if not name.endswith(".json"):
            continue
        try:
            found[name] = json.loads((directory / name).read_bytes())
        except ValueError as error:
            if name in (choice.CONFIGURATION, choice.PIPELINE):
                text = f"{name} is no JSON ({error}): name a revision that is complete"
                raise ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text) from error
    return found


def _require_room(config: ImportConfig, files: Sequence[HubFile], *, staging: Path) -> None:
    wanted = sum(file.size for file in files)
    there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    free = shutil.disk_usage(staging).free
    if config.volume_bytes is not None and wanted > config.volume_bytes:
        had = f"the claim has {_gib(config.volume_bytes)}"
    elif wanted - there > free:
        had = f"the volume has {_gib(free + there)} free"
    else:
        return
    raise ImportFailure(ImportReason.STORAGE_FULL, f"the files have {_gib(wanted)}, and {had}: {_larger(wanted)}")


def _full(config: ImportConfig, tools: Tools) -> str:
    """What to say of a disk that filled up although there seemed to be room."""
    progress = tools.meter.progress(now=tools.clock())
    wanted = progress.total_bytes or progress.bytes_done
    done = f"{_gib(progress.bytes_done)} of {_gib(wanted)}"
    return f"the volume was full after {done}, which are kept: {_larger(wanted)}"


def _larger(wanted: int) -> str:
    size = max(1, math.ceil(wanted * _SPARE / _GIB))
    return (
        f"set spec.importer.storage.size to {size}Gi; where the class cannot enlarge a claim, delete the Model and "
        "apply it again"
    )


def _gib(count: int) -> str:
    return f"{count / _GIB:.2f} GiB"


def _tensors(path: Path) -> Tensors:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        stream.seek(0)
        head = stream.read(8 + min(length, HEADER_LIMIT))
    return read_header(head, name=path.name, file_size=size)


def _clear_others(staging: Path, *, keep: Mapping[str, str]) -> None:
    """Files of another commit, or of a try with other rules."""
    for path in sorted(staging.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(staging).as_posix() not in keep or path.name.endswith(PARTIAL):
            path.unlink()

"""One import from beginning to end: look at the source, refuse or choose, fetch, say what it is, publish.

Everything that can be refused is refused before the weights are fetched.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from hostler_contract.importing import REPORT_FILE, ImportConfig, ImportedFacts, ImportReason, ImportReport
from hostler_runtime.errors import classify
from hostler_runtime.importing import choice
from hostler_runtime.importing.artifact import Resolved, from_registry
from hostler_runtime.importing.bucket import from_bucket
from hostler_runtime.importing.facts import HEADER_LIMIT, Tensors, facts, kind_of, read_header, total
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.fetching import PARTIAL
from hostler_runtime.importing.mounted import Mounted
from hostler_runtime.importing.network import PassingError
from hostler_runtime.importing.origins import Origin, Tools, archived, from_hub, gib, larger
from hostler_runtime.logs import event
from hostler_runtime.training.files import publish_directory, write_file
from hostler_runtime.training.sources.tries import no_room

logger = logging.getLogger(__name__)


def bring(config: ImportConfig, tools: Tools) -> ImportReport:
    """Have the model on the volume, and say what it is; or why not. Raises nothing that a condition could not name."""
    try:
        return _looked_at(config, tools) if config.source.kind == "image" else _brought(config, tools)
    except Resolved as found:
        return ImportReport(revision=found.digest, image=found.reference, mountable=found.mountable)
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
    with _origin(config, tools, staging) as origin:
        staging.mkdir(parents=True, exist_ok=True)
        report, hashes = _taken(origin, tools, staging)
        _clear_others(staging, keep=hashes)
        write_file(staging / REPORT_FILE, report.to_json())
        publish_directory(staging, target)
    event(logger, "model imported", what=origin.what, revision=origin.revision, bytes=report.size_bytes)
    return report


def _looked_at(config: ImportConfig, tools: Tools) -> ImportReport:
    """The facts of a model that is mounted, and stays where it is."""
    origin = Mounted(config, tools)
    report, _ = _taken(origin, tools, origin.directory)
    event(logger, "model looked at", what=origin.what, bytes=report.size_bytes)
    return report.model_copy(update={"path": origin.below or None})


def _taken(origin: Origin, tools: Tools, directory: Path) -> tuple[ImportReport, dict[str, str]]:
    """What there is, chosen and brought into a directory; and the SHA-256 of each file."""
    what, files = origin.what, origin.files
    choice.check_layout(files, what=what, deeper=origin.deeper)
    texts = choice.texts(files)
    hashes = origin.bring(texts)
    documents = _documents(directory, hashes)
    kind = kind_of(documents, names=files, tags=origin.tags, known=tools.known())
    weights = choice.weights(files, documents, what=what)
    origin.expect((*texts, *weights))
    hashes |= origin.bring(weights)
    tensors = total(_tensors(origin.path(file)) for file in weights)
    found = facts(kind, documents, names=hashes, tensors=tensors, license=origin.license)
    return _report(origin.revision, found, hashes, directory=directory), hashes


@contextmanager
def _origin(config: ImportConfig, tools: Tools, staging: Path) -> Iterator[Origin]:
    """Where the files come from, looked at. Raises ``ImportFailure`` and ``PassingError``."""
    if config.source.kind == "http":
        with archived(config, tools, staging) as origin:
            yield origin
    elif config.source.kind == "oci":
        with from_registry(config, tools, staging) as origin:
            yield origin
    elif config.source.kind == "s3":
        yield from_bucket(config, tools, staging)
    else:
        yield from_hub(config, tools, staging)


def _report(revision: str, found: ImportedFacts, hashes: Mapping[str, str], *, directory: Path) -> ImportReport:
    lines = "".join(f"{name} {digest}\n" for name, digest in in_order(hashes))
    return ImportReport(
        revision=revision,
        files=len(hashes),
        size_bytes=sum((directory / name).stat().st_size for name in hashes),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
        facts=found,
    )


def in_order(hashes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Directory by directory, as whoever reads the files from a disk sorts them."""
    return sorted(hashes.items(), key=lambda item: PurePosixPath(item[0]))


def _earlier(target: Path) -> ImportReport | None:
    """The report of an import that came to its end, whose word may have been lost."""
    try:
        return ImportReport.from_json((target / REPORT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


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


def _full(config: ImportConfig, tools: Tools) -> str:
    """What to say of a disk that filled up although there seemed to be room."""
    progress = tools.meter.progress(now=tools.clock())
    wanted = progress.total_bytes or progress.bytes_done
    done = f"{gib(progress.bytes_done)} of {gib(wanted)}"
    return f"the volume was full after {done}, which are kept: {larger(wanted)}"


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

"""Where the files of a model come from: what all origins have in common, a hub's repository, and an archive of the web.
Each is looked at first, and then brings what was chosen."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from hostler_contract.importing import ImportConfig, ImportReason
from hostler_runtime.importing import choice
from hostler_runtime.importing.choice import HubFile, Repository
from hostler_runtime.importing.facts import Known
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.fetching import TRIES, Fetcher, Place
from hostler_runtime.importing.hub import Hub, token_of
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.network import PassingError
from hostler_runtime.importing.web import Archive, Web
from hostler_runtime.logs import event
from hostler_runtime.training.sources.tries import Pause

_GIB: Final = 1 << 30
_SPARE: Final = 1.05
"""Times the files' bytes that a volume should have: file systems keep some for themselves."""
_T = TypeVar("_T")

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


class Origin(Protocol):
    """What an import needs to know of where the files come from."""

    what: str
    """For sentences."""
    revision: str
    """What identifies these very files."""
    files: Mapping[str, HubFile]
    """All there are, by their name in the model's directory."""
    tags: Sequence[str]
    license: str | None

    def deeper(self, directory: str) -> str:
        """How people name a directory below, as an imperative."""

    def path(self, file: HubFile) -> Path:
        """Where a file lies once it was brought."""

    def expect(self, files: Sequence[HubFile]) -> None:
        """All files that make the model, before the large ones are brought. Raises ``ImportFailure`` where there is no
        room."""

    def bring(self, files: Sequence[HubFile]) -> dict[str, str]:
        """SHA-256 of each file by its name in the directory. Raises ``ImportFailure``, and the disk's ``OSError``."""


class Fetched:
    """Files that are fetched one by one, each under its own name."""

    def __init__(
        self,
        config: ImportConfig,
        repository: Repository,
        place: Place,
        fetcher: Fetcher,
        *,
        settle: Callable[[Sequence[HubFile]], Sequence[HubFile]] = lambda files: files,
    ) -> None:
        """``settle`` finds the digests of files that are to be fetched, where the listing has none."""
        self.what = f"{repository.name} {place.prefix.strip('/')}".strip()
        self.revision = repository.commit
        self.tags = repository.tags
        self.license = repository.license
        self._field = f"{repository.field}.{'prefix' if config.source.kind == 's3' else 'path'}"
        self._config = config
        self._place = place
        self._fetcher = fetcher
        self._settle = settle
        self.files: Mapping[str, HubFile] = choice.below(repository, place.prefix)

    def deeper(self, directory: str) -> str:
        return f"set {self._field} to {self._place.prefix}{directory}"

    def path(self, file: HubFile) -> Path:
        return self._place.path(file)

    def expect(self, files: Sequence[HubFile]) -> None:
        held = bytes_below(self._place.directory)
        require_room(self._config, sum(file.size for file in files), held=held, volume=self._place.directory)
        self._fetcher.expect(files)

    def bring(self, files: Sequence[HubFile]) -> dict[str, str]:
        return self._fetcher.fetch(self._settle(files))


def from_hub(config: ImportConfig, tools: Tools, staging: Path) -> Origin:
    """A repository, whose licence was accepted. Raises ``ImportFailure`` and ``PassingError``."""
    hub = Hub(config.source, token=token_of(tools.environ), secret=config.secret, environ=tools.environ)
    repository = persistently(hub.describe, pause=tools.pause)
    choice.check_license(repository, accepted=config.accepted_license, page=hub.page)
    place = Place(directory=staging, commit=repository.commit, prefix=directory_of(config.source.path))
    fetcher = Fetcher(hub, place, meter=tools.meter, clock=tools.clock, pause=tools.pause)
    return Fetched(config, repository, place, fetcher)


def directory_of(path: str) -> str:
    """As the beginning of names: empty, or with a slash at its end."""
    return f"{path.strip('/')}/" if path.strip("/") else ""


class _FromArchive:
    def __init__(self, config: ImportConfig, archive: Archive, staging: Path, *, size: int) -> None:
        self.what = config.source.url or ""
        self.revision = config.source.sha256 or ""
        self.files: Mapping[str, HubFile] = archive.files
        self.tags: Sequence[str] = ()
        self.license: str | None = None
        self._config = config
        self._archive = archive
        self._staging = staging
        self._size = size

    def deeper(self, directory: str) -> str:
        return f"make an archive of {directory} alone"

    def path(self, file: HubFile) -> Path:
        return self._staging / file.name

    def expect(self, files: Sequence[HubFile]) -> None:
        # The archive is beside them until all are unpacked.
        wanted = sum(file.size for file in files) + self._size
        held = bytes_below(self._staging) + self._size
        require_room(self._config, wanted, held=held, volume=self._staging)

    def bring(self, files: Sequence[HubFile]) -> dict[str, str]:
        return self._archive.unpack(files, self._staging)


@contextmanager
def archived(config: ImportConfig, tools: Tools, staging: Path) -> Iterator[Origin]:
    """A URL's archive, which is fetched whole first, and gone afterwards. Raises ``ImportFailure`` and
    ``PassingError``."""
    web = Web(config.source, tools.environ)
    file = persistently(web.describe, pause=tools.pause)
    place = Place(directory=staging.with_name(f"{staging.name}-archive"), commit="")
    place.directory.mkdir(parents=True, exist_ok=True)
    require_room(config, file.size, held=bytes_below(place.directory), volume=place.directory)
    fetcher = Fetcher(web, place, meter=tools.meter, clock=tools.clock, pause=tools.pause)
    fetcher.expect([file])
    fetcher.fetch([file])
    archive = Archive(place.path(file), what=config.source.url or "")
    try:
        choice.check_names(archive.files, what=config.source.url or "")
        yield _FromArchive(config, archive, staging, size=file.size)
    finally:
        archive.close()
    shutil.rmtree(place.directory, ignore_errors=True)


def persistently(describe: Callable[[], _T], *, pause: Pause) -> _T:
    """What ``describe`` returns, which raises ``PassingError`` where another try may help."""
    for tried in range(1, TRIES):
        try:
            return describe()
        except PassingError as error:
            event(logger, "no answer, trying again", level=logging.WARNING, error=str(error))
        pause(2.0**tried)
    return describe()


def require_room(config: ImportConfig, wanted: int, *, held: int, volume: Path) -> None:
    """That so many bytes fit, of which so many are held already. Raises ``ImportFailure`` with the size that fits."""
    free = shutil.disk_usage(volume).free
    if config.volume_bytes is not None and wanted > config.volume_bytes:
        had = f"the claim has {gib(config.volume_bytes)}"
    elif wanted - held > free:
        had = f"the volume has {gib(free + held)} for them"
    else:
        return
    raise ImportFailure(ImportReason.STORAGE_FULL, f"the files have {gib(wanted)}, and {had}: {larger(wanted)}")


def bytes_below(directory: Path) -> int:
    """Of all files."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def larger(wanted: int) -> str:
    """The way out of a volume that is too small for so many bytes."""
    size = max(1, math.ceil(wanted * _SPARE / _GIB))
    return (
        f"set spec.importer.storage.size to {size}Gi; where the class cannot enlarge a claim, delete the Model and "
        "apply it again"
    )


def gib(count: int) -> str:
    """Bytes for people."""
    return f"{count / _GIB:.2f} GiB"

"""Files from a hub onto a volume: each goes on where an earlier try ended, and has its name only once it is whole."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, Protocol

from hostler_contract.importing import ImportReason
from hostler_runtime.importing.choice import HubFile
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.network import PassingError
from hostler_runtime.importing.records import Records
from hostler_runtime.logs import event
from hostler_runtime.training.files import flush
from hostler_runtime.training.sources.tries import Pause

AT_ONCE: Final = 4
"""Files that are fetched at the same time."""
TRIES: Final = 5
"""Failures in a row, without a byte between them, after which the pod gives up."""
_LONGEST_PAUSE: Final = 30.0
_CHUNK: Final = 1 << 20
PARTIAL: Final = ".part"
"""Ends the name of a file that is not whole."""

logger = logging.getLogger(__name__)


class _StoppedError(Exception):
    """Another file has failed."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the files of one commit go."""

    directory: Path
    commit: str
    prefix: str = ""
    """Directory of the repository that names are relative to, with a slash at its end."""

    def path(self, file: HubFile) -> Path:
        """Of the finished file."""
        return self.directory / file.name.removeprefix(self.prefix)


class Opens(Protocol):
    """Who gives out files."""

    def open(self, file: HubFile, *, commit: str, offset: int) -> HTTPResponse:
        """Its bytes from ``offset`` on, or from its beginning where the status is 200. Raises ``ImportFailure`` and
        ``PassingError``."""


class Fetcher:
    """Fetches the files of one commit, and counts bytes."""

    def __init__(self, hub: Opens, place: Place, *, meter: Meter, clock: Callable[[], float], pause: Pause) -> None:
        self._hub = hub
        self._place = place
        self._meter = meter
        self._clock = clock
        self._pause = pause
        self._records = Records(place.directory)
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def fetch(self, files: Sequence[HubFile]) -> dict[str, str]:
        """SHA-256 of each file by its name below the directory. Raises ``ImportFailure`` and the disk's ``OSError``."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            coming = {self._name(file): pool.submit(self._one, file) for file in files}
            failures = [error for each in coming.values() if (error := each.exception()) is not None]
        if failures:
            raise next((error for error in failures if not isinstance(error, _StoppedError)), failures[0])
        return {name: each.result() for name, each in coming.items()}

    def _name(self, file: HubFile) -> str:
        return file.name.removeprefix(self._place.prefix)

    def _one(self, file: HubFile) -> str:
        try:
            return self._whole(file)
        except BaseException:
            self._stop.set()
            raise

    def _whole(self, file: HubFile) -> str:
        target, expected = self._place.path(file), _expected(file)
        if target.is_file():
            # It may be of another commit, which the revision named when an earlier pod looked.
            digest = self._digest(target, file)
            if digest.of(file) == (expected or self._records.sha256(self._name(file), file.version)):
                return digest.sha256
            self._drop(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = self._partial(file)
        for last in (False, True):
            found = self._persistently(file, partial)
            # Without a digest it is the store's word for the content (If-Match), and the number of bytes.
            if (said := found.of(file)) == expected or (expected is None and found.seen == file.size):
                flush(partial)
                partial.rename(target)
                flush(target.parent)
                if expected is None:
                    self._records.keep(self._name(file), file.version, sha256=found.sha256)
                return found.sha256
            self._drop(partial)
            event(logger, "digest differs", level=logging.WARNING, file=file.name, expected=expected, found=said)
            if last:
                break
        raise ImportFailure(
            ImportReason.DIGEST_MISMATCH,
            f"{file.name} arrived twice with digest {said} instead of {expected}: its host, or a cache or proxy on the "
            "way, gives out other bytes; name another revision, correct the hash, or have that mended",
        )

    def _partial(self, file: HubFile) -> Path:
        """Of one version and no other: the rest of another one would make a mixture that no digest tells."""
        target = self._place.path(file)
        of = f".{hashlib.sha256(file.version.encode()).hexdigest()[:8]}" if file.version else ""
        return target.with_name(f"{target.name}{of}{PARTIAL}")

    def _persistently(self, file: HubFile, partial: Path) -> Digest:
        """All bytes of a file, however often the connection breaks, as long as something arrives between."""
        failures = 0
        while True:
            before = partial.stat().st_size if partial.exists() else 0
            try:
                return self._rest(file, partial)
            except PassingError as error:
                now = partial.stat().st_size if partial.exists() else 0
                failures = 1 if now > before else failures + 1
                if failures >= TRIES:
                    text = (
                        f"{file.name} stopped at {now:,} of {file.size:,} bytes, and {TRIES} further tries brought "
                        f"nothing: {error}. What has arrived is kept; the import goes on from there"
                    )
                    raise ImportFailure(ImportReason.SOURCE_UNREACHABLE, text) from error
                event(logger, "download broke off, going on", level=logging.WARNING, file=file.name, error=str(error))
            self._pause(min(2.0**failures, _LONGEST_PAUSE))

    def _rest(self, file: HubFile, partial: Path) -> Digest:
        if partial.exists() and partial.stat().st_size > file.size:
            self._drop(partial)
        digest = self._digest(partial, file, count=False)
        have = digest.seen
        if have == file.size and partial.exists():
            return digest
        with self._hub.open(file, commit=self._place.commit, offset=have) as response:
            if have and response.status != 206:
                self._drop(partial)
                digest = Digest(file)
            with partial.open("ab") as stream:
                for block in self._blocks(response.read):
                    stream.write(block)
                    digest.update(block)
                    with self._lock:
                        self._meter.took(len(block), now=self._clock())
        if digest.seen < file.size:
            raise PassingError(f"the connection ended after {digest.seen:,} of {file.size:,} bytes")
        return digest

    def _blocks(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        while True:
            if self._stop.is_set():
                raise _StoppedError
            try:
                block = read(_CHUNK)
            except (OSError, HTTPException) as error:
                raise PassingError(f"the connection broke: {error or type(error).__name__}") from error
            if not block:
                return
            yield block

    def _digest(self, path: Path, file: HubFile, *, count: bool = True) -> Digest:
        """Of what is on the disk already, if anything."""
        digest = Digest(file)
        if path.exists():
            with path.open("rb") as stream:
                while block := stream.read(_CHUNK):
                    digest.update(block)
            if count:
                self.found(digest.seen)
        return digest

    def found(self, count: int) -> None:
        """Bytes that are here already."""
        with self._lock:
            self._meter.found(count)

    def expect(self, files: Sequence[HubFile], *, besides: int = 0) -> None:
        """All files that make the model: what there is to come, and what earlier tries left of those to come.
        ``besides`` are bytes that others fetch."""
        self._meter.expect(besides + sum(file.size for file in files))
        for file in files:
            partial = self._partial(file)
            if not self._place.path(file).exists() and partial.exists():
                self.found(partial.stat().st_size)

    def _drop(self, path: Path) -> None:
        self.found(-path.stat().st_size)
        path.unlink()


class Digest:
    """The hashes that one file needs, as its bytes pass: SHA-256, and the kind that its host has of it."""

    def __init__(self, file: HubFile) -> None:
        self._sha256 = hashlib.sha256()
        self._other = None if file.sha256 else _other(file)
        self.seen = 0
        """Bytes so far."""

    def update(self, block: bytes) -> None:
        """The next bytes."""
        self._sha256.update(block)
        if self._other is not None:
            self._other.update(block)
        self.seen += len(block)

    @property
    def sha256(self) -> str:
        """In hex."""
        return self._sha256.hexdigest()

    def of(self, file: HubFile) -> str:
        """In hex, the kind of digest that the host has of this file."""
        return self.sha256 if self._other is None else self._other.hexdigest()


def _other(file: HubFile) -> hashlib._Hash | None:
    if file.git_sha1:
        # Git's begins with how long the whole is.
        return hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    return hashlib.md5(usedforsecurity=False) if file.md5 else None


def _expected(file: HubFile) -> str | None:
    """None where the store has a version, and no digest."""
    found = file.sha256 or file.git_sha1 or file.md5
    if not found and not file.version:
        raise ImportFailure(
            ImportReason.DIGEST_MISMATCH, f"the hub has no digest of {file.name}, so nothing says whether it is right"
        )
    return found.lower() if found else None

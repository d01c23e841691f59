"""Layers that are tar archives: what is in them, and single files out of them. As a stream, because most are
compressed.

Only plain files are taken, each under its own name; a layer can neither lead out of the directory nor unpack to more
than was allowed.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from hostler_contract.importing import ImportReason
from hostler_data.libraries import library
from hostler_runtime.importing.failure import ImportFailure
from hostler_runtime.training.sources.tries import no_room

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1 << 20
_MOST: Final = 100_000
"""Members of a layer."""
_GONE: Final = ".wh."
"""Begins the name of what a layer takes away from those below it."""
_ALL_GONE: Final = ".wh..wh..opq"


class Layer:
    """A finished download."""

    def __init__(self, path: Path, *, what: str, most: int) -> None:
        """``most`` bounds what it unpacks to, in bytes."""
        self._path = path
        self._what = what
        self._most = most

    def sizes(self) -> tuple[dict[str, int], set[str]]:
        """Plain files by name with their sizes, and names that the layer takes away, those of directories with a slash
        at their end. Raises ``ImportFailure``."""
        found: dict[str, int] = {}
        gone: set[str] = set()
        with self._opened() as archive:
            for member in self._members(archive):
                name = PurePosixPath(member.name)
                if name.name == _ALL_GONE:
                    gone.add(f"{name.parent.as_posix()}/")
                elif name.name.startswith(_GONE):
                    hidden = name.with_name(name.name.removeprefix(_GONE)).as_posix()
                    gone |= {hidden, f"{hidden}/"}
                elif member.isreg():
                    found[member.name.removeprefix("./")] = member.size
        return found, gone

    def unpack(self, wanted: Mapping[str, Path]) -> dict[str, str]:
        """SHA-256 of each file, by its name in the layer. Raises ``OSError`` of the disk, ``ImportFailure`` where the
        layer breaks off."""
        found: dict[str, str] = {}
        with self._opened() as archive:
            for member in self._members(archive):
                name = member.name.removeprefix("./")
                if name in wanted and member.isreg():
                    source = archive.extractfile(member)
                    assert source is not None  # a plain file
                    found[name] = _copied(source, wanted[name])
                if len(found) == len(wanted):
                    break
        return found

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        """From its first byte on; what is wrong with it while it is read is the layer's fault."""
        try:
            with _plain(self._path) as stream:
                bounded: Any = _Bounded(stream, most=self._most, what=self._what)
                with tarfile.open(fileobj=bounded, mode="r|") as archive:
                    yield archive
        except (tarfile.TarError, EOFError, zlib.error, ValueError, OSError) as error:
            if isinstance(error, OSError) and no_room(error):
                raise
            raise self._unreadable(str(error) or type(error).__name__) from error

    def _members(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for count, member in enumerate(archive):
            if count >= _MOST:
                raise self._unreadable(f"it has more than {_MOST:,} members")
            yield member

    def _unreadable(self, why: str) -> ImportFailure:
        text = f"{self._what} has a layer that is no tar archive of a model ({why}): push it anew"
        return ImportFailure(ImportReason.UNSUPPORTED_FORMAT, text)


class _Bounded:
    """A stream that ends in a failure where it is longer than was allowed: a few kilobytes may unpack to terabytes."""

    def __init__(self, stream: IO[bytes], *, most: int, what: str) -> None:
        self._stream, self._left, self._what, self._most = stream, most, what, most

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            text = f"a layer of {self._what} unpacks to more than the {self._most:,} bytes that the claim holds"
            raise ImportFailure(ImportReason.STORAGE_FULL, f"{text}: set spec.importer.storage.size to more")
        return block


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """The archive without its compression, by its first bytes: media types do not always tell."""
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(0)
        if head.startswith(_GZIP):
            with gzip.open(stream) as unzipped:
                yield unzipped  # type: ignore[misc]
        elif head == _ZSTD:
            pyarrow = library("pyarrow", use="layers of zstd")
            with pyarrow.CompressedInputStream(stream, "zstd") as unpacked:
                yield unpacked
        else:
            yield stream


def _copied(source: IO[bytes] | Any, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source, target.open("wb") as stream:
        while block := source.read(_CHUNK):
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()

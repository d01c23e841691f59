"""Work that is kept: each chunk's shard lies on the volume, and is made once however often it is begun anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_runtime.protocols.preparing import CHUNK_BYTES, MOST_ROWS, Made, Make, T, chunks
from hostler_runtime.training.files import fresh_directory, publish_directory
from hostler_runtime.training.preparing.crew import Crew, ended
from hostler_runtime.training.preparing.shards import read_shard, write_shard

_AHEAD = 2
"""Chunks that are under way or waiting to be read, for each process."""


@dataclass(frozen=True)
class _Chunk:
    rows: list[Record]
    number: int
    path: Path
    work: Future[None] | None
    """None where the shard was there already."""


class KeptWork:
    """A ``protocols.preparing.Work`` with its shards below a directory."""

    def __init__(
        self,
        directory: Path,
        *,
        processes: int = 1,
        size: int = CHUNK_BYTES,
        passed: Callable[[list[Record]], None] = lambda rows: None,
        may_go_on: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._processes = processes
        self._size = size
        self._passed = passed
        """Told of each chunk that is done."""
        self._may_go_on = may_go_on
        """Raises where somebody else does this work now."""

    def each(self, name: str, rows: Iterable[Record], make: Make, *, most: int = MOST_ROWS) -> Iterator[Made]:
        """One shard after the other, while the next ones are made."""
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        with Crew(make, processes=self._processes) as crew:
            waiting: deque[_Chunk] = deque()
            failure: DataError | None = None
            numbered = enumerate(chunks(rows, most=most, size=self._size))
            while True:
                try:
                    number, chunk = next(numbered)
                except StopIteration:
                    break
                except DataError as error:
                    failure = error  # rows before it may be wrong too, and come first
                    break
                self._may_go_on()
                path = directory / f"{number:06d}.npz"
                waiting.append(_Chunk(chunk, number, path, None if path.exists() else crew.begin(chunk, number, path)))
                if len(waiting) > _AHEAD * crew.processes:
                    yield from self._made(waiting.popleft(), make)
            while waiting:
                yield from self._made(waiting.popleft(), make)
            if failure is not None:
                raise failure

    def _made(self, chunk: _Chunk, make: Make) -> Iterator[Made]:
        if chunk.work is not None:
            ended(chunk.work)
        found = read_shard(chunk.path)
        if found is None:  # what a disk has lost of it is made again
            found = list(make(chunk.rows, chunk.number))
            write_shard(chunk.path, found)
        yield from found
        self._passed(chunk.rows)

    def once(
        self, name: str, make: Callable[[], T], *, save: Callable[[T, Path], object], load: Callable[[Path], T]
    ) -> T:
        """Saved before it is used, so that what is read back after a crash is what was used before it."""
        target = self._directory / name
        if not target.exists():
            made = make()
            self._may_go_on()
            temporary = fresh_directory(self._directory / f".{name}")
            save(made, temporary)
            publish_directory(temporary, target)
        return load(target)

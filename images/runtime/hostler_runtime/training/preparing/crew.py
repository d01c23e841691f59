"""Processes that turn chunks into shards.

They are forked, so that what a family's function holds (a tokenizer, a template) need not be sent to them, and a chunk
is all that travels. They run one thread each: together they are as many as the cores that were granted.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from types import TracebackType

from hostler_contract import ErrorReason
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.preparing import Make
from hostler_runtime.training.preparing.shards import write_shard

_make: Make | None = None
"""What the function of this process's crew is; set in the forked process only."""


class Crew:
    """Up to ``processes`` of them, begun with the first chunk and gone with the block."""

    def __init__(self, make: Make, *, processes: int) -> None:
        self._make = make
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def begin(self, chunk: Sequence[Record], number: int, path: Path) -> Future[None]:
        """Have the shard of a chunk made, in another process where there are several cores."""
        if self.processes == 1:
            done: Future[None] = Future()
            write_shard(path, list(self._make(chunk, number)))
            done.set_result(None)
            return done
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=multiprocessing.get_context("fork"),
                initializer=_join,
                initargs=(self._make,),
            )
        return self._pool.submit(_shard, chunk, number, path)


def ended(work: Future[None]) -> None:
    """Wait for a shard. Raises what went wrong with it."""
    try:
        work.result()
    except BrokenProcessPool as error:
        raise RuntimeFailure(
            ErrorReason.OUT_OF_MEMORY,
            "the kernel killed a process that was preparing data, most likely because the container reached its memory "
            "limit: give it more memory, or fewer cores",
        ) from error


def _join(make: Make) -> None:
    global _make
    _make = make
    # Whoever is asked to stop ends its crew; the handlers of the process that this one was forked from are not for it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The cores are shared out already.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Nobody would end a process whose parent was killed, and it would hold its memory for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _shard(chunk: Sequence[Record], number: int, path: Path) -> None:
    assert _make is not None
    write_shard(path, list(_make(chunk, number)))

"""One training process: ``python -m hostler_runtime.train``, started by ``hostler_runtime.launch`` through torchrun.

torchrun restarts processes that exit with a status other than 0, where the pod is alone and restarts are allowed. So a
process that failed for a reason that a restart would only meet again exits with 0: the launcher reads the reason from
what the process recorded. With several pods nothing is restarted, and 0 would make each pod wait for the others.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hostler_contract import Result
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.job import outcome_path, read_job
from hostler_runtime.logs import configure
from hostler_runtime.training.assembled import VOLUME_ROOT, Surroundings
from hostler_runtime.training.distributed import joined
from hostler_runtime.training.progress import ProgressBoard, ProgressServer
from hostler_runtime.training.run import run
from hostler_runtime.training.tidying import tidy

PORT = 8080
logger = logging.getLogger("hostler_runtime.train")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Train and record the outcome."""
    rank = int(environ.get("RANK", 0))
    configure(level=logging.INFO if rank == 0 else logging.WARNING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    steps = 0
    volume = Path(environ.get("HOSTLER_VOLUME_ROOT") or VOLUME_ROOT)
    try:
        job = read_job(environ)
        world_size = int(environ.get("WORLD_SIZE", 1))
        board = ProgressBoard(job, world_size=world_size)
        with _served(board, environ, rank=rank), joined(environ) as processes:
            try:
                result = run(job, Surroundings(processes, board, stop.is_set, volume))
            finally:
                steps = board.snapshot.step
    except Exception as error:
        failure = classify(error)
        if not isinstance(error, RuntimeFailure):
            logger.exception("unexpected error")
        result = Result(succeeded=False, steps=steps, reason=failure.reason, message=failure.message)
    record(result, environ, rank=rank)
    if result.succeeded and rank == 0:
        tidy(job, volume=volume)
    return exit_status(result, pods=int(environ.get("GROUP_WORLD_SIZE", 1)))


def exit_status(result: Result, *, pods: int) -> int:
    """What torchrun should see."""
    if result.succeeded:
        return 0
    return 0 if pods == 1 and result.reason is not None and not result.reason.retryable else 1


def record(result: Result, environ: Mapping[str, str], *, rank: int) -> None:
    """Leave the outcome for the launcher."""
    path = outcome_path(environ, rank=rank)
    if path is not None:
        path.write_text(result.to_json(), encoding="utf-8")
    level = logging.INFO if result.succeeded else logging.ERROR
    logger.log(level, "finished" if result.succeeded else f"{result.reason}: {result.message}")


@contextmanager
def _served(board: ProgressBoard, environ: Mapping[str, str], *, rank: int) -> Iterator[None]:
    if rank != 0:
        yield
        return
    server = ProgressServer(board, port=int(environ.get("HOSTLER_PORT", PORT)))
    try:
        yield
    finally:
        server.close()


def leave(status: int) -> NoReturn:
    """End the process without tearing down native libraries: their threads may outlive what they work on, and an abort
    at the very end would turn a finished job into a failed one."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())

"""Prepares a job's data before any accelerator is held: ``python -m hostler_runtime.prepare``.

Reads the job's configuration as a trainer does, serves ``/progress``, and leaves a ``PreparationReport`` as the
termination message. What it has finished stays on the volume, so that whoever begins it anew goes on from there.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from hostler_contract import ErrorReason
from hostler_contract.preparing import PreparationReport
from hostler_contract.progress import Stage
from hostler_contract.result import EXIT_FAILED, EXIT_INTERRUPTED
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.families import training_half
from hostler_runtime.job import read_job
from hostler_runtime.logs import configure, event
from hostler_runtime.objectives import with_objective
from hostler_runtime.training.assembled import VOLUME_ROOT
from hostler_runtime.training.preparing.step import Watch, cores, prepare_data
from hostler_runtime.training.progress import ProgressBoard, ProgressServer

PORT = 8080
FOR_GOOD = 2
"""Exit status where another try would fail in the same way."""
TERMINATION_LOG = "/dev/termination-log"

logger = logging.getLogger("hostler_runtime.prepare")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """The container's entry point; returns its exit status."""
    configure()
    # The tokenizers' library takes all cores of the node otherwise, while it learns a vocabulary.
    os.environ.setdefault("RAYON_NUM_THREADS", str(cores()))
    # Libraries print advice for people at a terminal.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # A container's first process ignores signals that it has no handler for. What is finished is on the disk.
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        report = prepare(environ)
    except Exception as error:
        failure = classify(error)
        if not isinstance(error, RuntimeFailure) and failure.reason is ErrorReason.INTERNAL:
            logger.exception("unexpected error")
        report = PreparationReport(reason=failure.reason, message=failure.message)
    event(logger, "finished", reason=report.reason, why=report.message, key=report.key, found=report.found)
    path = Path(environ.get("HOSTLER_TERMINATION_LOG") or TERMINATION_LOG)
    path.write_text(report.to_termination_message(), encoding="utf-8")
    if report.reason is None:
        return 0
    if report.reason is ErrorReason.INTERRUPTED:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if report.reason.retryable else FOR_GOOD


def prepare(environ: Mapping[str, str]) -> PreparationReport:
    """What is on the volume afterwards. Raises ``RuntimeFailure`` and whatever the libraries raise."""
    started = time.monotonic()
    job = read_job(environ)
    board = ProgressBoard(job, world_size=1)
    server = ProgressServer(board, port=int(environ.get("HOSTLER_PORT", PORT)))
    try:
        board.enter(Stage.PREPARING_DATA if job.dataset.source.kind == "path" else Stage.IMPORTING)
        half = with_objective(job, training_half(job.family))
        watch = Watch(there=lambda: board.enter(Stage.PREPARING_DATA), advanced=board.advanced)
        volume = Path(environ.get("HOSTLER_VOLUME_ROOT") or VOLUME_ROOT)
        found = prepare_data(job, half, volume=volume, watch=watch)
    finally:
        server.close()
    return PreparationReport(
        key=found.key,
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        seconds=round(time.monotonic() - started, 2),
        found=found.found,
    )


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise RuntimeFailure(ErrorReason.INTERRUPTED, "asked to stop; what is prepared so far stays on the volume")


if __name__ == "__main__":
    sys.exit(main())

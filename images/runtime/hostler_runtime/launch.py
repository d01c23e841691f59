"""What a trainer's container runs: ``python -m hostler_runtime.launch``.

It wraps torchrun, whose options come from ``PET_*`` environment variables, and adds what a pod needs around it: wait
until the name of the first pod resolves, one termination message whatever happens to the processes, and an exit
status that tells an interruption from a failure.

Only the pod with node rank 0 reports success. Another pod leaves a message only where it knows a cause of its own,
for example that the kernel killed its process; the control plane prefers such a cause to "contact was lost".
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from hostler_contract import ErrorReason, Result
from hostler_contract.result import EXIT_FAILED, EXIT_INTERRUPTED
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.job import OUTCOME_VARIABLE, read_job
from hostler_runtime.logs import configure, event
from hostler_runtime.memory import MemoryWitness

TERMINATION_LOG = "/dev/termination-log"
NAME_TIMEOUT_SECONDS = 300.0
DEFAULTS = {
    "HF_HUB_OFFLINE": "1",
    # torchrun has a default for the port only where it has one for the address.
    "PET_MASTER_PORT": "29500",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    "TOKENIZERS_PARALLELISM": "true",
    # Without these, libraries print advice for people at a terminal.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore",
}

TALKATIVE = ("torch.distributed.elastic.agent.server.api", "torch.distributed.elastic.multiprocessing.api")
"""Loggers of torchrun's that repeat what the termination message says, or what this process knows and they do not."""

logger = logging.getLogger("hostler_runtime.launch")


class Interrupted(BaseException):
    """SIGTERM arrived before torchrun was there to handle it."""


def main() -> int:
    """Run one pod's part of an attempt; returns the container's exit status."""
    configure()
    # A container's first process ignores signals it has no handler for.
    signal.signal(signal.SIGTERM, _interrupt)
    environ = dict(os.environ)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryDirectory(prefix="hostler-outcome-") as directory:
        os.environ[OUTCOME_VARIABLE] = directory
        result = attempt(environ, outcomes=Path(directory))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if result is not None:
        write_termination_message(result, environ)
    return exit_status(result)


def attempt(environ: Mapping[str, str], *, outcomes: Path) -> Result | None:
    """How this pod's part ended; None where it ended well and another pod speaks for the attempt."""
    node_rank = int(environ.get("PET_NODE_RANK", "0"))
    witness = MemoryWitness.now()
    trouble: RuntimeFailure | None = None
    try:
        read_job(environ)
        if int(environ.get("PET_NNODES", "1")) > 1:
            wait_for_name(environ["PET_MASTER_ADDR"], timeout=NAME_TIMEOUT_SECONDS)
        trouble = run_torchrun(environ, witness)
    except Interrupted:
        trouble = RuntimeFailure(ErrorReason.INTERRUPTED, "asked to stop before training began")
    except Exception as error:
        if not isinstance(error, RuntimeFailure):
            logger.exception("unexpected error")
        trouble = classify(error)
    return conclude(read_outcomes(outcomes), trouble=trouble, first=node_rank == 0)


def conclude(outcomes: list[Result], *, trouble: RuntimeFailure | None, first: bool) -> Result | None:
    """Choose what to report from what the processes said and what was seen from outside."""
    failures = [outcome for outcome in outcomes if not outcome.succeeded]
    # A process that was killed says nothing, and its peers only that contact was lost: the view from outside wins.
    if trouble is not None and trouble.reason is ErrorReason.OUT_OF_MEMORY:
        return _failed(trouble, steps=max((outcome.steps for outcome in outcomes), default=0))
    telling = [failure for failure in failures if failure.reason is not ErrorReason.INTERNAL]
    if telling or failures:
        return (telling or failures)[0]
    if trouble is not None:
        return _failed(trouble, steps=0)
    if outcomes:
        return outcomes[0] if first else None
    return _failed(RuntimeFailure(ErrorReason.INTERNAL, "the training process ended without a result"), steps=0)


def run_torchrun(environ: Mapping[str, str], witness: MemoryWitness) -> RuntimeFailure | None:
    """Start the processes through torchrun and wait; returns what is known of a process that ended badly."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    from hostler_runtime.training.departure import store_held_for_all

    # They set their own levels when they are imported, so their parent's would mean nothing.
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config, command, arguments = config_from_args(parse_args(["-m", "hostler_runtime.train"]))
    if config.max_nodes > 1 and config.max_restarts:
        # Pods count their restarts apart and would wait for each other under different names; a new attempt of
        # the whole job restarts them together.
        event(logger, "restarts inside a pod are off when there are several pods")
        config.max_restarts = 0
    try:
        with store_held_for_all(config.rdzv_endpoint, pod=config.rdzv_configs["rank"], pods=config.max_nodes):
            elastic_launch(config, command)(*arguments)
    except SignalException:
        return RuntimeFailure(ErrorReason.INTERRUPTED, "asked to stop; the last checkpoint stands")
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        return explain_exit(failure.exitcode, rank=rank, witness=witness)
    return None


def explain_exit(code: int, *, rank: int, witness: MemoryWitness) -> RuntimeFailure:
    """What a process's exit code says when the process itself said nothing."""
    if code == -signal.SIGKILL and witness.killed_since is not False:
        sure = "" if witness.killed_since else ", most likely because the container reached its memory limit"
        return RuntimeFailure(
            ErrorReason.OUT_OF_MEMORY,
            f"the kernel killed the training process of rank {rank}{sure}: use a smaller batch, a smaller model "
            "or a higher memory limit",
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return RuntimeFailure(ErrorReason.INTERNAL, f"the training process of rank {rank} was ended by signal {name}")
    return RuntimeFailure(ErrorReason.INTERNAL, f"the training process of rank {rank} exited with status {code}")


def wait_for_name(
    name: str,
    *,
    timeout: float,
    resolve: Callable[[str, None], object] = socket.getaddrinfo,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for a DNS name: a headless Service names a pod only once that pod has an address."""
    deadline = clock() + timeout
    while True:
        try:
            resolve(name, None)
            return
        except OSError as error:
            if clock() >= deadline:
                raise RuntimeFailure(
                    ErrorReason.INTERNAL,
                    f"the first pod's name {name} did not resolve within {timeout:.0f} s ({error}): "
                    "is that pod running, and does its Service publish addresses that are not ready?",
                ) from error
        pause(0.5)


def read_outcomes(directory: Path) -> list[Result]:
    """What the processes of this pod recorded, rank 0 first."""
    results = []
    for path in sorted(directory.glob("rank-*.json"), key=lambda each: int(each.stem.removeprefix("rank-"))):
        with suppress(OSError, ValidationError):  # killed while writing: as good as nothing said
            results.append(Result.from_json(path.read_bytes()))
    return results


def write_termination_message(result: Result, environ: Mapping[str, str]) -> None:
    """Hand the result to the kubelet."""
    path = Path(environ.get("HOSTLER_TERMINATION_LOG") or TERMINATION_LOG)
    try:
        path.write_text(result.to_termination_message(), encoding="utf-8")
    except OSError as error:
        event(logger, "the termination message could not be written", level=logging.ERROR, why=str(error))


def exit_status(result: Result | None) -> int:
    """The container's exit status."""
    if result is None or result.succeeded:
        return 0
    return EXIT_INTERRUPTED if result.reason is ErrorReason.INTERRUPTED else EXIT_FAILED


def _failed(failure: RuntimeFailure, *, steps: int) -> Result:
    return Result(succeeded=False, steps=steps, reason=failure.reason, message=failure.message)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())

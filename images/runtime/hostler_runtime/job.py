"""Where a container finds what it is to do, and a trainer's processes leave word of how it ended.

No torch: the launcher and the look at a dataset read this too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.message import Message
from hostler_runtime.errors import RuntimeFailure

DEFAULT_CONFIG = "/etc/hostler/job.json"
CONFIG_VARIABLE = "HOSTLER_JOB_CONFIG"
OUTCOME_VARIABLE = "HOSTLER_OUTCOME_DIR"

M = TypeVar("M", bound=Message)


def read_job(environ: Mapping[str, str]) -> JobConfig:
    """The job's configuration. Raises ``RuntimeFailure`` with the first wrong field's path."""
    return read_message(JobConfig, Path(environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG), what="the job configuration")


def read_message(kind: type[M], path: Path, *, what: str) -> M:
    """A configuration that was mounted as a file. Raises ``RuntimeFailure`` with the first wrong field's path."""
    try:
        return kind.from_json(path.read_bytes())
    except OSError as error:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"{what} {path} cannot be read: {error.strerror}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "document"
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"{what} {path} is wrong at {field}: {first['msg']}"
        ) from error


def outcome_path(environ: Mapping[str, str], *, rank: int) -> Path | None:
    """Where the process of ``rank`` records its result; None when nobody asked for it."""
    directory = environ.get(OUTCOME_VARIABLE)
    return Path(directory) / f"rank-{rank}.json" if directory else None

"""Where a trainer's processes find the job and leave word of how it ended. No torch: the launcher reads this too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure

DEFAULT_CONFIG = "/etc/hostler/job.json"
CONFIG_VARIABLE = "HOSTLER_JOB_CONFIG"
OUTCOME_VARIABLE = "HOSTLER_OUTCOME_DIR"


def read_job(environ: Mapping[str, str]) -> JobConfig:
    """The job's configuration. Raises ``RuntimeFailure`` with the first wrong field's path."""
    path = Path(environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
    try:
        return JobConfig.from_json(path.read_bytes())
    except OSError as error:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"the job configuration {path} cannot be read: {error.strerror}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "document"
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"the job configuration {path} is wrong at {field}: {first['msg']}"
        ) from error


def outcome_path(environ: Mapping[str, str], *, rank: int) -> Path | None:
    """Where the process of ``rank`` records its result; None when nobody asked for it."""
    directory = environ.get(OUTCOME_VARIABLE)
    return Path(directory) / f"rank-{rank}.json" if directory else None

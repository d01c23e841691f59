"""What the pod's environment decides; everything about the model stands in ``serving.json``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hostler_contract import ErrorReason, ServingConfig
from hostler_runtime.protocols.serving import UnservableError


@dataclass(frozen=True, slots=True)
class Settings:
    """One replica's environment."""

    config_path: Path
    termination_log: Path
    revision: str
    """Label of every metric; set by the operator."""
    host: str
    port: int
    """0 takes a free one, which the log then names."""
    linger_seconds: float
    """How long a terminating replica goes on accepting, because endpoints take a moment to propagate."""
    sample_timeout_seconds: float
    log_level: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings, with defaults that suit a container. Raises ``UnservableError`` naming the variable."""
    return Settings(
        config_path=Path(environment.get("HOSTLER_SERVING_CONFIG", "/etc/hostler/serving.json")),
        termination_log=Path(environment.get("HOSTLER_TERMINATION_LOG", "/dev/termination-log")),
        revision=environment.get("HOSTLER_REVISION", "unknown"),
        host=environment.get("HOSTLER_HOST", "0.0.0.0"),
        port=int(_number(environment, "HOSTLER_PORT", 8080)),
        linger_seconds=_number(environment, "HOSTLER_LINGER_SECONDS", 3),
        sample_timeout_seconds=_number(environment, "HOSTLER_SAMPLE_TIMEOUT_SECONDS", 300),
        log_level=_log_level(environment.get("HOSTLER_LOG_LEVEL", "info")),
    )


def read_serving_config(path: Path) -> ServingConfig:
    """The serving configuration. Raises ``UnservableError`` with the path of the wrong field."""
    try:
        return ServingConfig.from_json(path.read_bytes())
    except OSError as error:
        raise _invalid(f"cannot read {path}: {error.strerror}; mount the ConfigMap there") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors())
        raise _invalid(f"{path}: {wrong}") from error


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 86400:
        raise _invalid(f"environment variable {name}={text!r} is not a number from 0 to 86400")
    return number


def _log_level(text: str) -> int:
    levels = logging.getLevelNamesMapping()
    if text.upper() not in levels:
        raise _invalid(f"environment variable HOSTLER_LOG_LEVEL={text!r} is none of debug, info, warning, error")
    return levels[text.upper()]


def _invalid(message: str) -> UnservableError:
    return UnservableError(ErrorReason.INVALID_CONFIGURATION, message)

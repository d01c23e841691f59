"""The failure that a condition can name, and how any exception becomes one."""

from __future__ import annotations

import errno

from hostler_contract import ErrorReason
from hostler_data.errors import DataError, DataNotFoundError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OUT_OF_MEMORY_TYPES = frozenset({"OutOfMemoryError", "MemoryError"})
_OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "out of memory", "Cannot allocate memory")
_NOT_DETERMINISTIC_TEXTS = ("does not have a deterministic implementation", "Deterministic behavior was enabled")
_LOST_PEER_TEXTS = ("Connection reset by peer", "Connection closed by peer", "Broken pipe", "NCCL communicator")


class RuntimeFailure(Exception):
    """Training cannot go on, for a reason from the contract; the message names the thing and the way out."""

    def __init__(self, reason: ErrorReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def classify(error: BaseException) -> RuntimeFailure:
    """What to report for ``error``: itself when it is typed, else the nearest reason."""
    if isinstance(error, RuntimeFailure):
        return error
    if isinstance(error, DataError):
        missing = isinstance(error, DataNotFoundError)
        return RuntimeFailure(ErrorReason.DATASET_NOT_FOUND if missing else ErrorReason.DATASET_INVALID, str(error))
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = f" while writing {error.filename}" if error.filename else ""
        return RuntimeFailure(ErrorReason.STORAGE_FULL, f"no room left on the volume{where}: enlarge it")
    text = f"{type(error).__name__}: {error}"
    if type(error).__name__ in _OUT_OF_MEMORY_TYPES or any(each in str(error) for each in _OUT_OF_MEMORY_TEXTS):
        return RuntimeFailure(
            ErrorReason.OUT_OF_MEMORY,
            f"memory ran out ({_shortened(text)}): use a smaller batch, a smaller model or more memory",
        )
    if any(each in text for each in _NOT_DETERMINISTIC_TEXTS):
        return RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"training.deterministic allows no operation like one of this model's ({_shortened(text, limit=160)}): "
            "set it to false; the seed still fixes the data's order and all random numbers",
        )
    if any(each in text for each in _LOST_PEER_TEXTS):
        return RuntimeFailure(
            ErrorReason.INTERNAL, f"contact with another process of the job was lost ({_shortened(text)})"
        )
    return RuntimeFailure(ErrorReason.INTERNAL, _shortened(text))


def _shortened(text: str, *, limit: int = 600) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]} ..."

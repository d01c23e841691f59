"""Downloads that fail for a while are tried again; those that fail for good say so at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.logs import event
from hostler_runtime.remote.failures import causes

TRIES = 3
Pause = Callable[[float], None]
"""Waits for a number of seconds."""

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class DownloadError(Exception):
    """Why a download failed; ``str()`` is what the other side, or the network, said."""

    def __init__(self, said: str, *, for_good: bool) -> None:
        super().__init__(said)
        self.for_good = for_good
        """Asking again is of no use: what is asked for is not there, or not for us."""


def persistently(fetch: Callable[[], _T], *, failed: str, advice: str, pause: Pause) -> _T:
    """What ``fetch`` returns, which begins anew on each call and raises ``DownloadError``. ``failed`` says what has not
    come about in the end, ``advice`` what to check then.

    Raises ``RuntimeFailure``: DatasetNotFound with the advice where the failure is for good, and a reason after which
    the job itself is tried again where the service was still in trouble at the last try.
    """
    tried = 0
    while True:
        try:
            return fetch()
        except DownloadError as error:
            tried += 1
            if error.for_good:
                raise RuntimeFailure(ErrorReason.DATASET_NOT_FOUND, f"{failed}: {error}. {advice}") from error
            if tried == TRIES:
                message = f"{failed} in {TRIES} tries: {error}. {advice}, and whether the service is up"
                raise RuntimeFailure(ErrorReason.INTERNAL, message) from error
            event(logger, "download failed, trying again", level=logging.WARNING, what=failed, error=str(error))
        pause(2.0**tried)


def no_room(error: BaseException) -> bool:
    """Whether this machine's disk is full, which no other try mends."""
    return any(classify(each).reason is ErrorReason.STORAGE_FULL for each in causes(error) if isinstance(each, OSError))

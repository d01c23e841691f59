"""Why an attempt failed: the one cause among the words of many containers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hostler.planning import pods as read
from hostler_contract import ErrorReason

Object = dict[str, Any]

POD_DELETED = "PodDeleted"
"""No container left word, because a pod was deleted or its node is gone."""
POD_LOST = "PodLost"
"""The cluster took a pod away: eviction, drain, a lost node."""
CONTAINER_FAILED = "ContainerFailed"
"""A container ended with an error and without a word of its own."""
RESULT_MISSING = "ResultMissing"
"""The attempt ended well, but what it put out is not known any more."""

MESSAGE_LIMIT = 900
_ECHOES = frozenset({ErrorReason.INTERNAL, ErrorReason.INTERRUPTED})
"""What a process says when another one has failed first."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why it failed, and whether another attempt may help."""

    reason: str
    message: str
    exit_code: int | None = None
    retryable: bool = True


def cause_of(pods: Iterable[Object], *, attempt: int) -> Cause:
    """The first real cause; echoes of it and the news that contact was lost come last."""
    found = sorted(_candidates(pods), key=lambda entry: entry[:2])
    if found:
        return found[0][2]
    return Cause(reason=POD_DELETED, message=f"a pod of attempt {attempt} was deleted before its container left word")


def replica_failure(pod: Object) -> Cause | None:
    """Why a server does not run, where its container ended with an error and has not been started again."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if "running" in (status.get("state") or {}):
            return None
    ended = [ending for ending in read.endings(pod) if ending.exit_code != 0]
    if not ended:
        return None
    return _of_ending(max(ended, key=lambda ending: ending.finished_at))


def _candidates(pods: Iterable[Object]) -> Iterator[tuple[int, str, Cause]]:
    for pod in pods:
        taken = read.lost(pod)
        if taken is not None:
            yield 0, "", Cause(reason=POD_LOST, message=_short(taken))
        for ending in read.endings(pod):
            if ending.exit_code != 0:
                cause = _of_ending(ending)
                yield _order(ending, cause), ending.finished_at, cause


def _order(ending: read.Ending, cause: Cause) -> int:
    said = ending.result.reason if ending.result else None
    if said is ErrorReason.INTERRUPTED:
        return 3
    if said in _ECHOES or cause.reason == CONTAINER_FAILED:
        return 2
    return 1 if cause.retryable else -1


def _of_ending(ending: read.Ending) -> Cause:
    result = ending.result
    if result is not None and result.reason is not None:
        return Cause(
            reason=result.reason.value,
            message=_short(result.message or result.reason.value),
            exit_code=ending.exit_code,
            retryable=result.reason.retryable,
        )
    if ending.reason == "OOMKilled":
        text = (
            f"pod {ending.pod} reached its memory limit: raise spec.resources.memory, or use a smaller batch or model"
        )
        return Cause(reason=ErrorReason.OUT_OF_MEMORY.value, message=text, exit_code=ending.exit_code)
    said = f": {ending.message.strip()}" if ending.message.strip() else ""
    text = f"pod {ending.pod} ended with exit code {ending.exit_code} ({ending.reason or 'no reason'}){said}"
    return Cause(reason=CONTAINER_FAILED, message=_short(text), exit_code=ending.exit_code)


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"

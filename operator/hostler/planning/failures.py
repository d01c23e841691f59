"""Why an attempt failed: the one cause among the words of many containers, and whose fault it was.

A gang ends as one: where one pod is lost, the others end too, with words about the contact that they lost. So causes
have ranks, and of those of one rank the first counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hostler.planning import pods as read
from hostler_contract import ErrorReason

Object = dict[str, Any]

POD_DELETED = "PodDeleted"
"""Somebody deleted a pod, or no container left word because its pod is gone."""
POD_LOST = "PodLost"
"""The cluster took a pod away: eviction, drain, preemption, a lost node."""
POD_EVICTED = "PodEvicted"
"""A node ended a pod that exceeded a limit of its own, such as that of its scratch space."""
CONTAINER_FAILED = "ContainerFailed"
"""A container ended with an error and without a word of its own."""
RESULT_MISSING = "ResultMissing"
"""The attempt ended well, but what it put out is not known any more."""

MESSAGE_LIMIT = 900
_ECHOES = frozenset({ErrorReason.INTERNAL, CONTAINER_FAILED})
"""What a process says, or does not say, when another one has failed first."""


class Toll(StrEnum):
    """What the end of an attempt is counted as."""

    FAILURE = "Failure"
    """The program's own; against spec.maxRestarts."""
    DISRUPTION = "Disruption"
    """Of the infrastructure, or of a person or planner who took pods away; against spec.maxDisruptions."""
    REFUSAL = "Refusal"
    """No work was lost, because the pods never ran; counted for the back-off alone."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why it failed, and whether another attempt may help."""

    reason: str
    message: str
    exit_code: int | None = None
    retryable: bool = True
    toll: Toll = Toll.FAILURE
    at_once: bool = False
    """Whether another attempt meets other circumstances already, so that there is nothing to wait for."""
    shrinks: bool = False
    """Whether the next attempt computes half as much at once."""

    @property
    def rank(self) -> int:
        """The lower, the more it explains."""
        if not self.retryable:
            return 0  # another attempt would meet it again, whatever else happened
        if self.reason == ErrorReason.INTERRUPTED:
            return 3  # a pod was asked to stop, and all of them left together: by whom, others may know
        return 2 if self.reason in _ECHOES else 1


def cause_of(
    pods: Iterable[Object], *, attempt: int, lost_nodes: Collection[str] = (), recorded: Cause | None = None
) -> Cause:
    """The first real cause; echoes of it and the news that contact was lost come last.

    ``recorded`` is what an earlier look found, when pods were still there that have gone since; ``lost_nodes`` are
    those from which nothing is heard.
    """
    found = _first(pods, lost_nodes=lost_nodes, recorded=recorded)
    if found is not None:
        return found
    text = f"a pod of attempt {attempt} was deleted before its container left word"
    return Cause(reason=POD_DELETED, message=text, toll=Toll.DISRUPTION)


def evidence(
    pods: Iterable[Object], *, lost_nodes: Collection[str] = (), recorded: Cause | None = None
) -> Cause | None:
    """What is known while the attempt still ends; None where nothing is. See :func:`cause_of`."""
    return _first(pods, lost_nodes=lost_nodes, recorded=recorded)


def replica_failure(pod: Object) -> Cause | None:
    """Why a server does not run, where its container ended with an error and has not been started again."""
    if any("running" in (status.get("state") or {}) for status in read.own_containers(pod)):
        return None
    ended = [ending for ending in read.endings(pod) if ending.exit_code != 0]
    if not ended:
        return None
    return _of_ending(max(ended, key=lambda ending: ending.finished_at))


def _first(pods: Iterable[Object], *, lost_nodes: Collection[str], recorded: Cause | None) -> Cause | None:
    candidates = [(at, cause) for at, cause in _candidates(tuple(pods), lost_nodes)]
    if recorded is not None:
        candidates.insert(0, ("", recorded))
    return min(candidates, key=lambda entry: (entry[1].rank, entry[0]))[1] if candidates else None


def _candidates(pods: tuple[Object, ...], lost_nodes: Collection[str]) -> Iterator[tuple[str, Cause]]:
    """Causes with the time of each; an empty one where nobody knows it."""
    endings = [ending for pod in pods for ending in read.endings(pod) if ending.exit_code != 0]
    failures = [(ending, _of_ending(ending)) for ending in endings]
    own = [ending for ending, cause in failures if cause.toll is Toll.FAILURE]
    for pod in pods:
        if (taken := read.loss(pod)) is not None:
            reason, toll = (POD_EVICTED, Toll.FAILURE) if taken.own_fault else (POD_LOST, Toll.DISRUPTION)
            yield taken.at, Cause(reason=reason, message=_short(taken.message), toll=toll)
        elif (node := read.node_name(pod)) in lost_nodes and not read.is_terminal(pod):
            text = f"pod {read.name(pod)} is on node {node}, which is not ready"
            yield "", Cause(reason=POD_LOST, message=text, toll=Toll.DISRUPTION)
        elif (asked := read.deletion_requested_at(pod)) is not None and not _explained(asked, pod, own):
            text = f"pod {read.name(pod)} was deleted"
            yield asked, Cause(reason=POD_DELETED, message=text, toll=Toll.DISRUPTION)
    yield from ((ending.finished_at, cause) for ending, cause in failures)


def _explained(asked: str, pod: Object, failures: Iterable[read.Ending]) -> bool:
    """Whether a failure came before the deletion of this pod, and so explains it.

    When one of a gang has failed, the Job controller deletes the others, in the same second at times. It deletes no pod
    that has failed itself, so one that ends in the second of its deletion ends because of it.
    """
    for ending in failures:
        itself = ending.pod == read.name(pod)
        if ending.finished_at and (ending.finished_at < asked or (ending.finished_at == asked and not itself)):
            return True
    return False


def _of_ending(ending: read.Ending) -> Cause:
    result = ending.result
    if result is not None and result.reason is not None:
        return Cause(
            reason=result.reason.value,
            message=_short(result.message or result.reason.value),
            exit_code=ending.exit_code,
            retryable=result.reason.retryable,
            toll=Toll.DISRUPTION if result.reason is ErrorReason.INTERRUPTED else Toll.FAILURE,
        )
    if ending.reason == "ContainerStatusUnknown":
        # What the kubelet says of a container that it cannot find again, as after a restart of the node.
        text = f"pod {ending.pod} was lost by its node: {ending.message.strip() or 'no further detail'}"
        return Cause(reason=POD_LOST, message=_short(text), toll=Toll.DISRUPTION)
    if ending.reason == "OOMKilled":
        text = (
            f"pod {ending.pod} reached its memory limit: raise spec.resources.memory, or use a smaller batch or model"
        )
        return Cause(
            reason=ErrorReason.OUT_OF_MEMORY.value,
            message=text,
            exit_code=ending.exit_code,
            retryable=ErrorReason.OUT_OF_MEMORY.retryable,
        )
    said = f": {ending.message.strip()}" if ending.message.strip() else ""
    text = f"pod {ending.pod} ended with exit code {ending.exit_code} ({ending.reason or 'no reason'}){said}"
    return Cause(reason=CONTAINER_FAILED, message=_short(text), exit_code=ending.exit_code)


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else f"{text[: MESSAGE_LIMIT - 1]}…"

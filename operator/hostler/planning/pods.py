"""Reading pods: whether they hold anything, how they ended, why they do not start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hostler_contract import Result

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
_TERMINAL = frozenset({"Succeeded", "Failed"})
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_BROKEN = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def name(pod: Object) -> str:
    """The pod's name."""
    return str(pod["metadata"]["name"])


def phase(pod: Object) -> str:
    """The pod's phase, Pending before its first status."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def node_name(pod: Object) -> str | None:
    """The node that it is bound to."""
    found: str | None = (pod.get("spec") or {}).get("nodeName")
    return found


def is_terminal(pod: Object) -> bool:
    """True when no container of it will ever run again."""
    return phase(pod) in _TERMINAL


def is_terminating(pod: Object) -> bool:
    """True from the request to delete it until it has gone."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def holds_resources(pod: Object) -> bool:
    """True from binding to the end of the last container: terminating pods still hold their devices."""
    return node_name(pod) is not None and not is_terminal(pod)


def is_running(pod: Object) -> bool:
    """True while all its containers run and nobody asked it to end."""
    return phase(pod) == "Running" and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    """Whether the Ready condition is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def ready_since(pod: Object) -> str | None:
    """When the Ready condition last changed, where it is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    found = (c.get("lastTransitionTime") for c in conditions if c.get("type") == "Ready" and c.get("status") == "True")
    return next(found, None)


def index(pod: Object) -> int | None:
    """The completion index of a pod of an Indexed Job."""
    metadata = pod["metadata"]
    text = (metadata.get("annotations") or {}).get(INDEX) or (metadata.get("labels") or {}).get(INDEX)
    return int(text) if text is not None and text.isdigit() else None


def ip(pod: Object) -> str | None:
    """Its address, once it has one."""
    found: str | None = (pod.get("status") or {}).get("podIP")
    return found


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one container ended."""

    pod: str
    exit_code: int
    reason: str
    """The kubelet's word, such as Error, OOMKilled or Completed."""
    message: str
    finished_at: str
    result: Result | None
    """The container's own words, where it left any that make sense."""


def endings(pod: Object) -> Iterator[Ending]:
    """Every known end of a container of this pod, the running container's previous one included."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        for state in (status.get("state") or {}, status.get("lastState") or {}):
            ended = state.get("terminated")
            if ended:
                yield _ending(pod, ended)


def start_obstacle(pod: Object) -> tuple[str, bool] | None:
    """Why a pod does not start, as a sentence, and whether only a person can change that."""
    if is_terminating(pod) or is_terminal(pod):
        return None
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        detail = waiting.get("message") or "no further detail"
        if reason in _IMAGE:
            image = container.get("image", "its image")
            return f"pod {name(pod)} cannot pull {image} ({reason}): {detail}", True
        if reason in _BROKEN:
            return f"pod {name(pod)} cannot start its container ({reason}): {detail}", True
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return f"pod {name(pod)} fits on no node now: {condition.get('message') or 'no further detail'}", False
    return None


def lost(pod: Object) -> str | None:
    """Why the pod as a whole was taken away, as a sentence, where the cluster did that."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return (
                f"pod {name(pod)} was taken away ({condition.get('reason')}): {condition.get('message') or ''}".strip()
            )
    if status.get("reason"):
        return f"pod {name(pod)} failed ({status['reason']}): {status.get('message') or ''}".strip()
    return None


def _ending(pod: Object, ended: Object) -> Ending:
    message = str(ended.get("message") or "")
    return Ending(
        pod=name(pod),
        exit_code=int(ended.get("exitCode", -1)),
        reason=str(ended.get("reason") or ""),
        message=message,
        finished_at=str(ended.get("finishedAt") or ""),
        result=_result(message),
    )


def _result(message: str) -> Result | None:
    try:
        return Result.from_json(message)
    except ValueError:
        return None

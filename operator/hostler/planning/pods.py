"""Reading pods: whether they hold anything, how they ended, why they do not start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hostler.planning import moments
from hostler_contract import Result

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
OWN_CONTAINERS = frozenset({"trainer", "server", "inspector", "importer", "preparer"})
"""Names of our containers. Others in our pods are strangers', put there by an admission webhook (a mesh's proxy)."""
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


def own_end(pod: Object) -> Ending | None:
    """How our container of this pod ended; None while it runs, waits, or is to be started again."""
    for status in own_containers(pod):
        ended = (status.get("state") or {}).get("terminated")
        if ended:
            return _ending(pod, ended)
    return None


def is_outlived(pod: Object) -> bool:
    """Whether our container has ended, and the pod has not, because a container of strangers still runs."""
    if is_terminal(pod) or own_end(pod) is None:
        return False
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any("running" in (status.get("state") or {}) for status in statuses)


def own_containers(pod: Object) -> list[Object]:
    """Statuses of our containers."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return [status for status in statuses if status.get("name") in OWN_CONTAINERS]


def own_image(template: Object) -> str | None:
    """The image of our container, as a pod or the template of one names it."""
    containers = (template.get("spec") or {}).get("containers") or ()
    return next((each.get("image") for each in containers if each.get("name") in OWN_CONTAINERS), None)


def own_image_id(pod: Object) -> str | None:
    """The image of our container by its digest, where the node tells it."""
    return next((each["imageID"] for each in own_containers(pod) if each.get("imageID")), None)


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
    """Every known end of our container of this pod, the running container's previous one included.

    How a stranger's container ended says nothing about the work.
    """
    for status in own_containers(pod):
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


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A pod that was taken away as a whole."""

    message: str
    at: str
    """When, where the cluster says so; else empty."""
    own_fault: bool = False
    """Whether the pod itself gave the reason: it exceeded a limit of its own."""


_OWN_FAULTS = frozenset({"Evicted", "DeadlineExceeded"})
"""Reasons of a failed pod. Where a node evicts a pod for the node's own sake, the pod has DisruptionTarget as well."""


def loss(pod: Object) -> Loss | None:
    """Why the pod as a whole was taken away or turned back by its node, where the cluster did that.

    ``DisruptionTarget`` is the word of whoever disrupts: the eviction API, the taint manager, the garbage collector of
    pods, the scheduler's preemption, the kubelet (https://kubernetes.io/docs/concepts/workloads/pods/disruptions).
    """
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            why = f"({condition.get('reason')}): {condition.get('message') or ''}"
            at = str(condition.get("lastTransitionTime") or "")
            return Loss(message=f"pod {name(pod)} was taken away {why}".strip(), at=at)
    if reason := status.get("reason"):
        text = f"pod {name(pod)} failed ({reason}): {status.get('message') or ''}".strip()
        return Loss(message=text, at="", own_fault=reason in _OWN_FAULTS)
    return None


def deletion_requested_at(pod: Object) -> str | None:
    """When somebody asked for the pod's deletion: its deletionTimestamp is when its grace ends."""
    metadata = pod["metadata"]
    ends = metadata.get("deletionTimestamp")
    grace = float(metadata.get("deletionGracePeriodSeconds") or 0)
    return None if ends is None else moments.later(ends, seconds=-grace)


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

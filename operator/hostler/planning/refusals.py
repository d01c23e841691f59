"""Pods that are refused, pods that cannot mount, claims that cannot bind: said in Events or a condition of others.

Pods that the API server or an admission rule refuses never appear, so their controllers' words are read. A Deployment
has a condition for it. A Job, a pod that waits for a volume and a claim say it in Events only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

GRACE_SECONDS = 15.0
"""How long a Job may be without its pods before anybody asks why: controllers and watches need a moment."""
MOUNT_SECONDS = 30.0
"""How long a pod may be at its volumes, and a claim without one: attaching takes its time."""

_REFUSED = frozenset({"FailedCreate"})
_NOT_MOUNTED = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})
_NOT_BOUND = frozenset({"ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimLost", "ClaimMisbound"})
_CREATING = frozenset({"ContainerCreating", "PodInitializing"})

_PREFIXES = ("(combined from similar events): ", "Error creating: ")
_WAYS_OUT = (
    ("violates PodSecurity", "label the namespace with a level that admits it, or choose a pool that needs no more"),
    ("must specify", "give the namespace a LimitRange with defaults for what the quota counts"),
    ("exceeded quota", "free some of the quota, raise it, or ask for less with spec.resources"),
    ("per Container is", "ask for less with spec.resources, or change the LimitRange"),
    ("per Pod is", "ask for less with spec.resources, or change the LimitRange"),
    ("limit to request ratio", "change the LimitRange"),
    ("must be less than or equal to", "ask for less with spec.resources, or raise the default limit of the LimitRange"),
    ("admission webhook", "give it what the webhook asks for, or except this namespace from it"),
    ("serviceaccount", "create that ServiceAccount in the namespace"),
    ("no storage class is set", "name a storage class, or make one the default"),
    ("storageclass", "create that storage class, or name another one"),
)
"""Words of the API server, and what a person may do about them; the first that fits is said."""


def explained(message: str) -> str:
    """A refusal as a sentence: the server's own words, and the way out where we know one."""
    said = message
    for prefix in _PREFIXES:
        said = said.removeprefix(prefix)
    said = said.strip().rstrip(".")
    way_out = next((way for words, way in _WAYS_OUT if words.lower() in said.lower()), "")
    return f"{said}: {way_out}." if way_out else f"{said}."


def of_deployment(deployment: Object) -> str:
    """Why a Deployment's controller cannot create replicas, as a sentence; empty where it can."""
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return explained(str(condition.get("message") or condition.get("reason") or "no further detail"))
    return ""


def lacks_pods(job: Object, pods: Sequence[Object], *, now: str) -> bool:
    """Whether a Job that runs has had fewer pods than it wants for longer than a controller needs to make them."""
    spec, status = job.get("spec") or {}, job.get("status") or {}
    if spec.get("suspend") or job["metadata"].get("deletionTimestamp") or _ended(status):
        return False
    completions = spec.get("completions")
    parallelism = int(spec.get("parallelism", 1))
    done = int(status.get("succeeded") or 0)
    wanted = parallelism if completions is None else min(parallelism, int(completions) - done)
    unended = sum((pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") for pod in pods)
    if max(unended, int(status.get("active") or 0)) >= wanted:
        return False
    return _has_waited(job, GRACE_SECONDS, now=now)


def waits_for_volumes(pod: Object, *, now: str) -> bool:
    """Whether a pod has been on its node, and no container of it begun, for longer than mounting should take."""
    status = pod.get("status") or {}
    if status.get("phase", "Pending") != "Pending" or pod["metadata"].get("deletionTimestamp"):
        return False
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    waiting = [((each.get("state") or {}).get("waiting") or {}).get("reason") for each in containers]
    return any(reason in _CREATING for reason in waiting) and _has_waited(pod, MOUNT_SECONDS, now=now)


def waits_for_volume(claim: Object, *, now: str) -> bool:
    """Whether a claim has had no volume for longer than one should take."""
    pending = (claim.get("status") or {}).get("phase") == "Pending"
    return pending and _has_waited(claim, MOUNT_SECONDS, now=now)


def job_words(job: Object, events: Sequence[Object]) -> str:
    """Why pods of a Job are refused, from its Events; empty where the last one to be created was."""
    last = max(events, key=lambda event: (_seen_at(event), event.get("reason") in _REFUSED), default=None)
    if last is None or last.get("reason") not in _REFUSED:
        return ""
    return f"Pods of Job {job['metadata']['name']} are refused: {explained(_message(last))}"


def pod_words(pod: Object, events: Sequence[Object]) -> str:
    """Why a pod cannot begin, from its Events; empty where it has got further since, such as to its images."""
    last = max(events, key=lambda event: (_seen_at(event), event.get("reason") in _NOT_MOUNTED), default=None)
    if last is None or last.get("reason") not in _NOT_MOUNTED:
        return ""
    return f"Pod {pod['metadata']['name']} cannot begin ({last['reason']}): {explained(_message(last))}"


def claim_words(claim: Object, events: Sequence[Object]) -> str:
    """Why a claim gets no volume, from its Events; empty where it only waits for its first pod.

    Provisioners write Events of their progress between those of their failure, so the newest failure counts.
    """
    failed = [event for event in events if event.get("reason") in _NOT_BOUND]
    if not failed:
        return ""
    last = max(failed, key=_seen_at)
    return f"Claim {claim['metadata']['name']} gets no volume ({last['reason']}): {explained(_message(last))}"


def seconds_between(before: str, after: str) -> float:
    """Seconds from one RFC 3339 time to another; negative where a clock has jumped back."""
    return (_time(after) - _time(before)).total_seconds()


def _has_waited(obj: Object, seconds: float, *, now: str) -> bool:
    since = (obj.get("status") or {}).get("startTime") or obj["metadata"].get("creationTimestamp")
    return since is not None and seconds_between(since, now) >= seconds


def _message(event: Object) -> str:
    return str(event.get("message") or "no further detail")


_BEGINNING = datetime.min.replace(tzinfo=UTC)


def _ended(status: Object) -> bool:
    return any(
        c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in status.get("conditions") or ()
    )


def _seen_at(event: Object) -> datetime:
    """Events of the older and of the newer API, which leave each other's times empty."""
    series = event.get("series") or {}
    candidates = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max(map(_time, (*candidates, event["metadata"].get("creationTimestamp"))))


def _time(text: str | None) -> datetime:
    if not text:
        return _BEGINNING
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

"""What the metrics need of one object, read out of its manifest once for each change of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

NOT_ADMITTED = "NotAdmitted"
"""``ServiceReason.NOT_ADMITTED``."""
NO_STATE = "Unknown"
"""State of an object that nobody has looked at yet."""

STATES = ("TrainingJob", "InferenceService", "Dataset", "Model", "AcceleratorPool")
"""Kinds that are counted by state."""
WAITING = ("TrainingJob", "InferenceService", "Dataset")
"""Kinds whose objects can wait for something."""

_ENDED: Mapping[str, frozenset[str]] = {
    "TrainingJob": frozenset({"Succeeded", "Failed", "Suspended", "ManagedElsewhere"}),
    "Dataset": frozenset({"DataInvalid", "InspectionFailed"}),
}
"""States in which an object that is not Ready waits for nothing that the cluster could bring: they are counted by
state, and would hide who waits if they were listed with them for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not Ready, and neither ended nor stopped by its owner."""

    reason: str
    """Reason of its Ready condition; where that only says that another one is False, the reason of that one."""
    since: str
    """RFC 3339, UTC: when it stopped being Ready or was resumed, else when it was created. Sorts as time does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Of a service."""

    desired: int
    ready: int
    ever_ready: bool = True
    """Whether one of them was ready at some time."""

    @property
    def missing(self) -> int:
        """How many are desired and not ready."""
        return max(0, self.desired - self.ready)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One object."""

    state: str
    """Reason of its Ready condition."""
    waiting: Waiting | None = None
    replicas: Replicas | None = None
    restarts: int = 0
    """Attempts of a job that were replaced, for whatever cause."""
    failure: tuple[str, str] = ("", "")
    """Reason and message of the last failure that its status tells."""
    stalled: str = ""
    """Why a job has failed for good; empty while it has not."""


def facts_of(kind: str, obj: Object) -> Facts:
    """Everything that the metrics need of an object."""
    status = obj.get("status") or {}
    conditions = {found.get("type"): found for found in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    state = str(ready.get("reason") or NO_STATE)
    stalled = conditions.get("Stalled") or {}
    failure = status.get("lastFailure") or {}
    return Facts(
        state=state,
        waiting=_waiting(kind, state, obj, conditions) if kind in WAITING else None,
        replicas=_replicas(obj) if kind == "InferenceService" else None,
        restarts=int(status.get("restarts") or 0) + int(status.get("disruptions") or 0),
        failure=(str(failure.get("reason") or ""), str(failure.get("message") or "")),
        stalled=str(stalled.get("reason") or NO_STATE) if stalled.get("status") == "True" else "",
    )


def _waiting(kind: str, state: str, obj: Object, conditions: Mapping[str, Object]) -> Waiting | None:
    ready = conditions.get("Ready") or {}
    if ready.get("status") == "True" or state in _ENDED.get(kind, frozenset()):
        return None
    # A job that is resumed was not Ready before: the time of its suspension is not spent waiting.
    changes = [str((conditions.get(name) or {}).get("lastTransitionTime") or "") for name in ("Ready", "Suspended")]
    return Waiting(
        reason=_why(state, conditions), since=max(changes) or str(obj["metadata"].get("creationTimestamp") or "")
    )


def _why(state: str, conditions: Mapping[str, Object]) -> str:
    """A service's Ready says NotAdmitted whatever keeps it from its replicas: the other two conditions know what."""
    if state != NOT_ADMITTED:
        return state
    blocking = (conditions.get(name) or {} for name in ("Accepted", "Admitted"))
    return next((str(found["reason"]) for found in blocking if found.get("status") == "False"), state)


def _replicas(obj: Object) -> Replicas:
    pods = (obj.get("spec") or {}).get("pods") or {}
    status = obj.get("status") or {}
    ready = int(status.get("readyReplicas") or 0)
    known = ready > 0 or "firstReadyTime" in status
    return Replicas(desired=int(pods.get("min") or 1), ready=ready, ever_ready=known)

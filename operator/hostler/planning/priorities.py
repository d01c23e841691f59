"""What a PriorityClass says of a workload: read as the API server itself reads it for pods."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.api.trainingjob import TrainingReason
from hostler.planning.rejection import Rejection, rejection

PriorityClass = Mapping[str, Any]
"""A PriorityClass of scheduling.k8s.io/v1 as plain JSON types."""
_SYSTEM = "system-"
"""Prefix of the names that Kubernetes keeps for itself."""


@dataclass(frozen=True, kw_only=True)
class Priority:
    """Where a workload stands in line."""

    value: int = 0
    """The larger comes first."""
    preempts: bool = True
    """Whether those of lower value may be stopped for it."""


NO_CLASS = Priority()
"""Of a workload without a class, in a cluster without a default: the API server gives such pods 0 as well."""


def find_priority(name: str | None, classes: Sequence[PriorityClass]) -> Priority | None:
    """The priority under a class' name, or the cluster's default where none is named; None where there is no such
    class. Of several defaults the API server takes the lowest, so that is the one here."""
    if name is None:
        defaults = [_read(each) for each in classes if each.get("globalDefault")]
        return min(defaults, key=lambda found: found.value, default=NO_CLASS)
    return next((_read(each) for each in classes if each["metadata"]["name"] == name), None)


def reject_priority(name: str | None, classes: Sequence[PriorityClass]) -> Rejection | None:
    """A class that does not exist: the API server would refuse every pod."""
    if find_priority(name, classes) is not None:
        return None
    assert name is not None  # without a name there is always a priority
    return rejection(TrainingReason.PRIORITY_CLASS_NOT_FOUND, "spec.priorityClassName", _unknown(name, classes))


def _read(found: PriorityClass) -> Priority:
    return Priority(value=int(found.get("value") or 0), preempts=found.get("preemptionPolicy") != "Never")


def _unknown(name: str, classes: Sequence[PriorityClass]) -> str:
    known = sorted(each["metadata"]["name"] for each in classes if not each["metadata"]["name"].startswith(_SYSTEM))
    if not known:
        return f"there is no PriorityClass {name}, and no other one either: create it, or remove the field"
    near = difflib.get_close_matches(name, known, n=1)
    listed = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:8])}"
    return f"there is no PriorityClass {name}; {listed}"

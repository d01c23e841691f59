"""Workloads as admission knows them: who a pod belongs to, and what a status says is reserved."""

from __future__ import annotations

from pydantic import ValidationError

from hostler.api.placement import Placement
from hostler.controllers.ports import Object
from hostler.manifests import naming
from hostler.planning.verdicts import Workload

WORKLOADS = {"TrainingJob": naming.TRAINING_JOB, "InferenceService": naming.INFERENCE_SERVICE}
"""Kinds that ask for seats, with the label of their pods."""
_ENDS = frozenset({"Succeeded", "Stalled"})


def workload_of(obj: Object) -> Workload:
    """The name under which one of our objects asks."""
    return Workload(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def workload_of_pod(pod: Object) -> Workload | None:
    """Whose seats a pod may sit on; None for strangers.

    A label is enough here: a pod with a label of ours can sit on the seats of a workload of its own namespace, where
    it could stop that workload anyway, and beyond those seats it counts like anybody.
    """
    labels = pod["metadata"].get("labels") or {}
    if labels.get(naming.MANAGED_BY) != naming.MANAGER:
        return None
    for kind, label in WORKLOADS.items():
        if name := labels.get(label):
            return Workload(kind, pod["metadata"].get("namespace", ""), name)
    return None


def placement_of(obj: Object) -> Placement | None:
    """What a workload holds; nothing once it has ended, though its status still says where it was."""
    status = obj.get("status") or {}
    found = status.get("placement")
    if not found or not found.get("nodes"):
        return None
    true = {c["type"] for c in status.get("conditions") or () if c.get("status") == "True"}
    if true & _ENDS:
        return None
    try:
        return Placement.model_validate(found)
    except ValidationError:
        # Of another release: its pods count by themselves.
        return None

"""What one node gives to one pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.planning.amounts import NOTHING, Amount, from_resources

Object = dict[str, Any]
SIMULATED_LABEL = "hostler.dev/simulated"
_REPELLING = frozenset({"NoSchedule", "NoExecute"})
_SAID_OTHERWISE = frozenset(
    {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "node.kubernetes.io/unschedulable"}
)
"""Taints that mirror what this module reads from the node itself, where it makes the better sentence."""


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """A node of a pool at one moment."""

    name: str
    promised: Amount
    """Devices that exist, healthy or not; CPU and memory as offered to pods."""
    offered: Amount
    """What pods may have when the node is empty; nothing while an obstacle stands."""
    used: Amount = NOTHING
    """What pods on it hold, and what pods that are on their way will hold."""
    obstacle: str | None = None
    """Why it takes no new pods, as the end of a sentence about the node."""
    simulated: bool = False

    @property
    def free(self) -> Amount:
        """What a new pod could have."""
        return NOTHING if self.obstacle else self.offered - self.used


def matches(node: Object, selector: Mapping[str, str]) -> bool:
    """Whether a node carries all these labels."""
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def view(node: Object, *, resource: str | None, tolerations: Sequence[Mapping[str, Any]], used: Amount) -> NodeView:
    """One node in the eyes of a pool."""
    status = node.get("status") or {}
    offered = from_resources(status.get("allocatable"), resource=resource)
    exists = from_resources(status.get("capacity"), resource=resource)
    return NodeView(
        name=node["metadata"]["name"],
        promised=Amount(devices=exists.devices, milli_cpu=offered.milli_cpu, memory=offered.memory),
        offered=offered,
        used=used,
        obstacle=_obstacle(node, tolerations),
        simulated=(node["metadata"].get("labels") or {}).get(SIMULATED_LABEL) == "true",
    )


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Kubernetes' rule for one taint."""
    return any(
        (not each.get("effect") or each["effect"] == taint.get("effect"))
        and (not each.get("key") or each["key"] == taint["key"])
        and (each.get("operator", "Equal") == "Exists" or each.get("value", "") == taint.get("value", ""))
        for each in tolerations
    )


def _obstacle(node: Object, tolerations: Sequence[Mapping[str, Any]]) -> str | None:
    conditions = (node.get("status") or {}).get("conditions") or ()
    if not any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions):
        return "is not ready"
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        return "is cordoned"
    for taint in spec.get("taints") or ():
        if taint.get("effect") not in _REPELLING or taint["key"] in _SAID_OTHERWISE:
            continue
        if not tolerates(tolerations, taint):
            return f"has the taint {taint['key']}:{taint['effect']}, which the pool does not tolerate"
    return None

"""What one node gives to one pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostler.planning.resources import Resources, offered, subtract

Object = dict[str, Any]
ZONE_LABEL = "topology.kubernetes.io/zone"
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
    promised: Resources
    """What exists, with devices that are not healthy among it."""
    offered: Resources
    """What pods may have when the node is empty, were there no obstacle."""
    used: Resources
    """What bound pods hold, and what is reserved for pods that are on their way."""
    obstacle: str | None = None
    """Why it takes no new pods, as the end of a sentence about the node."""
    simulated: bool = False
    domain: str = ""
    """What it is in of the pool's topology key: the value of its label, or the node by itself where it has none. Empty
    where the pool has no such key."""

    @property
    def free(self) -> Resources:
        """What a new pod could have."""
        return {} if self.obstacle else subtract(self.offered, self.used)


def matches(node: Object, selector: Mapping[str, str]) -> bool:
    """Whether a node carries all these labels."""
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def promised(node: Object) -> Resources:
    """What a node has: devices whether healthy or not, everything else as offered to pods."""
    status = node.get("status") or {}
    allocatable, capacity = offered(status.get("allocatable")), offered(status.get("capacity"))
    return allocatable | {name: amount for name, amount in capacity.items() if "/" in name}


def zone(node: Object) -> str | None:
    """Where a node stands, for who wants to be apart."""
    label = (node["metadata"].get("labels") or {}).get(ZONE_LABEL)
    return None if label is None else str(label)


def domain(node: Object, key: str | None) -> str:
    """In which domain of a topology key a node is; by itself where it has no such label, empty without a key."""
    if key is None:
        return ""
    return str((node["metadata"].get("labels") or {}).get(key) or node["metadata"]["name"])


def simulated(node: Object) -> bool:
    """Whether the devices of a node are simulated."""
    return bool((node["metadata"].get("labels") or {}).get(SIMULATED_LABEL) == "true")


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Kubernetes' rule for one taint."""
    return any(
        (not each.get("effect") or each["effect"] == taint.get("effect"))
        and (not each.get("key") or each["key"] == taint["key"])
        and (each.get("operator", "Equal") == "Exists" or each.get("value", "") == taint.get("value", ""))
        for each in tolerations
    )


def obstacle(node: Object, tolerations: Sequence[Mapping[str, Any]]) -> str | None:
    """Why a node takes no pods with these tolerations, as the end of a sentence about it."""
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

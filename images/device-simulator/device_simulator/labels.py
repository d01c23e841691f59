"""The labels that the vendor's discovery would put on this node, and whether they are there already. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from device_simulator.inventory import Inventory
from hostler.accelerators.model import NodeLabel

FIELD_MANAGER = "hostler-device-simulator"
SIMULATED_LABEL = "hostler.dev/simulated"


def node_labels(inventory: Inventory) -> dict[str, str]:
    """Labels for these devices. Of two types with the same label keys the first one counts, as a node has one value."""
    found: dict[str, str] = {}
    for kind in inventory.kinds:
        count = inventory.counts[kind.id]
        for label in kind.node_labels:
            value = _value(label, memory_gib=kind.memory_gib, count=count)
            if value is not None:
                found.setdefault(label.key, value)
    return {**found, SIMULATED_LABEL: "true"} if inventory.devices else {}


def _value(label: NodeLabel, *, memory_gib: float | None, count: int) -> str | None:
    if label.values:
        return next((value for value in label.values if _chips(value) == count), label.values[0])
    if label.unit == "MiB" and memory_gib is not None:
        return str(round(memory_gib * 1024))
    return str(count) if label.key.endswith(".count") else None


def _chips(value: str) -> int | None:
    """Chips of a topology such as 2x4; None for any other value."""
    if not re.fullmatch(r"\d+(x\d+)+", value):
        return None
    return math.prod(int(side) for side in value.split("x"))


def apply_configuration(node: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The body of the server-side apply; labels that are not in it any more are removed from the node."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": dict(labels)}}


def is_applied(node: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """True where the node carries these labels and our manager owns them and no others: nothing to write."""
    metadata = node.get("metadata", {})
    present = metadata.get("labels") or {}
    owned: set[str] = set()
    for entry in metadata.get("managedFields") or []:
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            fields = entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {})
            owned |= {key.removeprefix("f:") for key in fields if key.startswith("f:")}
    return owned == set(labels) and all(present.get(key) == value for key, value in labels.items())

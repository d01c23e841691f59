"""From which nodes a volume can be mounted, as the scheduler sees it: a node's disk, a disk of one zone.

A claim that has a volume ties every pod that mounts it to the nodes which the volume allows
(``spec.nodeAffinity.required``, and the zone labels of volumes that older provisioners made). A claim without one ties
nobody yet: its volume is made, or chosen, for the node that the pod goes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

NODE_NAME = "metadata.name"
_TOPOLOGY = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
_BETWEEN_ZONES = "__"
"""What separates the zones in the label of a volume that is in several."""


@dataclass(frozen=True, order=True)
class Requirement:
    """One condition on a node's labels, or on its name where the key is ``metadata.name``."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    optional: bool = False
    """Whether nodes that know no zones at all are fine, as in clusters of one zone."""


@dataclass(frozen=True, order=True)
class Reach:
    """The nodes of one volume: those that meet all requirements of any of its terms."""

    volume: str
    """Its name, for people."""
    terms: tuple[tuple[Requirement, ...], ...]


def reach_of(volume: Object) -> Reach | None:
    """Where a PersistentVolume can be mounted; None where that is everywhere."""
    metadata = volume["metadata"]
    zones = tuple(
        Requirement(key, "In", tuple(sorted(value.split(_BETWEEN_ZONES))), optional=True)
        for key, value in sorted((metadata.get("labels") or {}).items())
        if key in _TOPOLOGY
    )
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    if required is None:
        return Reach(metadata["name"], (zones,)) if zones else None
    terms = tuple((*_read(term), *zones) for term in required.get("nodeSelectorTerms") or () if _read(term))
    return Reach(metadata["name"], terms)


def mounts(node: Object, reaches: Iterable[Reach]) -> bool:
    """Whether a pod on this node can mount all these volumes."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    name = node["metadata"]["name"]
    return all(any(all(_meets(labels, name, each) for each in term) for term in reach.terms) for reach in reaches)


class Reaches:
    """Which nodes can mount which volumes. Remembered until a node comes, goes or is labelled otherwise; thousands of
    jobs may have a disk of their own each, so nobody looks at all nodes for each of them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Object] = {}
        self._found: dict[Reach, frozenset[str]] = {}
        self._by_label: dict[str, dict[str, list[str]]] = {}
        """Nodes by the value of a label, for the labels that volumes go by."""

    def put_node(self, node: Object) -> None:
        """A node is there, or has changed."""
        name = node["metadata"]["name"]
        before = self._nodes.get(name)
        self._nodes[name] = node
        if before is None or before["metadata"].get("labels") != node["metadata"].get("labels"):
            self._forget()

    def remove_node(self, name: str) -> None:
        """A node is gone."""
        if self._nodes.pop(name, None) is not None:
            self._forget()

    def within(self, volumes: Sequence[Reach]) -> frozenset[str]:
        """Nodes that can mount all of these volumes, of which there is one at least."""
        return frozenset.intersection(*map(self._nodes_of, volumes))

    def _nodes_of(self, volume: Reach) -> frozenset[str]:
        if volume not in self._found:
            candidates = {name for term in volume.terms for name in self._candidates(term)}
            self._found[volume] = frozenset(name for name in candidates if mounts(self._nodes[name], (volume,)))
        return self._found[volume]

    def _candidates(self, term: tuple[Requirement, ...]) -> Iterable[str]:
        """All nodes that can meet a term, and perhaps others."""
        named = next((each for each in term if each.operator == "In" and not each.optional), None)
        if named is None:
            return self._nodes
        if named.key == NODE_NAME:
            return [name for name in named.values if name in self._nodes]
        if named.key not in self._by_label:
            index = self._by_label[named.key] = {}
            for name, node in self._nodes.items():
                labels = node["metadata"].get("labels") or {}
                if named.key in labels:
                    index.setdefault(labels[named.key], []).append(name)
        return [name for value in named.values for name in self._by_label[named.key].get(value, ())]

    def _forget(self) -> None:
        self._found.clear()
        self._by_label.clear()


def _read(term: Object) -> tuple[Requirement, ...]:
    found = (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
    return tuple(sorted(Requirement(e["key"], e["operator"], tuple(sorted(e.get("values") or ()))) for e in found))


def _meets(labels: Mapping[str, str], name: str, wanted: Requirement) -> bool:
    if wanted.optional and not any(key in labels for key in _TOPOLOGY):
        return True
    value = name if wanted.key == NODE_NAME else labels.get(wanted.key)
    match wanted.operator:
        case "In":
            return value in wanted.values
        case "NotIn":
            return value not in wanted.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(value, wanted)
    # Of a Kubernetes that knows more than we do: the scheduler would not place the pod by what we guess.
    return False


def _compares(value: str | None, wanted: Requirement) -> bool:
    try:
        have, bound = int(value or ""), int(wanted.values[0])
    except (ValueError, IndexError):
        return False
    return have > bound if wanted.operator == "Gt" else have < bound

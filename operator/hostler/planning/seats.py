"""Which pod sits where: from a workload's reservation and its pods to a node for each pod that has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from hostler.api.schema import GROUP
from hostler.planning import pods as read
from hostler.planning.verdicts import Seats

Object = dict[str, Any]

GATE = f"{GROUP}/seat"
"""Scheduling gate (KEP-3521) of pods that need a node each: the scheduler leaves them alone until it is removed."""
_BY_NAME = "metadata.name"


def on_node(node: str) -> Object:
    """Node affinity for exactly this node, by its name, because a host name label may be another one."""
    field = {"key": _BY_NAME, "operator": "In", "values": [node]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [field]}]}}


def node_of(pod: Object) -> str | None:
    """Where a pod is, or can only go: it is bound, was told so by us, or the scheduler makes room for it there."""
    return read.node_name(pod) or _told(pod) or held_node(pod)


def held_node(pod: Object) -> str | None:
    """Where a pod holds what it asks for, as the scheduler counts it: it is bound, or room is made for it there.

    Not where its affinity points: anybody may write that, and a pod of ours that has been told its node has a
    reservation there.
    """
    return read.node_name(pod) or (pod.get("status") or {}).get("nominatedNodeName")


def gated(pod: Object) -> bool:
    """Whether a pod waits for its seat."""
    return any(gate.get("name") == GATE for gate in (pod.get("spec") or {}).get("schedulingGates") or ())


def assign(pods: Iterable[Object], seats: Seats) -> list[tuple[Object, str]]:
    """A node for every gated pod that a free seat is left for, in the order of index and name.

    Pods that end hold their seat until they have ended: their devices are not free before.
    """
    alive = [pod for pod in pods if not read.is_terminal(pod)]
    taken = Counter(node for pod in alive if (node := node_of(pod)) is not None)
    free = [node for node in sorted(seats) for _ in range(seats[node] - taken[node])]
    waiting = [pod for pod in alive if gated(pod) and not read.is_terminating(pod)]
    waiting.sort(key=lambda pod: (read.index(pod) or 0, read.name(pod)))
    return list(zip(waiting, free, strict=False))


def occupied(pods: Iterable[Object]) -> Seats:
    """Where pods that have not ended are."""
    found = Counter(node for pod in pods if not read.is_terminal(pod) and (node := read.node_name(pod)) is not None)
    return dict(sorted(found.items()))


def together(*parts: Seats) -> dict[str, int]:
    """Seats by node, sorted, so that equal placements are equal."""
    total = Counter[str]()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))


def seat_patch(pod: Object, node: str) -> list[Mapping[str, Any]]:
    """JSON patch that gives a gated pod its seat and lets the scheduler see it.

    In one patch: a pod without its gate and without its node could be put anywhere. A gated pod's affinity may be
    narrowed and nothing else, so where an admission webhook has left one, each of its terms is narrowed.
    """
    spec = pod.get("spec") or {}
    others = [gate for gate in spec.get("schedulingGates") or () if gate.get("name") != GATE]
    operations: list[Mapping[str, Any]] = [{"op": "test", "path": "/metadata/uid", "value": pod["metadata"]["uid"]}]
    if others:
        operations.append({"op": "replace", "path": "/spec/schedulingGates", "value": others})
    else:
        operations.append({"op": "remove", "path": "/spec/schedulingGates"})
    return [*operations, _narrowed(spec.get("affinity"), node)]


def _narrowed(affinity: Object | None, node: str) -> Mapping[str, Any]:
    wanted = on_node(node)
    if affinity is None:
        return {"op": "add", "path": "/spec/affinity", "value": {"nodeAffinity": wanted}}
    required = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        own = {**(affinity.get("nodeAffinity") or {}), **wanted}
        return {"op": "add", "path": "/spec/affinity/nodeAffinity", "value": own}
    (term,) = wanted["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    terms = [
        {**each, "matchFields": [*(each.get("matchFields") or ()), *term["matchFields"]]}
        for each in required["nodeSelectorTerms"]
    ]
    path = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms"
    return {"op": "replace", "path": path, "value": terms}


def _told(pod: Object) -> str | None:
    """The one node that a pod's affinity names."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    names = {
        value
        for term in terms
        for field in term.get("matchFields") or ()
        if field.get("key") == _BY_NAME and field.get("operator") == "In"
        for value in field.get("values") or ()
    }
    return names.pop() if len(terms) == 1 and len(names) == 1 else None

"""What is taken of each node: by pods that hold it, and by workloads that have reserved it.

On each node a workload counts with the larger of what is reserved for it and what its pods hold, so that a seat is
neither free before its pod has come nor counted twice after. Pods of nobody whom we know are strangers: they hold what
they hold. A change costs the same whatever the number of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hostler.planning import nodes as node_reading
from hostler.planning.resources import Resources, largest, of_pod, offered, subtract
from hostler.planning.verdicts import Workload

Object = dict[str, Any]


@dataclass
class _Share:
    """One workload on one node; what nobody reserved is the strangers' share."""

    reserved: Resources = field(default_factory=dict)
    held: Resources = field(default_factory=dict)
    bound: int = 0
    """Pods among ``held`` that have this node for good."""

    @property
    def counted(self) -> Resources:
        return largest(self.reserved, self.held)

    @property
    def empty(self) -> bool:
        return not any(self.reserved.values()) and not any(self.held.values())


@dataclass
class Account:
    """One node. Pods and reservations may be heard of before their node is; then it has no object."""

    object: Object | None = None
    offered: Resources = field(default_factory=dict)
    promised: Resources = field(default_factory=dict)
    zone: str | None = None
    taken: Resources = field(default_factory=dict)
    """Sum of what the shares count."""
    held: Resources = field(default_factory=dict)
    """Sum of what pods hold."""
    shares: dict[Workload | None, _Share] = field(default_factory=dict)
    free: Resources | None = None
    """Offered without what is taken; None until somebody asks."""


@dataclass(frozen=True)
class _Use:
    """A pod that holds something."""

    node: str
    workload: Workload | None
    amount: Resources
    bound: bool


class Ledger:
    """Used from one event loop. Every ``put`` replaces what was known under that name."""

    def __init__(self, *, moved: Callable[[str], None]) -> None:
        """``moved`` is called with the name of each node of which more or less is taken."""
        self._moved = moved
        self._accounts: dict[str, Account] = {}
        self._pods: dict[str, _Use] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._accounts)

    def __getitem__(self, name: str) -> Account:
        return self._accounts[name]

    def exists(self, name: str) -> bool:
        """Whether a node of this name is there."""
        found = self._accounts.get(name)
        return found is not None and found.object is not None

    def free(self, name: str) -> Resources:
        """What is left of a node; below zero where more was taken than there is."""
        found = self._accounts.get(name)
        if found is None:
            return {}
        if found.free is None:
            found.free = subtract(found.offered, found.taken)
        return found.free

    def bound(self, name: str, workload: Workload) -> int:
        """Pods of a workload that have this node for good."""
        found = self._accounts.get(name)
        share = found.shares.get(workload) if found is not None else None
        return share.bound if share is not None else 0

    def put_node(self, obj: Object) -> bool:
        """A node is there, or has changed. Whether it has more or less than before."""
        node = self._account(obj["metadata"]["name"])
        allocatable, promised = offered((obj.get("status") or {}).get("allocatable")), node_reading.promised(obj)
        changed = (node.offered, node.promised) != (allocatable, promised)
        if changed:
            node.offered, node.promised, node.free = allocatable, promised, None
        node.object, node.zone = obj, node_reading.zone(obj)
        return changed

    def remove_node(self, name: str) -> bool:
        """A node is gone; its pods may be heard of for a while. Whether anything was known of it."""
        node = self._accounts.get(name)
        if node is None:
            return False
        node.object, node.offered, node.promised, node.free = None, {}, {}, None
        self._forget_if_empty(name)
        return True

    def put_pod(self, uid: str, pod: Object, *, node: str | None, workload: Workload | None, bound: bool) -> bool:
        """A pod holds what it asks for on ``node``; nowhere and nothing where that is None. Whether that is news."""
        before = self._pods.get(uid)
        if node is None:
            return self.remove_pod(uid)
        use = _Use(node, workload, of_pod(pod), bound)
        if before == use:
            return False
        if before is not None:
            self._hold(before, sign=-1)
        self._pods[uid] = use
        self._hold(use, sign=1)
        return True

    def remove_pod(self, uid: str) -> bool:
        """A pod is gone, or holds nothing any more. Whether it held anything."""
        before = self._pods.pop(uid, None)
        if before is None:
            return False
        self._hold(before, sign=-1)
        return True

    def reserve(self, name: str, workload: Workload, amount: Resources) -> None:
        """So much of a node is reserved for a workload, and no more."""
        node = self._account(name)
        share = node.shares.setdefault(workload, _Share())
        before = share.counted
        share.reserved = amount
        self._settle(name, workload, before=before)

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            self._accounts[name] = Account()
        return self._accounts[name]

    def _hold(self, use: _Use, *, sign: int) -> None:
        node = self._account(use.node)
        share = node.shares.setdefault(use.workload, _Share())
        before = share.counted
        share.held = _changed(share.held, use.amount, sign=sign)
        share.bound += sign * use.bound
        node.held = _changed(node.held, use.amount, sign=sign)
        self._settle(use.node, use.workload, before=before)

    def _settle(self, name: str, workload: Workload | None, *, before: Resources) -> None:
        node = self._accounts[name]
        share = node.shares[workload]
        node.taken = _changed(_changed(node.taken, before, sign=-1), share.counted, sign=1)
        node.free = None
        self._moved(name)
        if share.empty:
            del node.shares[workload]
        self._forget_if_empty(name)

    def _forget_if_empty(self, name: str) -> None:
        """Names of nodes that were must not pile up."""
        node = self._accounts.get(name)
        if node is not None and node.object is None and not node.shares:
            del self._accounts[name]


def _changed(total: Mapping[str, int], amount: Mapping[str, int], *, sign: int) -> Resources:
    """The sum without zeros: a resource that nobody holds is not remembered."""
    result = dict(total)
    for name, count in amount.items():
        left = result.get(name, 0) + sign * count
        if left:
            result[name] = left
        else:
            result.pop(name, None)
    return result

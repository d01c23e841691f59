"""What a pool's spec.queue says about its line, in the planner's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class QuotaPolicy:
    """One entry of spec.queue.quotas: these namespaces share it."""

    nominal: int
    borrowing_limit: int | None
    """Units beyond nominal; None for as many as are idle."""
    weight: float


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A pool's policy. Namespaces of one quota are one owner, which is called by the first of them."""

    fifo: bool = False
    quotas: Mapping[str, QuotaPolicy] = field(default_factory=dict)
    """By owner."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """By namespace, of those that a quota names."""

    def owner(self, namespace: str) -> str:
        """Whose use a namespace's counts with."""
        return self.owners.get(namespace, namespace)

    def nominal(self, owner: str) -> int:
        """Units that are its own: none for a namespace that no quota names."""
        quota = self.quotas.get(owner)
        return quota.nominal if quota is not None else 0

    def weight(self, owner: str) -> float:
        """Its part of the pool beside the others'."""
        quota = self.quotas.get(owner)
        return quota.weight if quota is not None else 1.0


_DEFAULT = Policy()


def policy_of(spec: Any) -> Policy:
    """The policy of a pool's spec; the default where it says nothing."""
    queue = getattr(spec, "queue", None)
    if queue is None:
        return _DEFAULT
    quotas, owners = {}, {}
    for entry in queue.quotas or ():
        owner = min(entry.namespaces)
        weight = float(entry.nominal if entry.weight is None else entry.weight)
        quotas[owner] = QuotaPolicy(nominal=entry.nominal, borrowing_limit=entry.borrowing_limit, weight=weight)
        owners |= {namespace: owner for namespace in entry.namespaces}
    return Policy(fifo=str(queue.order) == "fifo", quotas=quotas, owners=owners)

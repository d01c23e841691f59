"""What a pool's spec.queue says about its line, in the planner's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hostler.api.queuepolicy import NamespaceQuota, QueueOrder, QueuePolicy


@dataclass(frozen=True)
class Policy:
    """A pool's policy by owner of use: namespaces of one quota are one owner, which is called by the first of them;
    every other namespace is its own."""

    quotas: Mapping[str, NamespaceQuota] = field(default_factory=dict)
    """By owner."""
    fifo: bool = False

    @cached_property
    def _owners(self) -> Mapping[str, str]:
        return {namespace: owner for owner, quota in self.quotas.items() for namespace in quota.namespaces}

    @cached_property
    def _nominal_in_all(self) -> int:
        return sum(quota.nominal for quota in self.quotas.values())

    def owner(self, namespace: str) -> str:
        """Whose use a namespace's counts with."""
        return self._owners.get(namespace, namespace)

    def account(self, namespace: str) -> str:
        """Whose nominal amount it uses: that of its owner, or of all together whom no quota names, which is ``""``."""
        return self._owners.get(namespace, "")

    def nominal(self, account: str, allocatable: int) -> int:
        """Units that are its own, of so many in the pool."""
        if account:
            return self.quotas[account].nominal
        return max(0, allocatable - self._nominal_in_all)

    def weight(self, owner: str) -> float:
        """What an owner's use is divided by before it is compared."""
        quota = self.quotas.get(owner)
        if quota is None:
            return 1.0
        return float(quota.weight) if quota.weight is not None else float(quota.nominal or 1)


def policy_of(spec: QueuePolicy) -> Policy:
    """The policy of a pool."""
    return Policy({min(quota.namespaces): quota for quota in spec.quotas}, spec.order is QueueOrder.FIFO)

"""What namespaces may hold of a pool: nominal amounts that are theirs, and what they may borrow.

    nominal           theirs: lent while they leave it idle, and taken back from who has borrowed when they need it
    borrowing limit   the most that they hold beyond it, of what is idle; no limit where none is given

The words and the meaning are Kueue's (``nominalQuota``, ``borrowingLimit``, ``reclaimWithinCohort``), with the pool as
the cohort. Namespaces that no quota names have one account together, whose nominal amount is what the quotas leave of
the pool: so two teams with a quota cannot be starved by namespaces that somebody makes, and those are not shut out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hostler.planning.policy import Policy
from hostler.planning.pools import Pool
from hostler.planning.verdicts import Reservation


class Accounts:
    """Units that each account of a pool holds, during one pass."""

    def __init__(self, pool: Pool, policy: Policy, *, allocatable: int, holders: Iterable[Reservation] = ()) -> None:
        self._pool = pool.name
        self._policy = policy
        self._allocatable = allocatable
        self._held: Counter[str] = Counter()
        for holder in holders:
            if holder.pool == pool.name:
                # Who leaves counts until it has left, as what it holds does.
                self._held[policy.account(holder.workload.namespace)] += holder.pods * pool.units(holder.need)

    def account(self, namespace: str) -> str:
        """Whose amounts a namespace's are counted with."""
        return self._policy.account(namespace)

    def take(self, namespace: str, units: int) -> None:
        """So much more is held; less, where it is below zero."""
        self._held[self.account(namespace)] += units

    def held(self, namespace: str) -> int:
        """Units that its account holds."""
        return self._held[self.account(namespace)]

    def nominal(self, namespace: str) -> int:
        """Units that are its account's own."""
        return self._policy.nominal(self.account(namespace), self._allocatable)

    def borrowed(self, namespace: str) -> int:
        """Units that its account holds beyond its own."""
        return max(0, self.held(namespace) - self.nominal(namespace))

    def limit(self, namespace: str) -> int | None:
        """The most that its account may hold; None where only what there is limits it."""
        quota = self._policy.quotas.get(self.account(namespace))
        return None if quota is None or quota.borrowing_limit is None else quota.nominal + quota.borrowing_limit

    def room(self, namespace: str) -> int | None:
        """Units that it may still take, if they are there; None for any number."""
        limit = self.limit(namespace)
        return None if limit is None else max(0, limit - self.held(namespace))

    def left(self, namespace: str) -> int:
        """Units up to its limit; below zero where more is held. Of an account with a limit alone."""
        limit = self.limit(namespace)
        assert limit is not None
        return limit - self.held(namespace)

    def within(self, namespace: str, count: int, *, units: int) -> int:
        """Of so many pods with so many units each, those that its account may take."""
        room = self.room(namespace)
        return count if room is None else min(count, room // max(1, units))

    def is_due(self, namespace: str, units: int) -> bool:
        """Whether so much more would be its own: then it may be taken back from who has borrowed."""
        return self.held(namespace) + units <= self.nominal(namespace)

"""What would fit if somebody left: the search for victims of one request, on nodes and in the quotas' units."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from hostler.planning.candidates import Candidates, Cleared, Price
from hostler.planning.resources import CPU, Resources, add, holds, times
from hostler.planning.verdicts import Reservation, Seats, Workload
from hostler.planning.victims import Claim, Holding, Scene, Victim


@dataclass
class _Given:
    """Units that those give back who would leave; sums, because there may be thousands of them."""

    units: int = 0
    ours: int = 0
    """Of the account of the request."""


Order = Callable[[Set[str]], Iterator[Victim]]
"""Candidates one after the other; of the accounts that are put into the set meanwhile, no more are wanted."""


class Trial:
    """What would fit if somebody left."""

    def __init__(self, claim: Claim, scene: Scene, among: Candidates) -> None:
        request = claim.request
        self._request, self._scene, self._claim, self._among = request, scene, claim, among
        self._units = scene.room.units(request.need)
        self._held = scene.room.held
        domains = scene.room.domains_for(request)
        domain = {node: "" if domains is None else domains.get(node, node) for node in scene.room.levels}
        bound = scene.room.bound_to(request)
        self._domain = {node: name for node, name in domain.items() if not bound or name in bound}
        self._freed: dict[str, Resources] = {}
        """What is free of the nodes on which somebody leaves already, once they have left."""
        self._account = scene.accounts.account(request.workload.namespace)
        self._given: dict[str, int] = {}
        """Units by namespace that those give back who leave already."""

    def free_up(self, leaving: Iterable[Reservation]) -> None:
        """Count as free what these give up; before anything is asked."""
        for held in leaving:
            self._release(self._freed, held, held.given_up)
            if held.pool == self._scene.room.pool.name:
                units = sum(held.given_up.values()) * self._scene.room.units(held.need)
                self._held -= units
                namespace = held.workload.namespace
                self._given[namespace] = self._given.get(namespace, 0) + units

    @property
    def fits(self) -> bool:
        """Whether nobody has to leave, but for those who do already."""
        return self._enough(self._counts, _Given())

    @cached_property
    def domains(self) -> Sequence[frozenset[str]]:
        """Nodes that may be used together."""
        found: dict[str, set[str]] = {}
        for node, domain in self._domain.items():
            found.setdefault(domain, set()).add(node)
        return [frozenset(found[name]) for name in sorted(found)]

    @property
    def may_be_enough(self) -> bool:
        """Whether those who may be stopped hold as much as is missing; it may still not be on the right nodes."""
        pool = self._scene.room.pool
        key, each = (pool.resource, 1) if pool.resource else (CPU, 1000)
        there = sum(max(0, self._free_of(node).get(key, 0)) for node in self._domain)
        return there + each * self._among.most_units(self._claim) >= self._request.least * self._request.need.get(
            key, 0
        )

    def in_order(self, spent: Container[str]) -> Iterator[Victim]:
        """Everybody who may be stopped, the first to go first."""
        return self._among.of(self._claim, spent)

    def enough(self, among: Order, *, most: float = math.inf) -> Sequence[Victim]:
        """As many candidates, in this order, as make the request fit, without those who need not leave after all; none
        where all are not enough, or the first so many are not."""
        free, chosen, given = dict(self._freed), list[Victim](), _Given()
        counts = dict(self._counts)
        borrowed: dict[str, int] = {}
        spent = set[str]()
        for number, victim in enumerate(among(spent)):
            if number >= most or self._enough(counts, given):
                break
            namespace = victim.held.workload.namespace
            account = self._scene.accounts.account(namespace)
            least = 1 if self._claim.due else victim.units
            left = borrowed.setdefault(account, self._borrowed(namespace))
            if victim.borrows and left < least:
                # What is left is the borrower's own. Of the last one, a part may be, for a request that is due.
                if left < 1:
                    spent.add(account)
                continue
            borrowed[account] = left - victim.units
            chosen.append(victim)
            self._give(given, victim.held, victim.units)
            self._move(free, counts, victim.held.need, victim.held.seats)
        if not self._enough(counts, given):
            return ()
        return self._without_spare(chosen, free, counts, given)

    def _without_spare(
        self, chosen: Sequence[Victim], free: dict[str, Resources], counts: dict[str, int], given: _Given
    ) -> Sequence[Victim]:
        """Who is the last to go is the first to stay."""
        stay = set[Workload]()
        for victim in sorted(chosen, key=lambda victim: victim.order, reverse=True):
            back = {node: -pods for node, pods in victim.held.seats.items()}
            self._move(free, counts, victim.held.need, back)
            self._give(given, victim.held, -victim.units)
            if self._enough(counts, given):
                stay.add(victim.held.workload)
            else:
                self._move(free, counts, victim.held.need, victim.held.seats)
                self._give(given, victim.held, victim.units)
        return [victim for victim in chosen if victim.held.workload not in stay]

    def by_node(self, nodes: Iterable[str], spent: Set[str]) -> Iterator[Victim]:
        """Candidates in the order of the nodes that are the cheapest to clear, for each pod that fits there then."""
        least = self._request.least
        priced: list[tuple[Price, str, Sequence[Holding]]] = []
        for node in nodes:
            known = node not in self._freed
            cleared = self._among.price(
                node, self._claim, max(1, least - self._fit[node]), self._price, everybodys=known
            )
            if cleared is not None:
                priced.append((cleared[0], node, cleared[1]))
        heapq.heapify(priced)
        given, left = set[Workload](), self._among.accounts(self._claim)
        while priced and not left <= spent:
            for holding in heapq.heappop(priced)[2]:
                who = holding.reservation.workload
                if (
                    who not in given
                    and holding.account not in spent
                    and (victim := self._claim.victim(holding)) is not None
                ):
                    given.add(who)
                    yield victim

    def _price(self, node: str, holdings: Sequence[Holding]) -> Cleared | None:
        """What room on one node costs, and whose leaving makes it."""
        need, before = self._request.need, self._fit[node]
        free = {name: self._free_of(node).get(name, 0) for name in need}
        wanted, best = max(1, self._request.least - before), None
        worst, cost = holdings[0].reservation.priority, 0.0
        for count, holding in enumerate(holdings, start=1):
            held = holding.reservation
            worst, cost = max(worst, held.priority), cost + holding.cost
            pods = held.seats[node]
            for name, amount in held.need.items():
                if name in free:
                    free[name] += pods * amount
            gained = min(wanted, holds(free, need) - before)
            if gained > 0:
                price = worst, cost / gained, count
                if best is None or price < best[0]:
                    best = price, count
                if gained >= wanted:
                    break
        return None if best is None else (best[0], holdings[: best[1]])

    def shrunk(self, chosen: Sequence[Victim]) -> dict[Workload, Seats]:
        """Seats that victims can keep who can go on with fewer pods."""
        free, counts, given = dict(self._freed), dict(self._counts), _Given()
        for victim in chosen:
            self._move(free, counts, victim.held.need, victim.held.seats)
            self._give(given, victim.held, victim.units)
        found: dict[Workload, Seats] = {}
        for victim in sorted(chosen, key=lambda each: each.order, reverse=True):
            held = victim.held
            if held.least is None or held.least >= held.pods:
                continue
            kept: dict[str, int] = {}
            for node, pods in sorted(held.seats.items()):
                for _ in range(pods):
                    self._move(free, counts, held.need, {node: -1})
                    self._give(given, held, -self._units_of(held))
                    if self._enough(counts, given):
                        kept[node] = kept.get(node, 0) + 1
                    else:
                        self._move(free, counts, held.need, {node: 1})
                        self._give(given, held, self._units_of(held))
                        break
            if sum(kept.values()) >= held.least:
                found[held.workload] = kept
            else:
                self._move(free, counts, held.need, kept)
                self._give(given, held, sum(kept.values()) * self._units_of(held))
        return found

    def really_fits(self, chosen: Sequence[Victim], keeps: Mapping[Workload, Seats]) -> bool:
        """Whether the planner would find seats, with everything that it looks at."""
        free = dict(self._freed)
        for victim in chosen:
            kept = keeps.get(victim.held.workload, {})
            self._release(free, victim.held, {n: pods - kept.get(n, 0) for n, pods in victim.held.seats.items()})
        request, scene = self._request, self._scene
        known = {node: amount for node, amount in scene.expected.items() if node in self._domain}
        with scene.room.supposing({**known, **free}, instead_of=scene.free):
            everywhere = {**scene.free, **known, **free}
            seats = scene.room.find(request, request.least, everywhere, beside=request.beside)
        return sum(seats.values()) >= request.least

    # -- how much fits ---------------------------------------------------------------------------------------------

    @cached_property
    def _fit(self) -> dict[str, int]:
        """Pods that fit on each node."""
        known, need = self._among.fits(self._scene, self._request), self._request.need
        return {**known, **{node: holds(free, need) for node, free in self._freed.items()}}

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Pods that fit, by domain."""
        counts: dict[str, int] = {}
        for node, domain in self._domain.items():
            counts[domain] = counts.get(domain, 0) + self._fit[node]
        return counts

    def _free_of(self, node: str) -> Resources:
        return self._freed.get(node) or self._scene.free_of(node)

    def _move(self, free: dict[str, Resources], counts: dict[str, int], need: Resources, seats: Seats) -> None:
        for node, pods in seats.items():
            if node in self._domain:
                before = free.get(node) or self._scene.free_of(node)
                after = free[node] = add(before, times(pods, need))
                counts[self._domain[node]] += holds(after, self._request.need) - holds(before, self._request.need)

    def _release(self, free: dict[str, Resources], held: Reservation, seats: Seats) -> None:
        for node, pods in seats.items():
            if node in self._domain:
                free[node] = add(free.get(node) or self._scene.free_of(node), times(pods, held.need))

    def _give(self, given: _Given, held: Reservation, units: int) -> None:
        """So much more is given back; less, where it is below zero."""
        given.units += units
        if self._scene.accounts.account(held.workload.namespace) == self._account:
            given.ours += units

    def _enough(self, counts: Mapping[str, int], given: _Given) -> bool:
        return max(counts.values(), default=0) >= self._request.least and self._within_quotas(given)

    def _within_quotas(self, given: _Given) -> bool:
        """Whether the pool's quota and that of the request's namespace have room once so much is given back."""
        least, accounts, ours = self._request.least, self._scene.accounts, self._request.workload.namespace
        if self._scene.room.within_quota(least, self._units, held=self._held - given.units) < least:
            return False
        limit = accounts.limit(ours)
        if limit is None:
            return True
        back = given.ours + sum(u for name, u in self._given.items() if accounts.account(name) == self._account)
        return accounts.held(ours) - back + least * self._units <= limit

    def _borrowed(self, namespace: str) -> int:
        accounts = self._scene.accounts
        leaving = sum(u for n, u in self._given.items() if accounts.account(n) == accounts.account(namespace))
        return accounts.borrowed(namespace) - leaving

    def _units_of(self, held: Reservation) -> int:
        return self._scene.room.units(held.need)

"""Who holds seats of a pool, put in order once for all searches of a pass.

There may be thousands who hold seats, and a search for each of dozens of accounts. What a search looks at is found from
here in the order in which it is needed, so that it costs what it finds and not what there is; and what one search has
found out about a node is known to the next ones for which the same is true.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice

from hostler.planning.resources import holds
from hostler.planning.verdicts import Preempt, Request, Reservation, Workload
from hostler.planning.victims import Claim, Holding, Order, Scene, Victim, is_overdue, safe_since

Price = tuple[int, float, int]
"""Of room on a node: the worst priority of those who leave, the cost for each pod that fits then, how many leave."""
Cleared = tuple[Price, Sequence[Holding]]
Reckon = Callable[[str, Sequence[Holding]], Cleared | None]


class _Group:
    """Those of one account, each list in the order of :attr:`Holding.order`."""

    def __init__(self, holdings: list[Holding]) -> None:
        self.namespace = holdings[0].reservation.workload.namespace
        self.holdings = sorted(holdings, key=_order)
        self.overdue = [each for each in self.holdings if each.overdue]
        self.units = [0, *accumulate(each.units for each in self.holdings)]
        """Of the first so many together."""
        self.overdue_units = [0, *accumulate(each.units for each in self.overdue)]
        self.largest = max(each.units for each in holdings)


@dataclass
class _Node:
    """Who holds seats on one node, and what its room costs for whom."""

    holdings: list[Holding] = field(default_factory=list)
    sorted: bool = False
    """Whether they are in their order already, as they are once somebody looks."""
    accounts: set[str] = field(default_factory=set)
    prices: dict[object, Cleared | None] = field(default_factory=dict)


class Candidates:
    """Those of one pool who may be told to leave, and those who leave already."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._nodes: dict[str, _Node] = {}
        self._told: set[Workload] = set()
        self._known: dict[Workload, Reservation] = {}
        self._fits: dict[tuple[int, frozenset[tuple[str, int]]], dict[str, int]] = {}
        self.leaving: list[Reservation] = []
        """Those who leave already, of other pools too."""
        self.looked_at = Counter[str]()
        """How often searches have looked at a holder or a node, by what it was: what a pass costs."""
        by_account: dict[str, list[Holding]] = {}
        for held in scene.holders:
            if held.leaving_for is not None:
                self.leaving.append(held)
            elif held.workload.kind == "TrainingJob" and held.pool == scene.room.pool.name:
                holding = self._holding(held)
                by_account.setdefault(holding.account, []).append(holding)
        self._groups = {account: _Group(by_account[account]) for account in sorted(by_account)}

    def _holding(self, held: Reservation) -> Holding:
        scene = self._scene
        found = Holding(
            reservation=held,
            account=scene.accounts.account(held.workload.namespace),
            units=held.pods * scene.room.pool.units(held.need),
            lost=max(0.0, scene.now - safe_since(held, scene.now)),
            overdue=is_overdue(held, scene),
        )
        self._known[held.workload] = held
        for name in held.seats:
            node = self._nodes.setdefault(name, _Node())
            node.holdings.append(found)
            node.accounts.add(found.account)
        return found

    def tell(self, found: Mapping[Workload, Preempt]) -> None:
        """These have been told to leave."""
        for workload, told in found.items():
            self._told.add(workload)
            held = self._known[workload]
            self.leaving.append(replace(held, leaving_for=told.by, keeps=told.keeps))
            for name in held.seats:
                node = self._nodes[name]
                node.holdings = [each for each in node.holdings if each.reservation is not held]
            self.forget(held.seats)

    def forget(self, nodes: Iterable[str]) -> None:
        """Something else is free of these nodes now, or somebody else is on them."""
        for name in nodes:
            if name in self._nodes:
                self._nodes[name].prices.clear()
            for fits in self._fits.values():
                fits.pop(name, None)

    def fits(self, scene: Scene, request: Request) -> Mapping[str, int]:
        """Pods of a request that fit on each node of a scene's room, reckoned once for all who need the same there."""
        found = self._fits.setdefault((id(scene.room), request.shape), {})
        for node in scene.room.levels.keys() - found.keys():
            self.looked_at["fit"] += 1
            found[node] = holds(scene.free_of(node), request.need)
        return found

    # -- in order --------------------------------------------------------------------------------------------------

    def accounts(self, claim: Claim) -> Set[str]:
        """Of which somebody may be stopped for a request."""
        return {
            account
            for account, group in self._groups.items()
            if claim.stance(account, group.namespace)
            and (self._end(claim, account, late=True) or self._end(claim, account, late=False))
        }

    def of(self, claim: Claim, spent: Container[str] = ()) -> Iterator[Victim]:
        """Everybody who may be stopped for a request, the first to go first; nobody more of an account from when on it
        is in ``spent``."""
        concerned = sorted(self.accounts(claim))
        for late in (True, False):
            streams = [self._stream(claim, account, spent, late=late) for account in concerned]
            for _, victim in heapq.merge(*streams, key=_first):
                yield victim

    def _stream(
        self, claim: Claim, account: str, spent: Container[str], *, late: bool
    ) -> Iterator[tuple[Order, Victim]]:
        """Of one account, those who are past their estimate, or those who are not stopped for that."""
        group = self._groups[account]
        holdings = group.overdue if late else group.holdings
        for holding in islice(holdings, self._end(claim, account, late=late)):
            if account in spent:
                return
            self.looked_at["holder"] += 1
            if (late or not claim.is_late(holding)) and holding.reservation.workload not in self._told:
                victim = claim.victim(holding)
                if victim is not None:
                    yield holding.order, victim

    def _end(self, claim: Claim, account: str, *, late: bool) -> int:
        """How many of the first of an account may be stopped, as far as that depends on their priority."""
        group = self._groups[account]
        holdings = group.overdue if late else group.holdings
        stance = claim.stance(account, group.namespace)
        assert stance is not None
        return bisect_left(holdings, claim.request.priority + 1 if late else stance.below, key=_priority)

    def most_units(self, claim: Claim) -> int:
        """No more units than these are given back, whoever is stopped for a request: of another account at most what
        it has borrowed, and of the last of its jobs the rest."""
        total = 0
        for account, group in self._groups.items():
            stance = claim.stance(account, group.namespace)
            if stance is None:
                continue
            late, others = self._end(claim, account, late=True), self._end(claim, account, late=False)
            units = group.overdue_units[late] + group.units[others]
            if stance.lends:
                units = min(units, self._scene.accounts.borrowed(group.namespace) + group.largest)
            total += units
        return total

    # -- by node ---------------------------------------------------------------------------------------------------

    def price(self, name: str, claim: Claim, wanted: int, reckon: Reckon, *, everybodys: bool) -> Cleared | None:
        """What room for so many pods of a request on a node costs, and who leaves for it; as ``reckon`` has it of those
        who may be stopped there, in their order. Where nothing on the node is the request's alone (``everybodys``: what
        is free there), it is reckoned once for all requests for which the same holds."""
        node = self._nodes.get(name)
        if node is None:
            return None
        if not everybodys or claim.account in node.accounts:
            return self._reckoned(name, node, claim, reckon)
        request = claim.request
        key = claim.shape, wanted, request.priority, request.preempts, claim.replica, claim.due
        if key not in node.prices:
            node.prices[key] = self._reckoned(name, node, claim, reckon)
        return node.prices[key]

    def _reckoned(self, name: str, node: _Node, claim: Claim, reckon: Reckon) -> Cleared | None:
        self.looked_at["node"] += 1
        if not node.sorted:
            node.holdings.sort(key=_order)
            node.sorted = True
        late, others = list[Holding](), list[Holding]()
        for holding in node.holdings:
            stance = claim.stance(holding.account, holding.reservation.workload.namespace)
            if stance is not None and claim.may_stop(holding, stance):
                (late if claim.is_late(holding) else others).append(holding)
        return reckon(name, [*late, *others]) if late or others else None


def _order(holding: Holding) -> Order:
    return holding.order


def _first(pair: tuple[Order, Victim]) -> Order:
    return pair[0]


def _priority(holding: Holding) -> int:
    return holding.reservation.priority

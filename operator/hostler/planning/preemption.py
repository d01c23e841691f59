"""Who has to leave so that somebody in line can start: as few and as cheap victims as possible, and none too many.

A victim leaves with a checkpoint and is in line again with its age, so what a preemption costs is the work since its
newest checkpoint, which is what it may lose, and the time until it trains again. Both are device seconds.

Who may be a victim is in :mod:`victims <hostler.planning.victims>`. The search is greedy, once over all candidates and
once node by node, then drops who need not leave after all and lets those who can go on with fewer pods keep what they
can. An exact answer is a covering problem; what matters is that whoever is told to leave makes the request fit, which
is checked as the planner checks it, on nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hostler.planning.resources import Resources, add, holds, subtract, times
from hostler.planning.room import Room
from hostler.planning.verdicts import Preempt, Request, Reservation, Seats, Workload
from hostler.planning.victims import Scene, Victim, candidates_for, makes_room


def preemptions(request: Request, scene: Scene) -> dict[Workload, Preempt]:
    """Who has to leave for the request and was not told so before; nobody where it would not fit even then, or will fit
    when those have left who were told."""
    candidates = sorted(candidates_for(request, scene), key=lambda victim: victim.order)
    if scene.room.trouble or not candidates:
        return {}
    trial = _Trial(request, scene)
    trial.free_up(each for each in scene.holders if makes_room(each, request, scene))
    if trial.fits:
        return {}
    found = [chosen for chosen in _attempts(trial, candidates) if chosen]
    if not found:
        return {}
    best = min(found, key=_badness)
    keeps = trial.shrunk(best)
    if not trial.really_fits(best, keeps):
        return {}
    return {
        victim.held.workload: Preempt(by=request.workload, why=victim.why, keeps=keeps.get(victim.held.workload, {}))
        for victim in best
    }


def for_line(
    requests: Sequence[Request], scene: Scene, *, room_of: Callable[[Request], Room | None]
) -> dict[Workload, Preempt]:
    """Who has to leave for those in a pool's line who do not fit: for the first of each account, so that nobody is
    stopped for one who would not come next, and no namespace waits for its own until another has got its own."""
    promised = {each.leaving_for for each in scene.holders if each.leaving_for is not None}
    free, found, holders = dict(scene.free), dict[Workload, Preempt](), list(scene.holders)
    asked = set[str]()
    for request in requests:
        account, room = scene.accounts.account(request.workload.namespace), room_of(request)
        first = account not in asked
        asked.add(account)
        if room is None or not (first or request.workload in promised):
            continue
        now = replace(scene, room=room, free=free, holders=holders)
        more = preemptions(request, now) if first else {}
        found |= more
        if more or request.workload in promised:
            # What comes next must neither count on what this one waits for, nor on what it will have.
            if more:
                holders = [_told(each, more.get(each.workload)) for each in holders]
            free = _without(request, replace(now, holders=holders))
    return found


def _told(held: Reservation, found: Preempt | None) -> Reservation:
    return held if found is None else replace(held, leaving_for=found.by, keeps=found.keeps)


def _without(request: Request, scene: Scene) -> dict[str, Resources]:
    """What is free for others when those have left who leave for the request, and it has its seats."""
    free = dict(scene.free)
    for held in scene.holders:
        if held.leaving_for == request.workload:
            for node, pods in held.given_up.items():
                if node in free:
                    free[node] = add(free[node], times(pods, held.need))
    here = {node: free[node] for node in scene.room.levels}
    seats = scene.room.as_if(here).find(request, request.least, here, beside=request.beside)
    if sum(seats.values()) < request.least:
        return dict(scene.free)
    for node, pods in seats.items():
        free[node] = subtract(free[node], times(pods, request.need))
    return free


def _badness(chosen: Sequence[Victim]) -> tuple[int, float, int, list[Workload]]:
    """What is to be least: the highest priority that is stopped, then what is lost, then how many are stopped."""
    worst = max(victim.held.priority for victim in chosen)
    return worst, sum(v.cost for v in chosen), len(chosen), sorted(v.held.workload for v in chosen)


# -- which of them ----------------------------------------------------------------------------------------------------


def _attempts(trial: _Trial, candidates: Sequence[Victim]) -> Iterable[Sequence[Victim]]:
    yield trial.enough(candidates)
    for nodes in trial.domains:
        yield trial.enough(trial.by_node(candidates, nodes))


@dataclass
class _Given:
    """Units that those give back who would leave; sums, because there may be thousands of them."""

    units: int = 0
    ours: int = 0
    """Of the account of the request."""


class _Trial:
    """What would fit if somebody left."""

    def __init__(self, request: Request, scene: Scene) -> None:
        self._request, self._scene = request, scene
        self._units = scene.room.units(request.need)
        self._held = scene.room.held
        self._due = scene.accounts.is_due(request.workload.namespace, request.least * self._units)
        domains = scene.room.domains_for(request)
        domain = {node: "" if domains is None else domains.get(node, node) for node in scene.room.levels}
        bound = scene.room.bound_to(request)
        self._domain = {node: name for node, name in domain.items() if not bound or name in bound}
        self._free = {node: scene.free[node] for node in self._domain}
        self._account = scene.accounts.account(request.workload.namespace)
        self._given: dict[str, int] = {}
        """Units by namespace that those give back who leave already."""

    def free_up(self, leaving: Iterable[Reservation]) -> None:
        """Count as free what these give up."""
        for held in leaving:
            self._release(self._free, held, held.given_up)
            if held.pool == self._scene.room.pool.name:
                units = sum(held.given_up.values()) * self._scene.room.units(held.need)
                self._held -= units
                namespace = held.workload.namespace
                self._given[namespace] = self._given.get(namespace, 0) + units

    @property
    def fits(self) -> bool:
        """Whether nobody has to leave, but for those who do already."""
        counts = self._counts(self._free)
        return self._enough(counts, _Given())

    @cached_property
    def domains(self) -> Sequence[frozenset[str]]:
        """Nodes that may be used together."""
        found: dict[str, set[str]] = {}
        for node, domain in self._domain.items():
            found.setdefault(domain, set()).add(node)
        return [frozenset(found[name]) for name in sorted(found)]

    def enough(self, candidates: Sequence[Victim]) -> Sequence[Victim]:
        """As many of these, in their order, as make the request fit, without those who need not leave after all; none
        where all are not enough."""
        free, chosen, given = dict(self._free), list[Victim](), _Given()
        counts = self._counts(free)
        borrowed: dict[str, int] = {}
        for victim in candidates:
            if self._enough(counts, given):
                break
            namespace = victim.held.workload.namespace
            account = self._scene.accounts.account(namespace)
            least = 1 if self._due else victim.units
            left = borrowed.setdefault(account, self._borrowed(namespace))
            if victim.borrows and left < least:
                # What is left is the borrower's own. Of the last one, a part may be, for a request that is due.
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

    def by_node(self, candidates: Sequence[Victim], nodes: frozenset[str]) -> Sequence[Victim]:
        """Candidates in the order of the nodes that are the cheapest to clear, for each pod that fits there then."""
        on: dict[str, list[Victim]] = {}
        for victim in candidates:
            for node in victim.held.seats:
                if node in nodes:
                    on.setdefault(node, []).append(victim)
        priced = []
        for node, victims in on.items():
            price = self._price(node, victims)
            if price is not None:
                priced.append((*price[0], node, price[1]))
        ordered: dict[Workload, Victim] = {}
        for *_, group in sorted(priced, key=lambda each: each[:-1]):
            ordered |= {victim.held.workload: victim for victim in group}
        return list(ordered.values())

    def _price(self, node: str, victims: Sequence[Victim]) -> tuple[tuple[int, float, int], Sequence[Victim]] | None:
        """What room on one node costs (the worst priority, the cost for each pod, the number of victims), and who the
        victims are."""
        need, before = self._request.need, holds(self._free[node], self._request.need)
        free, chosen = self._free[node], list[Victim]()
        wanted = max(1, self._request.least - before)
        best = None
        for victim in victims:
            chosen.append(victim)
            free = add(free, times(victim.held.seats[node], victim.held.need))
            gained = min(wanted, holds(free, need) - before)
            if gained > 0:
                worst, cost = max(v.held.priority for v in chosen), sum(v.cost for v in chosen)
                price = worst, cost / gained, len(chosen)
                if best is None or price < best[0]:
                    best = price, tuple(chosen)
                if gained >= wanted:
                    break
        return best

    def shrunk(self, chosen: Sequence[Victim]) -> dict[Workload, Seats]:
        """Seats that victims can keep who can go on with fewer pods."""
        free = dict(self._free)
        counts = self._counts(free)
        given = _Given()
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
        free = dict(self._free)
        for victim in chosen:
            kept = keeps.get(victim.held.workload, {})
            self._release(free, victim.held, {n: pods - kept.get(n, 0) for n, pods in victim.held.seats.items()})
        request = self._request
        seats = self._scene.room.as_if(free).find(request, request.least, free, beside=request.beside)
        return sum(seats.values()) >= request.least

    # -- how much fits ---------------------------------------------------------------------------------------------

    def _counts(self, free: Mapping[str, Resources]) -> dict[str, int]:
        """Pods that fit, by domain."""
        counts: dict[str, int] = {}
        for node, amount in free.items():
            domain = self._domain[node]
            counts[domain] = counts.get(domain, 0) + holds(amount, self._request.need)
        return counts

    def _move(self, free: dict[str, Resources], counts: dict[str, int], need: Resources, seats: Seats) -> None:
        for node, pods in seats.items():
            if node in free:
                before, free[node] = free[node], add(free[node], times(pods, need))
                counts[self._domain[node]] += holds(free[node], self._request.need) - holds(before, self._request.need)

    def _release(self, free: dict[str, Resources], held: Reservation, seats: Seats) -> None:
        for node, pods in seats.items():
            if node in free:
                free[node] = add(free[node], times(pods, held.need))

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

"""Seats for those who start in a pass: what each takes of what is left."""

from __future__ import annotations

from hostler.api.common import Topology
from hostler.planning.bookings import Bookings
from hostler.planning.passstate import PassState, Question, question_of
from hostler.planning.resources import holds
from hostler.planning.room import Room
from hostler.planning.seats import together
from hostler.planning.verdicts import Admit, Request, Seats, Workload


class Allocator:
    """Of one pass; the order in which it is asked is the order of the line."""

    def __init__(self, state: PassState, bookings: Bookings) -> None:
        self._state = state
        self._stock = state.stock
        self._bookings = bookings
        self._capped: dict[tuple[Question, tuple[Workload, ...]], int] = {}
        """How much would fit of what must leave these bookings alone."""

    def keep(self, request: Request) -> Admit | None:
        """The seats that the request has, with others for those whose node is gone; all or nothing.

        What it gives up is nobody's until that is written down, which is told by another snapshot: after a crash
        before, two would have it.
        """
        room = self._stock.room(request.pool, request.volumes)
        if room is None:
            return None
        before = request.held_need or request.need
        had = sum(request.holding.values()) * room.units(before)
        self._stock.give_back(request.holding, before)
        room.held -= had
        allowed = room.allowed(request)
        kept: dict[str, int] = {}
        for node, pods in sorted(request.holding.items()):
            fit = min(pods, allowed - sum(kept.values()))
            if fit > 0 and node in room.levels and (here := min(fit, holds(self._stock.free[node], request.need))) > 0:
                kept[node] = here
        self._stock.take(kept, request.need)
        # More than it had only after everybody who waits; but replicas come before jobs.
        wanted = request.most if request.serves else max(request.least, sum(request.holding.values()))
        more = room.find(request, min(wanted, allowed) - sum(kept.values()), self._stock.free, beside=kept)
        if sum(kept.values()) + sum(more.values()) < request.least:
            self._stock.give_back(kept, request.need)
            self._stock.withhold(request, {})
            room.held += had
            return None
        self._stock.take(more, request.need)
        seats = together(kept, more)
        self._stock.withhold(request, seats)
        now = sum(seats.values()) * room.units(request.need)
        room.held += max(had, now)
        self._state.accounts.of(room).take(request.workload.namespace, max(0, now - had))
        return Admit(seats=seats)

    def admit(self, request: Request) -> Admit | None:
        """As many seats as it can use and get, or None where that is less than the least.

        Who is still there when somebody before it is to start takes only what that one leaves.
        """
        room = self._stock.room(request.pool, request.volumes)
        if room is None or room.has_failed(request):
            return None
        found = self._seats(room, request, request.most, beside=request.beside, least=request.least)
        if sum(found.values()) < request.least:
            return None
        self._occupy(room, request, found)
        return Admit(seats=dict(sorted(found.items())), backfilled=self._state.refused[request.pool] > 0)

    def release(self, request: Request) -> Admit | None:
        """Seats on nodes that an autoscaler would add, beside those that it can have now; or None. Those with a booking
        have what they need of these nodes before it, as of others."""
        room, new_nodes = self._stock.room(request.pool), self._state.growth_for(request)
        if room is None or new_nodes is None:
            return None
        promised = new_nodes
        for booking in self._bookings.binding(request):
            if booking.request.pool == request.pool:
                new_nodes = new_nodes.with_seats(booking.request.need, booking.new)
        allowed = self._state.within_accounts(room, request, request.most)
        if allowed < request.least:
            return None
        here = self._seats(room, request, allowed, beside=request.beside, least=0)
        new = new_nodes.seats(request.need, allowed - sum(here.values()))
        if not new or sum(here.values()) + sum(new.values()) < request.least:
            return None
        self._state.growth[request.pool] = promised.with_seats(request.need, new)
        self._occupy(room, request, here)
        self._state.hold(room, request, sum(new.values()) * room.units(request.need))
        return Admit(seats=together(here, new), backfilled=self._state.refused[request.pool] > 0)

    def enlarge(self, request: Request, standing: Admit) -> Admit:
        """The same with as many seats as it can use, where nobody waits for them."""
        room = self._stock.room(request.pool, request.volumes)
        if room is None or standing.pods >= request.most or request.topology is Topology.REQUIRED:
            return standing  # Of a domain, what it keeps may be full while another one has room.
        beside = together(request.beside, standing.seats)
        found = self._seats(room, request, request.most - standing.pods, beside=beside, least=0)
        self._occupy(room, request, found)
        return Admit(seats=together(standing.seats, found), backfilled=standing.backfilled)

    def surge(self, request: Request, standing: Admit) -> Admit:
        """The same with seats for a while, where there is room."""
        room = self._stock.room(request.pool, request.volumes)
        if room is None:
            return standing
        found = self._seats(room, request, request.surge, beside=together(request.beside, standing.seats), least=0)
        self._occupy(room, request, found)
        return Admit(seats=standing.seats, surge=found, backfilled=standing.backfilled)

    def _seats(self, room: Room, request: Request, count: int, *, beside: Seats, least: int) -> Seats:
        """Up to so many seats that delay nobody's booking; none where that is less than ``least``."""
        binding, units = self._bookings.binding(request), room.units(request.need)
        within = self._state.within_accounts(room, request, count)
        allowed = min(within, *(b.leaves(request.pool, count, units) for b in binding), count)
        if allowed < least:
            return {}
        if not binding:
            found = room.find(request, allowed, self._stock.free, beside=beside)
            if sum(found.values()) < least:
                room.fail(request, self._stock.free)
                return {}
            return found
        bound = tuple(booking.request.workload for booking in binding)
        if self._capped.get((question_of(request), bound), least) < least:
            return {}
        free = self._bookings.left_by(binding, bound)
        found = room.find(request, allowed, free, beside=beside)
        if sum(found.values()) < least:
            # What is free and what is spare only shrinks in a pass.
            self._capped[question_of(request), bound] = room.count(request, free)
            return {}
        return found

    def _occupy(self, room: Room, request: Request, seats: Seats) -> None:
        self._bookings.passed_by(room, request, seats)
        self._stock.take(seats, request.need)
        self._state.hold(room, request, sum(seats.values()) * room.units(request.need))

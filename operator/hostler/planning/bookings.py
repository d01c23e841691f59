"""Who of those that wait gets a booking in a pass, and what bookings leave to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from hostler.planning.backfill import Booking, Ending, Timeline, endings, first_release
from hostler.planning.passstate import PassState, Question, question_of
from hostler.planning.resources import Resources
from hostler.planning.room import Room
from hostler.planning.verdicts import Release, Request, Seats, Workload

MOST_BOOKINGS = 4
"""Of one pool, in one pass."""

Bound = tuple[Workload, ...]
"""Whose bookings somebody must leave alone."""


class Bookings:
    """Of one pass."""

    def __init__(self, state: PassState) -> None:
        self._state = state
        self._left: dict[Bound, Mapping[str, Resources]] = {}
        """What bookings leave of what is free now."""
        self._left_at = state.stock.version
        self._booked: Counter[str] = Counter()
        self._owing: set[tuple[str, str]] = set()
        """Accounts of pools of which somebody waits for the account's own limit."""
        self._tied: dict[str, bool] = {}
        """Whether all bookings of a pool are tied to the nodes of volumes."""
        self._never: set[tuple[Question, int]] = set()
        """What would not fit even after everybody has ended who ever does, and how much of it."""
        self._releases: dict[Question, Release | None] = {}
        self._admitted: list[tuple[Request, Seats, float]] = []
        """By this pass, and not yet in the timeline; with their ends."""

    @cached_property
    def _timeline(self) -> Timeline:
        """Made when the first one has to wait: where all fit, nobody need know who ends when."""
        return Timeline(endings(self._state.snapshot, self._state.durations, self._state.now))

    @property
    def made(self) -> Sequence[Booking]:
        """In the order in which they were made."""
        return self._timeline.bookings

    # -- for those who are to start --------------------------------------------------------------------------------

    def binding(self, request: Request) -> list[Booking]:
        """Those before it that it would still be in the way of when they are to start."""
        if not self._booked and not self._owing:
            return []
        ends = self._state.ends(request)
        return [each for each in self._timeline.bookings if each.binds(ends) and self._concerns(each, request)]

    def _concerns(self, booking: Booking, request: Request) -> bool:
        room, same_pool = self._state.stock.room(request.pool), request.pool == booking.request.pool
        if room is None:
            return booking.account is None
        account = self._state.account(room, request)
        if booking.account is not None:
            return same_pool and account == booking.account
        # What is its own a namespace takes from who has borrowed; so much the more from who would.
        of_another = same_pool and account != self._state.account(room, booking.request)
        return not (booking.borrows and of_another and self._state.is_due(room, request))

    def left_by(self, binding: Sequence[Booking], bound: Bound) -> Mapping[str, Resources]:
        """What is free and not needed by these bookings; the same until somebody takes something of it."""
        stock = self._state.stock
        if self._left_at != stock.version:
            self._left.clear()
            self._left_at = stock.version
        if bound not in self._left:
            self._left[bound] = {**stock.free, **self._timeline.caps(stock.free, binding)}
        return self._left[bound]

    def passed_by(self, room: Room, request: Request, seats: Seats) -> None:
        """These seats are given to somebody, who may have passed those with a booking."""
        for booking in self.binding(request):
            booking.passed_by(request, seats, room.units(request.need))
        self._admitted.append((request, seats, self._state.ends(request)))

    # -- for those who have to wait --------------------------------------------------------------------------------

    def refuse(self, request: Request) -> None:
        """It has to wait. The first of a pool that can ever start gets a booking; so do the next ones, as long as those
        before them are tied to the nodes of their volumes: the pool's others would not leave them anything else. And so
        does everybody for whom others leave, whose room it is."""
        state, pool, promised = self._state, request.pool, request.workload in self._state.leaving
        room = state.stock.room(pool, request.volumes)
        if room is not None and not promised and state.owes(room, request):
            self._owe(room, request)
            return
        state.refused[pool] += 1
        most = MOST_BOOKINGS if promised or self._tied.get(pool) else 1
        if room is None or room.trouble or self._booked[pool] >= most:
            return
        question = (question_of(request), request.least)
        if question in self._never:
            return
        self._note_admitted()
        growth = state.growth_for(request)
        if self._timeline.book(room, request, state.stock.free, state.durations, state.now, growth=growth):
            booking = self._timeline.bookings[-1]
            booking.promised, booking.borrows = promised, not state.is_due(room, request)
            self._booked[pool] += 1
            self._tied[pool] = bool(request.volumes)
        else:
            self._never.add(question)

    def _owe(self, room: Room, request: Request) -> None:
        """It waits for its own namespace's limit. Nobody else is held up by that; the first of each account gets a
        booking of what the account gives back, so that the others of it do not pass it for ever."""
        owing = request.pool, self._state.account(room, request)
        if owing not in self._owing:
            self._owing.add(owing)
            self._note_admitted()
            self._timeline.book_account(room, request, self._state.accounts.of(room), self._state.now)

    def _note_admitted(self) -> None:
        for other, seats, ends in self._admitted:
            self._timeline.admit(other, seats, ends, known=self._state.durations.knows_of(other))
        self._admitted.clear()

    def next_release(self, room: Room, request: Request) -> Release | None:
        """Whose end gives back something that the request needs."""
        key = question_of(request)
        if key not in self._releases:
            self._releases[key] = self._release(first_release(self._timeline.endings, room, request.need))
        return self._releases[key]

    def _release(self, ending: Ending | None) -> Release | None:
        if ending is None:
            return None
        pods = sum(ending.seats.values())
        return Release(workload=ending.workload, seconds=ending.at - self._state.now, pods=pods)

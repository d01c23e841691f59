"""Why those who do not start in a pass wait, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from hostler.planning.bookings import Bookings
from hostler.planning.forecast import forecasts
from hostler.planning.passstate import PassState
from hostler.planning.room import Room
from hostler.planning.verdicts import Forecast, Obstacle, PoolFigures, QuotaFigures, Request, Wait, Workload

NO_FIGURES = PoolFigures(free=0, allocatable=0, largest_free_block=0, held=0)
"""Of a pool of which nothing is known."""


class Waits:
    """After everybody was looked at who could have started."""

    def __init__(self, state: PassState, bookings: Bookings) -> None:
        self._state = state
        self._bookings = bookings

    def of(self, pool: str, requests: Sequence[Request]) -> dict[Workload, Wait]:
        """Why these do not start, in the order of the pool's line."""
        room = self._state.stock.room(pool)
        if room is None:
            return {
                request.workload: Wait(
                    obstacle=Obstacle.POOL_NOT_READY, position=place, waiting=len(requests), figures=NO_FIGURES
                )
                for place, request in enumerate(requests, start=1)
            }
        figures = room.figures()
        found: dict[Workload, Wait] = {}
        for place, request in enumerate(requests, start=1):
            part = self._state.stock.room(pool, request.volumes) or room
            fit, by_units = part.fits(request, self._state.stock.free)
            found[request.workload] = Wait(
                obstacle=self._obstacle(part, request),
                position=place,
                waiting=len(requests),
                figures=figures,
                quota=self._quota_of(part, request) if self._state.owes(part, request) else None,
                fit=fit,
                fit_by_units=by_units,
                within_reach=len(part.levels) if request.volumes else None,
                forecast=self._forecasts.get(request.workload),
                next_release=self._bookings.next_release(part, request),
                preempting=self._state.leaving.get(request.workload, ()),
            )
        return found

    def _obstacle(self, room: Room, request: Request) -> Obstacle:
        """Why it waits: those who leave for it before all that they leave behind."""
        if request.workload in self._state.leaving:
            return Obstacle.PREEMPTING
        return Obstacle.QUOTA_EXCEEDED if self._state.owes(room, request) else room.obstacle(request)

    def _quota_of(self, room: Room, request: Request) -> QuotaFigures | None:
        accounts, namespace = self._state.accounts.of(room), request.workload.namespace
        limit = accounts.limit(namespace)
        return None if limit is None else QuotaFigures(limit=limit, held=accounts.held(namespace))

    @cached_property
    def _forecasts(self) -> Mapping[Workload, Forecast]:
        """By workload. Those who have a booking are told that: it is counted on nodes and not on units."""
        made = self._bookings.made
        booked = {each.request.workload: (each.request.pool, each.at) for each in made if each.known}
        return forecasts(self._state.snapshot, self._state.requests, self._state.now, booked=booked)

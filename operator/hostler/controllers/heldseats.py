"""Who holds which seats: what statuses say, and what is granted and not written down yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hostler.api.placement import Placement
from hostler.controllers.answers import Grant, reserved
from hostler.controllers.ports import Clock
from hostler.controllers.preempting import Preempting
from hostler.controllers.reservations import chapter, read_reservation
from hostler.controllers.workloads import placement_of, seats_of
from hostler.planning import moments
from hostler.planning.poolgrowth import growth_seconds
from hostler.planning.usage import PoolUsage
from hostler.planning.verdicts import Admit, Request, Reservation, TakeBack, Workload
from hostler.planning.volumes import Reach

Object = dict[str, Any]

WRITE_SECONDS = 60.0
"""How long a grant is held for a workload that does not write it down."""
_LEAST_GRACE_SECONDS = 60.0
"""For pods of a seat that an earlier process has written down, whatever the time is."""


class HeldSeats:
    """Keeps the reservations of usage: of each workload what is granted, or else what its status says."""

    def __init__(
        self, *, usage: PoolUsage, preempting: Preempting, clock: Clock, grace: float, freed: Callable[[], None]
    ) -> None:
        """``grace`` is the seconds within which the pods of a reservation must come; ``freed`` is called when somebody
        holds nothing any more."""
        self._usage = usage
        self._preempting = preempting
        self._clock = clock
        self._grace = grace
        self._freed = freed
        self._grants: dict[Workload, Grant] = {}
        self._durable: dict[Workload, Reservation] = {}
        """What the statuses say."""
        self._volumes: dict[Workload, tuple[Reach, ...]] = {}
        """Of those that have asked and have not gone since."""

    # -- what statuses say -----------------------------------------------------------------------------------------

    def read(self, workload: Workload, obj: Object | None) -> Reservation | None:
        """Take in a status; what it says now, where that names other seats than before."""
        if obj is None:
            self._volumes.pop(workload, None)
        placement = placement_of(obj) if obj is not None else None
        before, after = self._durable.pop(workload, None), None
        if obj is not None and placement is not None:
            after = self._durable[workload] = self._reservation(obj, placement, before)
        if before is not None:
            self._preempting.left(before, after, now=self._clock.monotonic())
        self._preempting.changed(workload, None if obj is None or placement is None else chapter(obj))
        return after if after is not None and (before is None or before.seats != after.seats) else None

    def _reservation(self, obj: Object, placement: Placement, before: Reservation | None) -> Reservation:
        held = read_reservation(
            obj,
            placement,
            deadline=self._deadline(placement, before),
            before=before,
            pool=self._usage.pool(placement.pool),
            clock=self._clock,
        )
        return replace(held, volumes=self._volumes.get(held.workload))

    def _deadline(self, placement: Placement, before: Reservation | None) -> float | None:
        """On the monotonic clock: a wall clock that jumps must neither end a reservation nor let it stand for ever."""
        if placement.deadline is None:
            return None
        if before is not None and before.deadline is not None:
            return before.deadline
        # What another process has written can only be read by the wall clock, which may have jumped in between.
        left = max(moments.elapsed(self._clock.now(), now=placement.deadline), _LEAST_GRACE_SECONDS)
        grace = self._grace + growth_seconds(self._usage.pool(placement.pool), seats_of(placement))
        return self._clock.monotonic() + min(left, grace)

    def settle(self, workload: Workload) -> None:
        """Let usage hold what is granted, or else what is written down."""
        durable, grant = self._durable.get(workload), self._grants.get(workload)
        if grant is not None and durable is not None and durable.seats == reserved(grant.request, grant.admit):
            del self._grants[workload]
            grant = None
        if grant is not None:
            return
        if durable is not None:
            self._usage.put_reservation(self._preempting.applied(durable))
        elif self._usage.reservation(workload) is not None:
            self._usage.remove_reservation(workload)
            self._freed()

    # -- what is granted -------------------------------------------------------------------------------------------

    def mounts(self, request: Request) -> None:
        """The volumes of one that asks, which its status does not say."""
        self._volumes[request.workload] = request.volumes

    def grant(self, workload: Workload) -> Grant | None:
        """What it was given, and has not written down."""
        return self._grants.get(workload)

    def give(self, request: Request, admit: Admit, *, now: float) -> None:
        """These seats are held from this moment, before anybody has written them down."""
        workload = request.workload
        self._grants[workload] = Grant(request, admit)
        self._preempting.has_got(workload)
        self._usage.put_reservation(
            Reservation(
                workload=workload,
                pool=request.pool,
                need=request.need,
                seats=reserved(request, admit),
                deadline=now + WRITE_SECONDS,
                instead_of=self._durable.get(workload),
                priority=request.priority,
            )
        )

    def tell(self, grant: Grant) -> Admit:
        """Its workload reads it now."""
        self._grants[grant.request.workload] = replace(grant, told=True)
        return grant.admit

    def drop(self, workload: Workload) -> None:
        """What was granted is free again; what is written down of it stands."""
        del self._grants[workload]
        self._usage.remove_reservation(workload)
        self.settle(workload)
        self._freed()

    def await_answer(self, grant: Grant, lost: TakeBack) -> None:
        """Hold a lost grant until its workload has come back: it may have written it down this very moment, and whoever
        was given these seats meanwhile would be the second one."""
        workload = grant.request.workload
        self._grants[workload] = replace(grant, lost=lost)
        held = self._usage.reservation(workload)
        assert held is not None
        self._usage.put_reservation(replace(held, deadline=None))

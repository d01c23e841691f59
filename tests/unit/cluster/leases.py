"""An API server with one Lease, in virtual time."""

from __future__ import annotations

import asyncio
import copy
import random
from typing import Any

from unit.cluster.objects import Object
from virtualtime import now

from hostler.cluster.errors import Conflict, NotFound, Unavailable
from hostler.cluster.lease import LeaseElector, Timing


class Leases:
    """The API server's part: one Lease with optimistic locking, and ways to disturb it."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.nobody: Exception = Conflict("Precondition failed: UID in precondition: u, UID in object meta: ", code=409)
        """What a renewal of a Lease that was deleted is answered with."""
        self.down: set[str] = set()
        """Whom the API server does not answer."""
        self.hanging: set[str] = set()
        """Whose requests never end."""
        self.lost_answers: set[str] = set()
        """Whose writes arrive although the answer does not."""

    def api(self, who: str) -> LeaseView:
        return LeaseView(self, who)

    def save(self, body: Object) -> Object:
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"] |= {"resourceVersion": str(self.version), "uid": "u"}
        return copy.deepcopy(self.lease)


class LeaseView:
    """The API server as one replica sees it."""

    def __init__(self, leases: Leases, who: str) -> None:
        self._leases = leases
        self._who = who

    async def _enter(self) -> None:
        await asyncio.sleep(0.01)
        if self._who in self._leases.hanging:
            await asyncio.sleep(3600)
        if self._who in self._leases.down:
            raise Unavailable("connection refused")

    async def get(self, resource: Any, *, namespace: str = "", name: str) -> Object:
        await self._enter()
        if self._leases.lease is None:
            raise NotFound("no lease", code=404)
        return copy.deepcopy(self._leases.lease)

    async def create(self, body: Object) -> Object:
        await self._enter()
        if self._leases.lease is not None:
            raise Conflict("exists", code=409)
        return self._leases.save(body)

    async def replace(self, body: Object, *, timeout: float) -> Object:
        await self._enter()
        lease = self._leases.lease
        if lease is None:
            raise self._leases.nobody
        if body["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise Conflict("newer", code=409)
        saved = self._leases.save(body)
        if self._who in self._leases.lost_answers:
            raise Unavailable("connection reset")
        return saved


def elector(leases: Leases, who: str) -> LeaseElector:
    return LeaseElector(
        leases.api(who), namespace="n", name="l", identity=who, monotonic=now, rng=random.Random(who), timing=Timing()
    )

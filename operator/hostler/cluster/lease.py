"""Leader election by a Lease: one operator writes, the others wait with warm caches.

All durations are measured on this process's monotonic clock; the times written into the Lease are for people. A
standby takes over when it has seen no renewal for a whole lease duration *by its own clock*, so clocks need not agree.
The leader stops before that: it gives up when it could not renew within the renew deadline, and no write may last
beyond the lease (:meth:`LeaseElector.seconds_left`).

Somebody may delete the Lease. The leader writes it anew with its next renewal, while its time lasts; a standby that has
seen a leader waits as long as if the Lease were still there, because that leader does not know yet. Only a replica that
has never seen one takes a Lease that does not exist at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from hostler.cluster.errors import ApiError, Conflict, NotFound, NotLeading
from hostler.cluster.resources import Resource, resource_of

Object = dict[str, Any]
_log = logging.getLogger(__name__)


RELEASE_SECONDS = 4.0
"""Within which the Lease is given back, or left to expire."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds. ``duration`` > ``renew_deadline`` > ``retry``."""

    duration: float = 15.0
    """How long standbys wait without news of the leader."""
    renew_deadline: float = 10.0
    """How long the leader works on without a renewal."""
    retry: float = 2.0
    """Between two tries, of the leader to renew and of a standby to acquire."""


class LeaseApi(Protocol):
    """The three calls that an election needs."""

    async def get(self, resource: Resource, *, namespace: str = "", name: str) -> Object:
        """The Lease; raises NotFound."""

    async def create(self, body: Object) -> Object:
        """A new Lease; raises Conflict."""

    async def replace(self, body: Object, *, timeout: float) -> Object:
        """The Lease with a newer content; raises Conflict when somebody was faster."""


class LeaseElector:
    """:meth:`acquire`, then :meth:`hold` until it returns, then :meth:`release`."""

    def __init__(
        self,
        api: LeaseApi,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._timing = timing or Timing()
        self._monotonic = monotonic
        self._utc = utc
        self._rng = rng or random.Random()
        self._lease: Object | None = None
        """The Lease as last written by us, while we lead."""
        self._renewed = -float("inf")
        """When the request of our last successful renewal was begun."""
        self._seen: tuple[Any, ...] = ()
        """The last news of another leader."""
        self._silent_since = -float("inf")
        """When that came."""
        self._promised = self._timing.duration
        """How long that leader may work on without further news."""

    @property
    def leading(self) -> bool:
        """Whether we may work now."""
        return self._lease is not None and self._monotonic() < self._renewed + self._timing.renew_deadline

    def seconds_left(self) -> float:
        """The fence of every write: how long it may take at most. Raises :class:`NotLeading`."""
        if not self.leading:
            raise NotLeading(f"{self.identity} does not hold the Lease {self._namespace}/{self._name}")
        return self._renewed + self._timing.duration - self._monotonic()

    async def acquire(self) -> None:
        """Return when we lead; failures of the API server are waited out."""
        while True:
            if await self._try(self._acquire_once):
                break
            # Jitter, so that standbys that were started together do not ask together for ever.
            await asyncio.sleep(self._timing.retry * (1 + 0.2 * self._rng.random()))
        _log.info("leading", extra={"identity": self.identity, "lease": f"{self._namespace}/{self._name}"})

    async def hold(self) -> None:
        """Renew until that fails for the whole renew deadline or somebody else leads; returns when we lost."""
        pause = self._timing.retry
        while self.leading:
            await asyncio.sleep(pause)
            renewed = await self._try(self._renew_once)
            pause = self._timing.retry if renewed else min(self._timing.retry, 0.5)
        self._lease = None
        _log.error("the Lease is lost", extra={"identity": self.identity})

    async def release(self) -> None:
        """Let the next one lead at once. Nothing of ours may write after this began."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._release(lease)
        except (ApiError, TimeoutError) as error:
            _log.warning("the Lease could not be released: %s", error or "no answer in time")
        else:
            _log.info("released the Lease", extra={"identity": self.identity})

    async def _release(self, lease: Object) -> None:
        try:
            await self._api.replace(self._body(lease, holder="", duration=1), timeout=RELEASE_SECONDS)
        except Conflict:
            # A renewal that was cut off may have arrived all the same.
            lease = await self._api.get(resource_of("Lease"), namespace=self._namespace, name=self._name)
            if lease["spec"].get("holderIdentity") == self.identity:
                await self._api.replace(self._body(lease, holder="", duration=1), timeout=RELEASE_SECONDS)

    async def _try(self, step: Callable[[], Any]) -> bool:
        try:
            # A request that hangs must leave time for the next try.
            async with asyncio.timeout(self._timing.renew_deadline / 2):
                return bool(await step())
        except Conflict:
            return False
        except (ApiError, TimeoutError) as error:
            _log.warning("the Lease cannot be reached: %s", error or "no answer in time")
            return False

    async def _acquire_once(self) -> bool:
        begun = self._monotonic()
        try:
            lease = await self._api.get(resource_of("Lease"), namespace=self._namespace, name=self._name)
        except NotFound:
            if begun < self._silent_since + self._promised:
                return False
            return self._won(await self._api.create(self._body(None, holder=self.identity)), begun)
        spec = lease.get("spec") or {}
        if not self._free(spec):
            return False
        body = self._body(lease, holder=self.identity)
        return self._won(await self._api.replace(body, timeout=self._timing.renew_deadline / 2), begun)

    async def _renew_once(self) -> bool:
        begun = self._monotonic()
        held = self._lease
        if held is None:
            return False
        body = self._body(held, holder=self.identity)
        try:
            return self._won(await self._api.replace(body, timeout=self._timing.renew_deadline / 2), begun)
        except (Conflict, NotFound):
            # Another one leads, or our own renewal arrived although its answer did not, or the Lease was deleted: the
            # server answers that with a conflict too, because the UID is not the one that we named.
            return await self._renew_anew(body, begun)

    async def _renew_anew(self, body: Object, begun: float) -> bool:
        try:
            lease = await self._api.get(resource_of("Lease"), namespace=self._namespace, name=self._name)
        except NotFound:
            if not self.leading:
                raise
            _log.warning("the Lease was deleted; it is written anew", extra={"identity": self.identity})
            identified = ("resourceVersion", "uid")
            metadata = {name: value for name, value in body["metadata"].items() if name not in identified}
            # A conflict, if somebody else was faster.
            return self._won(await self._api.create({**body, "metadata": metadata}), begun)
        ours = (lease.get("spec") or {}).get("holderIdentity") == self.identity
        self._lease = lease if ours else None
        return False

    def _free(self, spec: Object) -> bool:
        """Whether nobody holds it, we did, or its holder has been silent for the duration that it promised."""
        holder = spec.get("holderIdentity")
        if not holder or holder == self.identity:
            self._seen, self._silent_since = (), -float("inf")
            return True
        seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        now = self._monotonic()
        if seen != self._seen:
            self._seen, self._silent_since = seen, now
            self._promised = float(spec.get("leaseDurationSeconds") or self._timing.duration)
            return False
        return now >= self._silent_since + self._promised

    def _won(self, lease: Object, begun: float) -> bool:
        self._lease, self._renewed = lease, begun
        return True

    def _body(self, lease: Object | None, *, holder: str, duration: float | None = None) -> Object:
        before = (lease or {}).get("spec") or {}
        now = self._utc().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = before.get("holderIdentity") == holder
        changes = 0 if lease is None else int(before.get("leaseTransitions") or 0) + (0 if same or not holder else 1)
        metadata = {"name": self._name, "namespace": self._namespace}
        if lease is not None:
            metadata |= {key: lease["metadata"][key] for key in ("resourceVersion", "uid")}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(duration or self._timing.duration),
                "acquireTime": before["acquireTime"] if same and before.get("acquireTime") else now,
                "renewTime": now,
                "leaseTransitions": changes,
            },
        }

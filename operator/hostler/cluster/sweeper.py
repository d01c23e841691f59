"""Periodic full lists, because a watch that was broken for too long does not tell what vanished meanwhile.

A sweep runs once when every watch is open (only then is the store complete) of those kinds that the watches' own lists
have not brought, every few minutes with jitter, and at once for a kind whose watch had to begin anew. After each round
everything is looked at again with low priority.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable

from hostler.cluster.client import Client
from hostler.cluster.errors import ApiError, Forbidden, Gone
from hostler.cluster.resources import Resource
from hostler.cluster.store import Name, Repairs, Store, name_of
from hostler.cluster.turns import Turns

_log = logging.getLogger(__name__)

RETRY_LIMIT = 30.0


class Sweeper:
    """:meth:`run` for ever; ``synced`` is set after the first complete round."""

    def __init__(
        self,
        client: Client,
        *,
        store: Store,
        resources: Iterable[Resource],
        interval: float,
        namespaces: Iterable[str] = (),
        whole: Callable[[], Collection[str]] = frozenset,
        on_round: Callable[[], None] = lambda: None,
        repaired: Callable[[str, Repairs], None] = lambda _kind, _repairs: None,
        rng: random.Random | None = None,
    ) -> None:
        """``whole`` names the kinds that were listed when the first round begins."""
        self._client = client
        self._store = store
        self._resources = {resource.kind: resource for resource in resources}
        self._interval = interval
        self._namespaces = tuple(namespaces)
        self._whole = whole
        self._on_round = on_round
        self._repaired = repaired
        self._rng = rng or random.Random()
        self._requested: set[str] = set()
        self._wake = asyncio.Event()
        self.synced = asyncio.Event()

    def request(self, kind: str) -> None:
        """Sweep this kind soon."""
        self._requested.add(kind)
        self._wake.set()

    async def catch_up(self, kinds: Iterable[str]) -> None:
        """Return when the store has all that was written of these kinds before this began, however late the watches
        are."""
        for kind in kinds:
            await self._insist(kind)

    async def run(self) -> None:
        """A round, then a pause with jitter, in which single kinds may be asked for."""
        loop = asyncio.get_running_loop()
        listed = self._whole()
        while True:
            for kind in self._resources:
                if kind not in listed:
                    await self._insist(kind)
            listed = ()
            self.synced.set()
            self._on_round()
            until = loop.time() + self._interval * (0.9 + 0.2 * self._rng.random())
            await self._serve_requests(until)

    async def sweep(self, kind: str) -> Repairs:
        """List one kind and let the store take it in."""
        resource = self._resources[kind]
        found = [await self._sweep_scope(resource, namespace) for namespace in resource.scopes(self._namespaces)]
        repairs = Repairs(updated=sum(each.updated for each in found), deleted=sum(each.deleted for each in found))
        if self.synced.is_set():
            self._report(kind, repairs)
        return repairs

    async def _sweep_scope(self, resource: Resource, namespace: str) -> Repairs:
        """One full list, begun anew once when the server forgets its moment. Only a whole one says what is gone."""
        try:
            return await self._take_pages(resource, namespace)
        except Gone:
            return await self._take_pages(resource, namespace)

    async def _take_pages(self, resource: Resource, namespace: str) -> Repairs:
        """The store keeps a part of each object; of each page only the names are kept until the last one."""
        listed: set[Name] = set()
        updated = version = 0
        async for page in self._client.pages(resource, namespace=namespace, selector=resource.selector):
            version = page.resource_version
            listed.update(map(name_of, page.items))
            turns = Turns()
            for obj in page.items:
                updated += self._store.put(resource.kind, obj)
                await turns.give()
            del page
        deleted = self._store.take_list(resource.kind, listed, version=version, namespace=namespace or None)
        return Repairs(updated=updated, deleted=deleted)

    async def _serve_requests(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            self._wake.clear()
            while self._requested:
                await self._insist(self._requested.pop())
            try:
                async with asyncio.timeout_at(until):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _insist(self, kind: str) -> None:
        """Sweep until it works: a store that is not complete must not be acted upon."""
        pause = 0.5
        while True:
            try:
                await self.sweep(kind)
                return
            except Forbidden as error:
                _log.error("listing is forbidden; the chart's ClusterRole allows it: %s", error, extra={"kind": kind})
            except ApiError as error:
                _log.warning("listing failed: %s", error, extra={"kind": kind})
            await asyncio.sleep(pause)
            pause = min(RETRY_LIMIT, pause * 2)

    def _report(self, kind: str, found: Repairs) -> None:
        self._repaired(kind, found)
        if found.deleted:
            _log.warning(
                "the watch had missed deletions; the sweep found them", extra={"kind": kind, "deleted": found.deleted}
            )

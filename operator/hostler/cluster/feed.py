"""kopf as the source of events: its watches fill the store, and nothing else of it is used.

No change handlers, timers or daemons: kopf writes nothing to any object. What it does is login, lists, watches, their
reconnects and versions; the objects are taken out of the streams before it looks at them (see ``stream``). Its
bookkeeping (diff-bases, progress) is replaced by storages that keep nothing, for those that it would see all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import kopf

from hostler.cluster.client import PAGE
from hostler.cluster.connection import Connection
from hostler.cluster.resources import Resource
from hostler.cluster.store import Store
from hostler.cluster.stream import Object
from hostler.cluster.watches import TakeKind, WatchMonitor

SERVER_TIMEOUT = 300
INACTIVITY_TIMEOUT = 70.0


class NoDiffBase(kopf.DiffBaseStorage):  # type: ignore[misc]
    """Remembers nothing of what an object looked like."""

    def build(self, **_: Any) -> Any:
        """An essence without content."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Nothing is stored."""
        return

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):  # type: ignore[misc]
    """Remembers nothing of what handlers did."""

    def fetch(self, **_: Any) -> Any:
        """Nothing is stored."""
        return

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """There is nothing to remove."""

    def touch(self, **_: Any) -> None:
        """Never write a dummy annotation."""

    def clear(self, *, essence: Any) -> Any:
        """There is nothing of ours in it."""
        return essence


@dataclass(frozen=True)
class Feed:
    """What one kopf operator watches: it is either cluster-wide or confined to namespaces, for all of its kinds."""

    resources: tuple[Resource, ...]
    namespaces: tuple[str, ...]
    """Empty for the whole cluster."""


def feeds(resources: Iterable[Resource], namespaces: Iterable[str]) -> tuple[Feed, ...]:
    """One for the whole cluster, and where only some namespaces are served, one for these."""
    served = tuple(namespaces)
    confined = tuple(resource for resource in resources if resource.scopes(served) != ("",))
    others = tuple(resource for resource in resources if resource not in confined)
    return tuple(feed for feed in (Feed(others, ()), Feed(confined, served)) if feed.resources)


def kopf_settings(resources: Iterable[Resource]) -> Any:
    """The settings under which kopf only watches."""
    settings = kopf.OperatorSettings()
    # An unrelated operator's peering object would pause us; the Lease decides who works.
    settings.peering.standalone = True
    # Our CRDs are fixed, so there is no need to watch CRDs and namespaces, nor for the rights to do so.
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.inactivity_timeout = INACTIVITY_TIMEOUT
    settings.watching.connect_timeout = 5.0
    settings.watching.chunk_size = PAGE
    settings.networking.connect_timeout = 5.0
    settings.networking.request_timeout = 30.0
    settings.queueing.idle_timeout = 1.0
    settings.execution.max_workers = 1
    settings.process.ultimate_exiting_timeout = 25.0
    for resource in resources:
        if resource.selector:
            settings.watching.label_selectors[resource.group, resource.version, resource.plural] = resource.selector
    return settings


def kopf_registry(resources: Iterable[Resource], *, store: Store, connection: Connection, monitor: WatchMonitor) -> Any:
    """The handlers: a login whose session feeds the store, and one for each kind, which makes kopf watch it."""
    registry = kopf.OperatorRegistry()
    watched = {resource.kind: resource for resource in resources}

    def take(kind: str, event: str, obj: Object) -> None:
        # Items of a list come without the first two.
        whole = {"apiVersion": watched[kind].api_version, "kind": kind, **obj}
        if event == "DELETED":
            store.remove(kind, whole)
        else:
            store.put(kind, whole)

    @kopf.on.login(registry=registry)  # type: ignore[untyped-decorator]
    async def login(**_: Any) -> Any:
        session = monitor.session(connection, take=take)
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)

    for resource in watched.values():
        _watch(registry, resource, take)
    return registry


def _watch(registry: Any, resource: Resource, take: TakeKind) -> None:
    @kopf.on.event(
        registry=registry,
        group=resource.group,
        version=resource.version,
        plural=resource.plural,
        id=f"feed-{resource.plural}",
    )  # type: ignore[untyped-decorator]
    async def feed(event: Any, **_: Any) -> None:
        # Nothing comes here as long as kopf reads in the two ways that ``stream`` knows.
        take(resource.kind, event["type"] or "", event["object"])


def quiet_kopf() -> None:
    """kopf logs every event and handler; its warnings are enough."""
    logging.getLogger("kopf").setLevel(logging.WARNING)

"""Reads for controllers: from the store, or live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hostler.cluster.client import Client
from hostler.cluster.errors import NotFound
from hostler.cluster.resources import resource_of
from hostler.cluster.store import Store

Object = dict[str, Any]

MOST_EVENTS = 100
"""client-go writes at most 25 of one object and one controller in a row, and puts similar ones together after ten."""


class CachedReader:
    """The ``Reader`` of ``hostler.controllers.ports``."""

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self._client = client

    def get(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        """The cached object, or None."""
        return self._store.get(kind, namespace=namespace, name=name)

    def list(self, kind: str, *, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Cached objects that carry all of these labels, sorted by namespace and name."""
        return self._store.list(kind, namespace=namespace, labels=labels)

    def referring(self, kind: str, value: str) -> Sequence[Object]:
        """Cached objects of a kind that refer to ``value``, sorted by namespace and name."""
        return self._store.referring(kind, value)

    async def live(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        """A read from the API server; None where the object is not there."""
        try:
            return await self._client.get(resource_of(kind), namespace=namespace, name=name)
        except NotFound:
            return None

    async def events(self, about: Object) -> Sequence[Object]:
        """Events about exactly this object, a bounded number, in no order. Raises ``ApiError``."""
        metadata = about["metadata"]
        # Events of cluster-scoped objects live in `default`.
        namespace = metadata.get("namespace") or "default"
        fields = {"involvedObject.uid": metadata["uid"]}
        return await self._client.first(resource_of("Event"), namespace=namespace, fields=fields, limit=MOST_EVENTS)

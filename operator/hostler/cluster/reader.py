"""Reads for controllers: from the store, or live."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hostler.cluster.client import Client
from hostler.cluster.errors import NotFound
from hostler.cluster.resources import resource_of
from hostler.cluster.store import Store

Object = dict[str, Any]

MOST_EVENTS = 100
"""client-go writes at most 25 of one object and one controller in a row, and puts similar ones together after ten."""

KEYS_SECONDS = 10.0
"""How long a ConfigMap that was read is taken to have its keys. What is deleted later is found by the pod anyway."""
VOLUME_SECONDS = 600.0
"""How long a volume is taken to be where it was. It cannot move, but another one may be given its name."""
_REMEMBERED = 4096


class CachedReader:
    """The ``Reader`` of ``hostler.controllers.ports``."""

    def __init__(self, store: Store, client: Client, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._client = client
        self._monotonic = monotonic
        self._keys: OrderedDict[tuple[str, str], tuple[float, list[str]]] = OrderedDict()
        """When a ConfigMap was read, and its keys; oldest first, the newest ones only."""
        self._volumes: OrderedDict[str, tuple[float, Object]] = OrderedDict()
        """When a volume was read, and what it was; likewise."""

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

    async def config_map_keys(self, *, namespace: str, name: str, key: str) -> Sequence[str] | None:
        """Keys of a ConfigMap, sorted; None where there is none. One that had ``key`` is not read anew for ten seconds:
        the jobs of a sweep share their data."""
        at, known = self._keys.get((namespace, name), (0.0, []))
        if key in known and self._monotonic() < at + KEYS_SECONDS:
            return known
        self._keys.pop((namespace, name), None)
        found = await self.live("ConfigMap", namespace=namespace, name=name)
        if found is None:
            return None
        keys = sorted({**(found.get("data") or {}), **(found.get("binaryData") or {})})
        self._keys[namespace, name] = self._monotonic(), keys
        while len(self._keys) > _REMEMBERED:
            self._keys.popitem(last=False)
        return keys

    async def volume(self, name: str) -> Object | None:
        """A PersistentVolume, as it was ten minutes ago at the earliest; None where there is none."""
        at, known = self._volumes.get(name, (0.0, None))
        if known is not None and self._monotonic() < at + VOLUME_SECONDS:
            return known
        self._volumes.pop(name, None)
        found = await self.live("PersistentVolume", name=name)
        if found is not None:
            self._volumes[name] = self._monotonic(), found
            while len(self._volumes) > _REMEMBERED:
                self._volumes.popitem(last=False)
        return found

    async def events(self, about: Object) -> Sequence[Object]:
        """Events about exactly this object, a bounded number, in no order. Raises ``ApiError``."""
        metadata = about["metadata"]
        # Events of cluster-scoped objects live in `default`.
        namespace = metadata.get("namespace") or "default"
        fields = {"involvedObject.uid": metadata["uid"]}
        return await self._client.first(resource_of("Event"), namespace=namespace, fields=fields, limit=MOST_EVENTS)

"""The cache: the newest known state of every watched object, whoever brought the news.

News comes from three sides that do not wait for each other: kopf's watches, the sweeper's lists, the answers to our
own writes. What decides is the resourceVersion, which the API server counts up over all objects of a kind: older news
never replaces newer, and a tombstone keeps a deleted object from being brought back by a message that was late.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hostler.cluster.resources import WATCHED, Resource, UnknownKindError
from hostler.cluster.trim import trimmed

Object = dict[str, Any]
Name = tuple[str, str]
"""Namespace and name."""

Indexer = Callable[[Object], Iterable[str]]
"""From an object to the values under which it is to be found."""

INDEXED = "hostler.dev/"
"""Labels with this prefix are indexed; others are compared object by object."""
TOMBSTONE_SECONDS = 900.0
"""Longer than a watch event or a list can be late."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """One piece of news; ``new`` is None for a deletion, ``old`` for what was unknown."""

    kind: str
    old: Object | None
    new: Object | None


@dataclass(frozen=True)
class Repairs:
    """What a full list found that the watches had not told."""

    updated: int = 0
    deleted: int = 0


@dataclass
class _Shelf:
    """Objects of one kind."""

    objects: dict[Name, Object] = field(default_factory=dict)
    tombstones: dict[Name, tuple[int, float]] = field(default_factory=dict)
    """Version up to which a name is known to be gone, and when we learned it."""
    indexer: Indexer | None = None
    index: dict[tuple[str, str], set[Name]] = field(default_factory=lambda: defaultdict(set))
    """Names by label, and by what the indexer says (under an empty key)."""

    def put(self, name: Name, obj: Object) -> None:
        self.pop(name)
        self.objects[name] = obj
        for value in self._values(obj):
            self.index[value].add(name)

    def pop(self, name: Name) -> Object | None:
        old = self.objects.pop(name, None)
        for value in self._values(old) if old else ():
            names = self.index.get(value)
            if names is None:
                continue
            names.discard(name)
            if not names:
                del self.index[value]
        return old

    def _values(self, obj: Object) -> Iterator[tuple[str, str]]:
        yield from _indexed(obj)
        if self.indexer is not None:
            for value in self.indexer(obj):
                yield "", value


class Store:
    """Reads are synchronous and return shared objects: whoever reads one must not change it."""

    def __init__(
        self,
        resources: Iterable[Resource] = WATCHED,
        *,
        indexers: Mapping[str, Indexer] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``indexers`` by kind; see :meth:`referring`."""
        known = indexers or {}
        self._shelves = {resource.kind: _Shelf(indexer=known.get(resource.kind)) for resource in resources}
        self._monotonic = monotonic
        self._listeners: list[Callable[[Change], None]] = []

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that are kept."""
        return tuple(self._shelves)

    def watches(self, kind: str) -> bool:
        """Whether objects of this kind are kept."""
        return kind in self._shelves

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        """Call this with every change, in order."""
        self._listeners.append(listener)

    def get(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        """The cached object. Raises :class:`UnknownKindError` for a kind that is not watched."""
        return self._shelf(kind).objects.get((namespace, name))

    def list(self, kind: str, *, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Cached objects that carry all of these labels, sorted by namespace and name."""
        shelf = self._shelf(kind)
        wanted = dict(labels or {})
        names: Iterable[Name] = shelf.objects
        if indexed := [label for label in wanted.items() if label[0].startswith(INDEXED)]:
            candidates: list[set[Name]] = [shelf.index.get(label, set()) for label in indexed]
            smallest = min(candidates, key=len)
            names = smallest
        return [
            shelf.objects[name]
            for name in sorted(names)
            if (namespace is None or name[0] == namespace) and _carries(shelf.objects[name], wanted)
        ]

    def referring(self, kind: str, value: str) -> Sequence[Object]:
        """Cached objects for which the kind's indexer gives this value, sorted by namespace and name."""
        shelf = self._shelf(kind)
        return [shelf.objects[name] for name in sorted(shelf.index.get(("", value), ()))]

    def count(self, kind: str) -> int:
        """Number of cached objects."""
        return len(self._shelf(kind).objects)

    def put(self, kind: str, obj: Object) -> bool:
        """Take in an object as somebody saw it; False where this was no news."""
        shelf = self._shelf(kind)
        name = name_of(obj)
        version = version_of(obj)
        old = shelf.objects.get(name)
        if old is not None and version <= version_of(old):
            return False
        if name in shelf.tombstones and version <= shelf.tombstones[name][0]:
            return False
        new = trimmed(kind, obj)
        shelf.put(name, new)
        if old is None or not _same(old, new):
            self._tell(Change(kind, old, new))
        return True

    def remove(self, kind: str, obj: Object) -> bool:
        """Take in the end of an object; its resourceVersion is that of the deletion, where the source knows it."""
        name, version = name_of(obj), version_of(obj)
        old = self._shelf(kind).objects.get(name)
        if old is not None and version < version_of(old):
            # Late news of an earlier object of this name.
            return False
        return self._bury(kind, name, version)

    def take_list(self, kind: str, listed: Collection[Name], *, version: int, namespace: str | None = None) -> int:
        """End what a full list (of one namespace, where given) that was true at this version does not have.

        Its objects were :meth:`put` before, page by page, so that nobody needs to hold all of them. Returns how many
        were ended.
        """
        shelf = self._shelf(kind)
        gone = [
            name
            for name, obj in shelf.objects.items()
            if name not in listed
            and (namespace is None or name[0] == namespace)
            # Newer than the list: born after it was made.
            and version_of(obj) <= version
        ]
        for name in gone:
            self._bury(kind, name, version)
        self._forget_tombstones(shelf)
        return len(gone)

    def _bury(self, kind: str, name: Name, version: int) -> bool:
        shelf = self._shelf(kind)
        known = shelf.tombstones.get(name, (0, 0.0))[0]
        shelf.tombstones[name] = (max(version, known), self._monotonic())
        old = shelf.pop(name)
        if old is not None:
            self._tell(Change(kind, old, None))
        return old is not None

    def _forget_tombstones(self, shelf: _Shelf) -> None:
        limit = self._monotonic() - TOMBSTONE_SECONDS
        for name in [name for name, (_, since) in shelf.tombstones.items() if since < limit]:
            del shelf.tombstones[name]

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:
                # One listener's mistake must not stop the feed; the periodic resync repeats what it missed.
                _log.exception("a listener failed on a change", extra={"kind": change.kind})

    def _shelf(self, kind: str) -> _Shelf:
        try:
            return self._shelves[kind]
        except KeyError:
            raise UnknownKindError(kind, self._shelves) from None


def version_of(obj: Object) -> int:
    """The resourceVersion as the number it is."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def name_of(obj: Object) -> Name:
    """What an object is known by among those of its kind."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _indexed(obj: Object) -> Iterator[tuple[str, str]]:
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return (label for label in labels.items() if label[0].startswith(INDEXED))


def _carries(obj: Object, wanted: Mapping[str, str]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _same(old: Object, new: Object) -> bool:
    """Equal but for the version."""
    return {**old, "metadata": None} == {**new, "metadata": None} and _unversioned(old) == _unversioned(new)


def _unversioned(obj: Object) -> Object:
    return {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}

"""The Reader and the Writer of controllers on a cluster in memory.

They keep what controllers rely on: what is not watched is not in a cache, a Job's template and an immutable ConfigMap
cannot be changed, and a write that would change nothing is skipped. The real API server is asked in tests/apiserver.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from endpoints import slices_of
from fakes import UNWATCHED, Crash, FakeCluster, key_of

from hostler.cluster.errors import ApiError, Conflict, Invalid, Taken
from hostler.cluster.matching import satisfied, stamped
from hostler.controllers.ports import Applied
from hostler.controllers.references import INDEXERS
from hostler.planning.seats import GATE, on_node

Object = dict[str, Any]


class FakeReader:
    """The caches: everything but what is hidden; a ConfigMap is never in a cache."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.asked = 0
        """Live reads so far."""

    def get(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        self._refuse_unwatched(kind)
        key = (kind, namespace, name)
        return None if key in self._cluster.hidden else self._cluster.objects.get(key)

    def list(self, kind: str, *, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        self._refuse_unwatched(kind)
        return list(self._listed(kind, namespace, labels or {}))

    def referring(self, kind: str, value: str) -> list[Object]:
        return [obj for obj in self._listed(kind, None, {}) if value in INDEXERS[kind](obj)]

    async def live(self, kind: str, *, namespace: str = "", name: str) -> Object | None:
        self.asked += 1
        return copy.deepcopy(self._cluster.objects.get((kind, namespace, name)))

    async def config_map_keys(self, *, namespace: str, name: str, key: str) -> list[str] | None:
        found = await self.live("ConfigMap", namespace=namespace, name=name)
        return None if found is None else sorted({**(found.get("data") or {}), **(found.get("binaryData") or {})})

    async def volume(self, name: str) -> Object | None:
        return await self.live("PersistentVolume", name=name)

    async def events(self, about: Object) -> list[Object]:
        self.asked += 1
        return [e for e in self._cluster.all("Event") if e["involvedObject"]["uid"] == about["metadata"]["uid"]]

    def _listed(self, kind: str, namespace: str | None, labels: Mapping[str, str]) -> Iterator[Object]:
        objects = self._cluster.objects
        if kind == "EndpointSlice":
            objects = {key_of(each): each for each in slices_of(objects.values())}
        for key, obj in sorted(objects.items()):
            carried = obj["metadata"].get("labels") or {}
            fits = key[0] == kind and namespace in (None, key[1]) and key not in self._cluster.hidden
            if fits and all(carried.get(name) == value for name, value in labels.items()):
                yield obj

    def _refuse_unwatched(self, kind: str) -> None:
        assert kind not in UNWATCHED, f"{kind} is not in the caches: read it live"


class FakeWriter:
    """The one write path. ``crash_after`` ends the process after that many writes."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.writes: list[str] = []
        self.events: list[tuple[str, str, bool]] = []
        self.crash_after: int | None = None
        self.refuse: dict[str, ApiError] = {}
        """Errors by kind of child."""
        self.refuse_status: ApiError | None = None

    async def apply(self, wanted: Object) -> Applied | None:
        body = stamped(copy.deepcopy(wanted))
        if wanted["kind"] in self.refuse:
            raise self.refuse[wanted["kind"]]
        found = self._cluster.objects.get(key_of(body))
        if found is not None:
            _refuse_strangers(found, body)
            if satisfied(found, body):
                return None
            if body["kind"] == "Job" and body["spec"]["template"] != found["spec"]["template"]:
                raise Invalid("spec.template: field is immutable", code=422)
            _refuse_changed_immutable(found, body)
            kept = {"labels", "annotations", "ownerReferences"}
            merged = copy.deepcopy(found)
            merged["metadata"] |= {name: value for name, value in body["metadata"].items() if name in kept}
            merged |= {name: value for name, value in body.items() if name not in ("metadata", "status")}
            body = merged
        self._cluster.put(body)
        self._wrote("apply", body)
        return "created" if found is None else "changed"

    async def patch_status(self, kind: str, *, namespace: str = "", name: str, uid: str, status: Object) -> bool:
        obj = self._cluster.objects.get((kind, namespace, name))
        if self.refuse_status is not None:
            raise self.refuse_status
        if obj is None or obj["metadata"]["uid"] != uid or (obj.get("status") or {}) == status:
            return False
        replaced = copy.deepcopy(obj)
        replaced["status"] = copy.deepcopy(status)
        self._cluster.put(replaced)
        self._wrote("status", obj)
        return True

    async def bind(self, pod: Object, *, node: str) -> None:
        found = copy.deepcopy(self._cluster.objects.get(key_of(pod)))
        gates = (found or {}).get("spec", {}).get("schedulingGates") or []
        if found is None or GATE not in {gate["name"] for gate in gates}:
            return
        found["spec"].pop("schedulingGates")
        found["spec"]["affinity"] = {"nodeAffinity": on_node(node)}
        self._cluster.put(found)
        self._wrote("bind", pod)

    async def delete(self, child: Object) -> bool:
        found = self._cluster.objects.get(key_of(child))
        if found is None:
            return False
        for field in ("uid", "resourceVersion"):
            if found["metadata"][field] != child["metadata"][field]:
                raise Conflict(f"{field} has changed", code=409)
        self._cluster.remove(child)
        self._wrote("delete", child)
        return True

    async def event(self, about: Object, *, reason: str, message: str, warning: bool = False) -> None:
        self.events.append((reason, message, warning))

    def _wrote(self, verb: str, obj: Object) -> None:
        self.writes.append(f"{verb} {obj['kind']} {obj['metadata']['name']}")
        if self.crash_after is not None and len(self.writes) >= self.crash_after:
            raise Crash


def _refuse_strangers(found: Object, body: Object) -> None:
    ours = (found["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") == "hostler"
    if not ours:
        raise Taken(f"{found['kind']} {found['metadata']['name']} exists and was not made by Hostler", code=409)


def _refuse_changed_immutable(found: Object, body: Object) -> None:
    if found.get("immutable") and found.get("data") != body.get("data"):
        raise Invalid("data: field is immutable", code=422)

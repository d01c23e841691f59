"""A writer beside a small API server that counts writes, for tests of the write path."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from unit.cluster.objects import Object

from hostler.cluster.errors import Conflict, Invalid, NotFound, NotLeading
from hostler.cluster.store import Store
from hostler.cluster.writer import ApiWriter

LABELS = {"app.kubernetes.io/managed-by": "hostler", "hostler.dev/training-job": "j"}
OWNER = {"apiVersion": "hostler.dev/v1alpha1", "kind": "TrainingJob", "name": "j", "uid": "u1", "controller": True}
SERVICE = {"spec": {"selector": {"app": "s"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}


class FakeServer:
    """As much of an API server as the writer meets; counts the writes."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.calls: list[str] = []
        self.version = 100
        self.failure: Exception | None = None
        self.admit: Callable[[Object], None] = lambda _: None
        """An admission rule that changes what is written."""

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if call != "get"]

    def _enter(self, call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    def save(self, obj: Object) -> Object:
        self.version += 1
        key = (obj["kind"], obj["metadata"]["name"])
        before = self.objects.get(key, {}).get("metadata", {})
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        metadata.setdefault("uid", before.get("uid", f"uid-{self.version}"))
        self.objects[key] = {**obj, "metadata": metadata}
        return copy.deepcopy(self.objects[key])

    async def get(self, resource: Any, *, namespace: str = "", name: str) -> Object:
        self._enter("get")
        try:
            return copy.deepcopy(self.objects[resource.kind, name])
        except KeyError:
            raise NotFound("not found", code=404) from None

    async def create(self, body: Object, *, timeout: float) -> Object:
        self._enter("create")
        if (body["kind"], body["metadata"]["name"]) in self.objects:
            raise Conflict("already exists", code=409, reason="AlreadyExists")
        admitted = copy.deepcopy(body)
        self.admit(admitted)
        return self.save(admitted)

    async def apply(self, body: Object, *, timeout: float) -> Object:
        self._enter("apply")
        admitted = copy.deepcopy(body)
        self.admit(admitted)
        return self.save(admitted)

    async def replace_parts(
        self, resource: Any, *, name: str, resource_version: str, parts: dict[str, Any], **_: Any
    ) -> Object:
        self._enter("replace parts")
        found = self.objects[resource.kind, name]
        if found["metadata"]["resourceVersion"] != resource_version:
            raise Conflict("the object has been modified", code=409)
        changed = copy.deepcopy({**found, **parts})
        self.admit(changed)
        return self.save(changed)

    async def replace_status(self, resource: Any, *, name: str, uid: str, status: Object, **_: Any) -> Object:
        self._enter("status")
        found = self.objects.get((resource.kind, name))
        if found is None:
            raise NotFound("not found", code=404)
        if found["metadata"]["uid"] != uid:
            raise Invalid("the test of /metadata/uid failed", code=422)
        return self.save({**found, "status": self.kept(status)})

    def kept(self, status: Object) -> Object:
        return {key: value for key, value in status.items() if key != "unknownToTheServer"}

    async def delete(self, resource: Any, *, name: str, uid: str, resource_version: str, **_: Any) -> None:
        self._enter("delete")
        found = self.objects.get((resource.kind, name))
        if found is None:
            raise NotFound("not found", code=404)
        if (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) != (uid, resource_version):
            raise Conflict("the preconditions failed", code=409)
        del self.objects[resource.kind, name]


class Fence:
    leading = True

    def seconds_left(self) -> float:
        if not self.leading:
            raise NotLeading("not the leader")
        return 9.0


class Recorder:
    def __init__(self) -> None:
        self.recorded: list[str] = []

    def record(self, about: Object, *, reason: str, message: str, warning: bool = False) -> None:
        self.recorded.append(reason)


class World:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.store = Store()
        self.fence = Fence()
        self.recorder = Recorder()
        self.now = 0.0
        self.writer = ApiWriter(
            self.server,  # type: ignore[arg-type]
            store=self.store,
            fence=self.fence,
            events=self.recorder,  # type: ignore[arg-type]
            monotonic=lambda: self.now,
        )

    def restart(self) -> None:
        """A new process: the store is filled from the server, nothing else is remembered."""
        before = self.server
        self.__init__()  # type: ignore[misc]
        self.server.__dict__.update(before.__dict__)
        self.server.calls = []
        for (kind, _), obj in self.server.objects.items():
            if self.store.watches(kind):
                self.store.put(kind, copy.deepcopy(obj))


def child(kind: str = "Job", name: str = "j-0", *, owner: Object | None = None, **fields: Any) -> Object:
    content = fields or {"spec": {"parallelism": 2}}
    metadata = {"name": name, "namespace": "n", "labels": LABELS, "ownerReferences": [owner or OWNER]}
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, **content}

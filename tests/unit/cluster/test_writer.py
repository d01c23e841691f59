"""The one write path: no needless write, no stranger's object, no write without the Lease."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from unit.cluster.objects import Object

from hostler.cluster.errors import ApiError, Conflict, Invalid, NotFound, NotLeading, Taken, Unavailable
from hostler.cluster.store import Store
from hostler.cluster.writer import ATTEMPT, TRUST_SECONDS, ApiWriter

LABELS = {"app.kubernetes.io/managed-by": "hostler", "hostler.dev/training-job": "j"}
OWNER = {"apiVersion": "hostler.dev/v1alpha1", "kind": "TrainingJob", "name": "j", "uid": "u1", "controller": True}


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


@pytest.fixture
def world() -> World:
    return World()


def child(kind: str = "Job", name: str = "j-0", *, owner: Object | None = None, **fields: Any) -> Object:
    content = fields or {"spec": {"parallelism": 2}}
    metadata = {"name": name, "namespace": "n", "labels": LABELS, "ownerReferences": [owner or OWNER]}
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, **content}


@pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
async def test_the_second_apply_of_the_same_is_no_request_at_all(world: World, kind: str) -> None:
    await world.writer.apply(child(kind))
    assert world.server.calls == ["get", "apply"], "before the first write to a name, somebody looks who has it"
    await world.writer.apply(child(kind))
    assert world.server.calls == ["get", "apply"]


@pytest.mark.parametrize(("kind", "reads"), [("Job", []), ("ConfigMap", ["get"])])
async def test_a_restart_writes_nothing(world: World, kind: str, reads: list[str]) -> None:
    await world.writer.apply(child(kind))
    world.restart()
    await world.writer.apply(child(kind))
    assert world.server.calls == reads


def of_attempt(kind: str, **fields: Any) -> Object:
    """A child that is never changed after its birth."""
    made = child(kind, **fields)
    made["metadata"]["labels"] = {**LABELS, ATTEMPT: "0"}
    return made


@pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
async def test_a_child_of_an_attempt_is_made_with_one_request(world: World, kind: str) -> None:
    assert await world.writer.apply(of_attempt(kind)) == "created"
    assert await world.writer.apply(of_attempt(kind)) is None
    assert world.server.calls == ["create"]


@pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
async def test_a_child_of_an_attempt_that_was_made_before_a_crash_is_found(world: World, kind: str) -> None:
    await world.writer.apply(of_attempt(kind))
    world.restart()
    assert await world.writer.apply(of_attempt(kind)) is None
    assert "apply" not in world.server.calls


@pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
async def test_the_name_of_an_attempts_child_that_a_stranger_has_is_left_to_him(world: World, kind: str) -> None:
    stranger = of_attempt(kind)
    stranger["metadata"] = {"name": "j-0", "namespace": "n"}
    world.server.save(stranger)
    with pytest.raises(Taken):
        await world.writer.apply(of_attempt(kind))
    assert world.server.calls == ["create", "get"]


async def test_an_attempts_child_that_an_admission_rule_changes_is_made_once(world: World) -> None:
    world.server.admit = lambda job: job["spec"].update(parallelism=1)
    for _ in range(3):
        await world.writer.apply(of_attempt("Job"))
    assert world.server.calls == ["create", "apply"], "asked once more, then left as it is"


async def test_a_change_is_written(world: World) -> None:
    await world.writer.apply(child())
    await world.writer.apply(child(spec={"parallelism": 3}))
    assert world.server.writes == ["apply", "apply"]


async def test_an_edit_by_others_is_undone(world: World) -> None:
    await world.writer.apply(child())
    edited = copy.deepcopy(world.server.objects["Job", "j-0"])
    edited["spec"]["parallelism"] = 9
    world.store.put("Job", world.server.save(edited))
    await world.writer.apply(child())
    assert world.server.objects["Job", "j-0"]["spec"] == {"parallelism": 2}


SERVICE = {"spec": {"selector": {"app": "s"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}


def seen_edited(world: World, kind: str, edit: Callable[[Object], None]) -> None:
    """Somebody edits a child, and the watch tells."""
    edited = copy.deepcopy(world.server.objects[kind, "j-0"])
    edit(edited)
    world.store.put(kind, world.server.save(edited))


def adds_a_key(service: Object) -> None:
    service["spec"]["selector"]["more"] = "x"


def adds_a_key_and_changes_a_value(service: Object) -> None:
    adds_a_key(service)
    service["spec"]["ports"][0]["targetPort"] = 9999


def takes_our_label_and_adds_a_key(service: Object) -> None:
    adds_a_key(service)
    service["metadata"]["labels"] = {**LABELS, "hostler.dev/training-job": "j"}
    del service["metadata"]["annotations"]


EDITS = {
    adds_a_key: ["replace parts"],
    adds_a_key_and_changes_a_value: ["replace parts"],
    takes_our_label_and_adds_a_key: ["replace parts", "apply"],
}


@pytest.mark.parametrize("edit", EDITS)
async def test_an_addition_by_others_is_removed_together_with_all_else_that_they_did(
    world: World, edit: Callable[[Object], None]
) -> None:
    await world.writer.apply(child("Service", **SERVICE))
    before = len(world.server.writes)
    seen_edited(world, "Service", edit)
    await world.writer.apply(child("Service", **SERVICE))
    assert world.server.writes[before:] == EDITS[edit]
    assert world.server.objects["Service", "j-0"]["spec"] == SERVICE["spec"]
    await world.writer.apply(child("Service", **SERVICE))
    assert world.server.writes[before:] == EDITS[edit], "and then it is at rest"


async def test_an_addition_is_removed_from_exactly_what_was_seen(world: World) -> None:
    await world.writer.apply(child("Service", **SERVICE))
    seen_edited(world, "Service", adds_a_key)
    world.server.save(world.server.objects["Service", "j-0"])
    with pytest.raises(Conflict):
        await world.writer.apply(child("Service", **SERVICE))


def adds_a_sidecar(obj: Object) -> None:
    obj["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "p"})


def changes_the_image(obj: Object) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/i:1"


@pytest.mark.parametrize("rule", [adds_a_sidecar, changes_the_image])
async def test_what_an_admission_rule_insists_on_is_left_so_and_anything_else_is_put_back(
    world: World, rule: Callable[[Object], None], caplog: pytest.LogCaptureFixture
) -> None:
    template = {"metadata": {}, "spec": {"containers": [{"name": "main", "image": "i:1"}]}}
    body = child("Deployment", spec={"replicas": 2, "template": template})
    world.server.admit = rule
    await world.writer.apply(copy.deepcopy(body))
    await world.writer.apply(copy.deepcopy(body))
    written = len(world.server.writes)
    for _ in range(50):
        await world.writer.apply(copy.deepcopy(body))
    assert len(world.server.writes) == written, "whoever insists longer does not win"
    assert "an admission rule perhaps" in caplog.text
    seen_edited(world, "Deployment", lambda found: found["spec"].update(replicas=7))
    await world.writer.apply(copy.deepcopy(body))
    assert world.server.objects["Deployment", "j-0"]["spec"]["replicas"] == 2
    world.server.admit = lambda _: None
    body["spec"]["replicas"] = 3
    await world.writer.apply(copy.deepcopy(body))
    assert world.server.objects["Deployment", "j-0"]["spec"] == body["spec"], "the rule is gone"


async def test_an_unwatched_child_is_looked_at_again_after_a_while(world: World) -> None:
    await world.writer.apply(child("ConfigMap"))
    del world.server.objects["ConfigMap", "j-0"]
    world.now = TRUST_SECONDS + 1
    await world.writer.apply(child("ConfigMap"))
    assert world.server.writes == ["apply", "apply"]


FOREIGN = "exists and was not made by Hostler"
STRANGERS = {
    "an object of a user": ({"labels": {"app": "mine"}}, Taken, FOREIGN),
    "an object without labels": ({"labels": {}}, Taken, FOREIGN),
    "a child of another of our objects": (
        {
            "labels": {**LABELS, "hostler.dev/training-job": "other"},
            "ownerReferences": [{**OWNER, "uid": "u9", "name": "other"}],
        },
        Taken,
        "another object of Hostler",
    ),
    "a child of an earlier owner of the same name": (
        {"labels": LABELS, "ownerReferences": [{**OWNER, "uid": "earlier"}]},
        Conflict,
        "left over from an earlier TrainingJob j",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS)
async def test_who_is_not_ours_is_left_alone(world: World, case: str) -> None:
    metadata, error, message = STRANGERS[case]
    world.server.save({"kind": "Job", "metadata": {"name": "j-0", "namespace": "n", **metadata}, "spec": {}})
    with pytest.raises(error, match=message) as raised:
        await world.writer.apply(child())
    assert type(raised.value) is error
    assert world.server.writes == []


OURS = {
    "our child whose label was taken away": {"labels": {}, "ownerReferences": [OWNER]},
    "our child that passes on to another owner": {
        "labels": LABELS,
        "ownerReferences": [{"kind": "Model", "name": "m", "uid": "u2", "controller": True}],
    },
    "our child that has no owner": {"labels": LABELS},
}


@pytest.mark.parametrize("case", OURS)
async def test_who_is_ours_is_written(world: World, case: str) -> None:
    world.server.save({"kind": "Job", "metadata": {"name": "j-0", "namespace": "n", **OURS[case]}, "spec": {}})
    await world.writer.apply(child())
    assert world.server.writes == ["apply"]


def job_in(world: World, *, uid: str = "u1", status: Object | None = None) -> Object:
    obj = {"kind": "TrainingJob", "metadata": {"name": "j", "namespace": "n", "uid": uid}, "status": status or {}}
    saved = world.server.save(obj)
    world.store.put("TrainingJob", saved)
    return saved


async def patch(world: World, status: Object, *, uid: str = "u1") -> None:
    await world.writer.patch_status("TrainingJob", namespace="n", name="j", uid=uid, status=status)


async def test_an_equal_status_is_not_written(world: World) -> None:
    job_in(world, status={"step": 1})
    await patch(world, {"step": 1})
    assert world.server.calls == []


async def test_a_status_is_written_once_and_replaces_what_was_there(world: World) -> None:
    job_in(world, status={"step": 1, "old": True})
    await patch(world, {"step": 2})
    await patch(world, {"step": 2})
    assert world.server.calls == ["status"]
    assert world.server.objects["TrainingJob", "j"]["status"] == {"step": 2}


async def test_a_field_that_the_server_drops_is_not_written_for_ever(world: World) -> None:
    job_in(world)
    for _ in range(3):
        await patch(world, {"step": 2, "unknownToTheServer": 1})
    assert world.server.calls == ["status"]
    await patch(world, {"step": 3, "unknownToTheServer": 1})
    assert world.server.calls == ["status", "status"]


async def test_the_status_of_a_vanished_object_is_no_error(world: World) -> None:
    await patch(world, {"step": 1})
    job_in(world)
    await patch(world, {"step": 1}, uid="an earlier one")
    del world.server.objects["TrainingJob", "j"]
    await patch(world, {"step": 1})
    assert world.server.writes == ["status"]


async def test_the_status_of_an_object_that_was_made_anew_is_left_alone(world: World) -> None:
    job_in(world)
    world.server.save({"kind": "TrainingJob", "metadata": {"name": "j", "namespace": "n", "uid": "u2"}, "status": {}})
    await patch(world, {"step": 1})
    assert world.server.objects["TrainingJob", "j"]["status"] == {}


async def test_a_status_that_the_server_finds_invalid_is_an_error(world: World) -> None:
    job_in(world)
    world.server.failure = Invalid("status.step: must be at most 5", code=422)
    with pytest.raises(Invalid, match="at most 5"):
        await patch(world, {"step": 7})


async def test_a_deletion_ends_exactly_what_was_decided_upon(world: World) -> None:
    await world.writer.apply(child())
    decided = world.store.get("Job", namespace="n", name="j-0")
    assert decided is not None
    world.server.save(world.server.objects["Job", "j-0"])
    with pytest.raises(Conflict):
        await world.writer.delete(decided)
    assert ("Job", "j-0") in world.server.objects


async def test_what_is_gone_already_is_gone_from_the_store_too(world: World) -> None:
    await world.writer.apply(child())
    decided = world.store.get("Job", namespace="n", name="j-0")
    assert decided is not None
    del world.server.objects["Job", "j-0"]
    await world.writer.delete(decided)
    assert world.store.get("Job", namespace="n", name="j-0") is None


async def test_what_was_written_is_read_at_once(world: World) -> None:
    await world.writer.apply(child())
    found = world.store.get("Job", namespace="n", name="j-0")
    assert found is not None
    assert found["spec"] == {"parallelism": 2}


async def test_without_the_lease_nothing_is_written(world: World) -> None:
    existing = job_in(world)
    world.fence.leading = False
    for write in (
        world.writer.apply(child()),
        patch(world, {"step": 1}),
        world.writer.delete(existing),
        world.writer.event(existing, reason="X", message="y"),
    ):
        with pytest.raises(NotLeading):
            await write
    assert world.server.writes == []
    assert world.recorder.recorded == []


async def test_a_write_whose_answer_was_lost_is_repeated_without_harm(world: World) -> None:
    world.server.failure = None
    await world.writer.apply(child())
    world.server.failure = Unavailable("no answer")
    with pytest.raises(ApiError):
        await world.writer.apply(child(spec={"parallelism": 3}))
    await world.writer.apply(child(spec={"parallelism": 3}))
    assert world.server.objects["Job", "j-0"]["spec"] == {"parallelism": 3}


async def test_nothing_is_remembered_of_names_that_were(world: World) -> None:
    """A day of short jobs: each has a file of its own, a status, and a child that an admission rule changes."""
    world.server.admit = lambda obj: obj.setdefault("spec", {}).update(added=True)
    for number in range(500):
        name = f"j-{number}"
        job = world.server.save(
            {"kind": "TrainingJob", "metadata": {"name": name, "namespace": "n", "uid": f"u-{number}"}, "status": {}}
        )
        world.store.put("TrainingJob", job)
        await world.writer.apply(child("ConfigMap", name, data={"a": "b"}))
        await world.writer.apply(child("Service", name, **SERVICE))
        await world.writer.patch_status("TrainingJob", namespace="n", name=name, uid=f"u-{number}", status={"step": 1})
        for kind in ("TrainingJob", "Service"):
            gone = world.server.objects.pop((kind, name))
            gone["metadata"]["resourceVersion"] = str(world.server.version + 1)
            world.store.remove(kind, gone)
        world.now += 1.0
    kept = (world.writer._checked, world.writer._left, world.writer._sent)
    assert [len(each) <= TRUST_SECONDS + 2 for each in kept] == [True] * 3, [len(each) for each in kept]


async def test_of_an_object_that_was_made_anew_the_earlier_one_is_forgotten(world: World) -> None:
    job_in(world)
    await patch(world, {"step": 1})
    job_in(world, uid="u2")
    assert world.writer._sent == {}

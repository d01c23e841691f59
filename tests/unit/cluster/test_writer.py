"""The one write path: no needless write, no stranger's object, no write without the Lease."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from unit.cluster.objects import Object
from unit.cluster.writing import LABELS, OWNER, SERVICE, World, child

from hostler.cluster.errors import Conflict, Taken
from hostler.cluster.writer import ATTEMPT, TRUST_SECONDS


@pytest.fixture
def world() -> World:
    return World()


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

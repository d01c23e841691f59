"""The one write path: statuses, deletions, and what is remembered."""

from __future__ import annotations

import pytest
from unit.cluster.objects import Object
from unit.cluster.writing import SERVICE, World, child

from hostler.cluster.errors import ApiError, Conflict, Invalid, NotLeading, Unavailable
from hostler.cluster.writer import TRUST_SECONDS


@pytest.fixture
def world() -> World:
    return World()


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

"""Events: counted up when they repeat, limited per object, never in anybody's way."""

from __future__ import annotations

import asyncio
from typing import Any

from unit.cluster.objects import Object, make
from virtualtime import now, virtual

from hostler.cluster.errors import Forbidden, NotFound
from hostler.cluster.events import BURST, PATIENCE, SAME_WITHIN, EventRecorder


class Api:
    def __init__(self) -> None:
        self.created: list[Object] = []
        self.merged: list[Object] = []
        self.failure: Exception | None = None

    async def create(self, body: Object) -> Object:
        self._fail()
        self.created.append(body)
        return body

    async def merge(self, resource: Any, *, namespace: str, name: str, patch: Object) -> Object:
        self._fail()
        self.merged.append({"namespace": namespace, "name": name, **patch})
        return patch

    def _fail(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure


class Desk:
    """A recorder that is being run; ``calm`` is set where nothing more urgent is to be written."""

    def __init__(self) -> None:
        self.calm = asyncio.Event()
        self.calm.set()
        self.api = Api()
        self.dropped = 0
        self.recorder = EventRecorder(
            self.api,
            instance="pod-1",
            now=lambda: f"t{now():.0f}",
            monotonic=now,
            dropped=self.drop,
            quiet=self._quiet,
        )
        self.task = asyncio.create_task(self.recorder.run())

    def drop(self) -> None:
        self.dropped += 1

    async def _quiet(self) -> None:
        await self.calm.wait()

    async def say(self, message: str = "hello", *, name: str = "a", times: int = 1, warning: bool = False) -> None:
        for _ in range(times):
            self.recorder.record(make(name=name), reason="Started", message=message, warning=warning)
        await self.recorder.flush()


@virtual
async def test_an_event_says_what_happened_to_whom() -> None:
    desk = Desk()
    await desk.say("it runs", warning=True)
    event = desk.api.created[0]
    assert event["involvedObject"]["uid"] == "uid-a"
    assert (event["reason"], event["message"], event["type"], event["count"]) == ("Started", "it runs", "Warning", 1)
    assert event["metadata"]["namespace"] == "default"
    desk.task.cancel()


@virtual
async def test_a_repeated_event_is_counted_up() -> None:
    desk = Desk()
    await desk.say(times=3)
    assert len(desk.api.created) == 1
    assert [patch["count"] for patch in desk.api.merged] == [2, 3]
    assert {patch["name"] for patch in desk.api.merged} == {desk.api.created[0]["metadata"]["name"]}
    desk.task.cancel()


@virtual
async def test_another_message_or_a_later_time_begins_a_new_event() -> None:
    desk = Desk()
    await desk.say("one")
    await desk.say("two")
    await asyncio.sleep(SAME_WITHIN + 1)
    await desk.say("one")
    assert [event["message"] for event in desk.api.created] == ["one", "two", "one"]
    desk.task.cancel()


@virtual
async def test_an_event_that_the_server_has_forgotten_begins_anew() -> None:
    desk = Desk()
    await desk.say()
    desk.api.failure = NotFound("gone", code=404)
    await desk.say()
    assert len(desk.api.created) == 2
    desk.task.cancel()


@virtual
async def test_one_object_cannot_drown_the_others() -> None:
    desk = Desk()
    for number in range(40):
        await desk.say(f"flap {number}")
    assert len(desk.api.created) == BURST
    assert desk.dropped == 40 - BURST
    await desk.say(name="b")
    assert len(desk.api.created) == BURST + 1
    desk.task.cancel()


@virtual
async def test_a_failure_to_record_stops_nothing() -> None:
    desk = Desk()
    desk.api.failure = Forbidden("no", code=403)
    await desk.say("lost")
    await desk.say("kept")
    assert [event["message"] for event in desk.api.created] == ["kept"]
    assert desk.dropped == 1
    desk.task.cancel()


@virtual
async def test_long_messages_are_cut() -> None:
    desk = Desk()
    await desk.say("x" * 5000)
    assert len(desk.api.created[0]["message"]) == 1024
    desk.task.cancel()


@virtual
async def test_events_of_cluster_scoped_objects_live_in_default() -> None:
    desk = Desk()
    desk.recorder.record(make("AcceleratorPool", namespace=""), reason="X", message="y")
    await desk.recorder.flush()
    assert desk.api.created[0]["metadata"]["namespace"] == "default"
    assert desk.api.created[0]["involvedObject"]["namespace"] == ""
    desk.task.cancel()


@virtual
async def test_an_event_lets_what_is_to_begin_go_first_and_tells_when_it_happened() -> None:
    desk = Desk()
    desk.calm.clear()
    began = f"t{now():.0f}"
    desk.recorder.record(make(), reason="Started", message="hello")
    await asyncio.sleep(1)
    assert desk.api.created == []
    desk.calm.set()
    await desk.recorder.flush()
    (event,) = desk.api.created
    assert event["firstTimestamp"] == event["lastTimestamp"] == began


@virtual
async def test_a_burst_that_does_not_end_holds_no_event_for_long() -> None:
    desk = Desk()
    desk.calm.clear()
    for number in range(20):
        desk.recorder.record(make(), reason="Started", message=f"{number}")
    await asyncio.sleep(PATIENCE + 0.1)
    assert len(desk.api.created) == 20, "the patience is that of all of them together"

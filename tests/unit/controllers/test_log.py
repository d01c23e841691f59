"""What the log says of an object's life: one line for each thing that happened, none for a look."""

from __future__ import annotations

import logging

import pytest
from bench import Bench
from world import completed, failed, failure, running, submitted

from hostler_contract import ErrorReason


@pytest.fixture(autouse=True)
def _listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hostler.controllers")


def told(caplog: pytest.LogCaptureFixture, key: str) -> list[str]:
    """The lines about one object since the last call, short."""
    found = []
    for record in caplog.records:
        fields = vars(record)
        if fields.get("key") == key:
            rest = f"to {fields['to']}" if "to" in fields else fields.get("child", "")
            found.append(f"{record.getMessage()} {rest}")
    caplog.clear()
    return found


JOB = "TrainingJob default/tiny"


async def test_a_jobs_life_is_a_short_story(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await submitted(bench, maxRestarts=1)
    await running(bench)
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    bench.cluster.clock.advance(30)
    await bench.settle()
    await running(bench, attempt=1)
    await completed(bench, attempt=1)
    story = told(caplog, JOB)
    for line in (
        "created PersistentVolumeClaim default/tiny",
        "created Job default/tiny-0",
        "created Job default/tiny-1",
        "created Model default/tiny",
        "changed PersistentVolumeClaim default/tiny",
        "decided to Succeeded",
    ):
        assert story.count(line) == 1, (line, story)
    assert story.count("decided to BackOff") == 1
    assert story.count("decided to Training") == 2
    assert len(story) <= 20, story


async def test_a_hundred_looks_at_what_does_not_change_say_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await running(bench)
    await submitted(bench, "nowhere", accelerators={"pool": "none"})
    await submitted(bench, "waits", pods={"min": 4, "max": 4})
    assert told(caplog, "TrainingJob default/nowhere") != []
    for _ in range(100):
        bench.cluster.clock.advance(60)
        await bench.settle()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO] == []


async def test_a_line_says_from_what_to_what_and_why(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await submitted(bench, accelerators={"pool": "none"})
    (line,) = [record for record in caplog.records if vars(record).get("key") == JOB]
    fields = vars(line)
    assert (line.getMessage(), fields["from"], fields["to"]) == ("decided", "", "PoolNotFound")
    assert "none" in fields["because"]


async def test_a_child_that_somebody_deleted_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await submitted(bench, pods={"min": 2, "max": 2})
    caplog.clear()
    bench.cluster.remove(bench.cluster.object("Service", "tiny-0"))
    bench.cluster.clock.advance(60)
    await bench.settle()
    await bench.settle()
    assert told(caplog, JOB) == ["created Service default/tiny-0"]

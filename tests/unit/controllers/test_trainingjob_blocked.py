"""Pods that do not start: said within a minute, and the accelerators are given back after a grace period."""

from __future__ import annotations

from typing import Any

from bench import SETTINGS, Bench
from refusing import LIMITED, refuse_pods, tell
from tables import table
from world import due, jobs, running, states, submitted

Object = dict[str, Any]

GRACE = SETTINGS.start_grace_seconds


async def passes(bench: Bench, seconds: float) -> None:
    """Time, with a look every half minute, as the queue has it."""
    for _ in range(int(seconds // 30)):
        bench.cluster.clock.advance(30)
        await bench.settle()


async def refused(bench: Bench) -> None:
    """The API server takes the Job, and none of its pods."""
    await submitted(bench)
    refuse_pods(bench.cluster, bench.cluster.object("Job", "tiny-0"))


async def test_refused_pods_are_said_in_the_servers_words_within_a_minute(bench: Bench) -> None:
    await refused(bench)
    await passes(bench, 60)
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "ChildRefused")
    assert LIMITED in message


async def unbound(bench: Bench) -> None:
    """The claim gets no volume."""
    await submitted(bench)
    claim = bench.cluster.object("PersistentVolumeClaim", "tiny")
    bench.cluster.set_status(claim, phase="Pending")
    tell(bench.cluster, claim, reason="ProvisioningFailed", message="storageclass fast not found")
    bench.cluster.make_pods("tiny-0")


def held(state: Object) -> Any:
    """A pod that was created and does not get on."""

    async def arrange(bench: Bench) -> None:
        await submitted(bench)
        (pod,) = bench.cluster.make_pods("tiny-0")
        bench.cluster.set_status(pod, **state)

    return arrange


@table(
    ("arrange", "want_words"),
    {
        "its pods are refused": (refused, LIMITED),
        "its claim cannot bind": (unbound, "storageclass fast not found"),
        "its image cannot be pulled": (
            held({"containerStatuses": [{"image": "i:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
            "cannot pull i:1",
        ),
        "its pod fits on no node, although it was admitted": (
            held({"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/2 nodes"}]}),
            "0/2 nodes",
        ),
    },
)
async def test_a_seat_is_given_back_after_the_grace_period_and_asked_for_again_later(
    bench: Bench, arrange: Any, want_words: str
) -> None:
    await arrange(bench)
    await passes(bench, GRACE)
    assert jobs(bench) == ["tiny-0"]
    assert want_words in bench.condition("TrainingJob", "tiny", "Ready")[2]
    await passes(bench, 60)
    assert jobs(bench) == [], "others may have the devices"
    status, reason, message = bench.condition("TrainingJob", "tiny", "Ready")
    assert (status, reason) == ("False", "StartTimeout")
    assert states(bench)["Admitted"] == ("False", "StartTimeout")
    assert "did not start within 5 min" in message
    assert want_words in message
    assert "placement" not in bench.status("TrainingJob", "tiny")
    await due(bench)
    assert jobs(bench) == ["tiny-1"]
    found = bench.status("TrainingJob", "tiny")
    assert (found["restarts"], found["disruptions"]) == (0, 0), "no work was lost"
    assert found.get("blockedSince") in (None, bench.cluster.clock.now()), "every attempt has its own grace"


async def test_the_grace_begins_anew_when_the_pods_get_on(bench: Bench) -> None:
    await refused(bench)
    await passes(bench, GRACE)
    await running(bench)
    assert states(bench)["Ready"] == ("True", "Training")
    assert "blockedSince" not in bench.status("TrainingJob", "tiny")
    await passes(bench, GRACE)
    assert jobs(bench) == ["tiny-0"]


async def test_a_restart_of_the_operator_does_not_begin_the_grace_anew(bench: Bench) -> None:
    await refused(bench)
    await passes(bench, GRACE - 60)
    bench.restart()
    await passes(bench, 150)
    assert "tiny-0" not in jobs(bench)


async def test_pods_that_only_take_their_time_keep_their_seat(bench: Bench) -> None:
    await submitted(bench)
    (pod,) = bench.cluster.make_pods("tiny-0", node="gpu-1")
    waiting = {"name": "trainer", "state": {"waiting": {"reason": "ContainerCreating"}}}
    bench.cluster.set_status(pod, containerStatuses=[waiting])
    await passes(bench, 4 * GRACE)
    assert jobs(bench) == ["tiny-0"], "a large image is being pulled"


async def test_each_time_in_a_row_is_waited_longer(bench: Bench) -> None:
    await submitted(bench)
    waits = []
    for attempt in range(3):
        refuse_pods(bench.cluster, bench.cluster.object("Job", f"tiny-{attempt}"))
        while bench.cluster.find("Job", f"tiny-{attempt}") is not None:
            await passes(bench, 30)
        before = bench.cluster.clock.seconds
        while bench.cluster.find("Job", f"tiny-{attempt + 1}") is None:
            await passes(bench, 30)
        waits.append(bench.cluster.clock.seconds - before)
    assert waits == [60, 120, 240]

"""Whatever happens around an admission, no device is promised twice, nothing is admitted twice, nothing is held for
ever, and it is said what is the matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bench import GPU, SETTINGS, Bench, make_bench
from builders import make_inference_service, make_model, make_pool, make_training_job
from crashing import final, settle_one_write_at_a_time, settle_through_crash
from tables import table
from world import completed, jobs, running, states, submitted, success

from hostler.cluster.store import Change
from hostler.planning.verdicts import Workload

Object = dict[str, Any]
Settle = Callable[[Bench], Awaitable[None]]

DEVICES = 4
WHOLE_NODES = {"accelerators": {"pool": "gpu", "perPod": DEVICES}, "pods": {"min": 2, "max": 2}}


def two_nodes() -> Bench:
    """Two nodes of four devices, and a model to serve."""
    bench = make_bench()
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-2", labels=labels, devices={GPU: DEVICES})
    bench.cluster.claim("tiny")
    bench.cluster.put(make_model("tiny"))
    return bench


def no_device_is_promised_twice(bench: Bench) -> None:
    """Look at the statuses after every single change."""

    def look(change: Change) -> None:
        if change.kind not in ("TrainingJob", "InferenceService"):
            return
        promised: Counter[str] = Counter()
        for kind in ("TrainingJob", "InferenceService"):
            for obj in bench.cluster.all(kind):
                status = obj.get("status") or {}
                over = any(c["type"] == "Succeeded" and c["status"] == "True" for c in status.get("conditions", ()))
                for seat in () if over else status.get("placement", {}).get("nodes", ()):
                    promised[seat["name"]] += seat["pods"] * status["placement"]["perPod"]
        assert all(count <= DEVICES for count in promised.values()), promised

    bench.cluster.objects.listeners.append(look)


async def admissions(bench: Bench, settle: Settle) -> None:
    """Two gangs that need both nodes, one after the other, then a service of two replicas beside a small job."""
    cluster = bench.cluster
    no_device_is_promised_twice(bench)
    cluster.put(make_training_job("first", **WHOLE_NODES))
    cluster.put(make_training_job("second", **WHOLE_NODES))
    for name in ("first", "second"):
        await settle(bench)
        cluster.make_pods(f"{name}-0")
        await settle(bench)
        placed = cluster.schedule()
        assert [pod["spec"]["nodeName"] for pod in placed] == ["gpu-1", "gpu-2"], "each pod has a node of its own"
        await settle(bench)
        for pod in cluster.pods_of(cluster.object("Job", f"{name}-0")):
            cluster.end(pod, result=success())
        cluster.finish(f"{name}-0", "Complete")
        await settle(bench)
    cluster.put(make_inference_service("tiny", accelerators={"pool": "gpu"}, pods={"min": 2, "max": 2}))
    cluster.put(make_training_job("third", accelerators={"pool": "gpu", "perPod": 3}))
    await settle(bench)
    cluster.roll("tiny")
    cluster.make_pods("third-0")
    await settle(bench)
    cluster.schedule()
    await settle(bench)


async def test_the_admissions_without_a_crash_go_well() -> None:
    bench = two_nodes()
    await admissions(bench, settle_through_crash)
    writes = Counter(write.split()[0] for write in bench.writer.writes)
    assert writes["bind"] == 2 + 2 + 2, "of gangs on several nodes and of replicas, each pod is told its node"
    assert jobs(bench) == ["first-0", "second-0", "third-0"]
    assert {name: states(bench, name)["Succeeded"][0] for name in ("first", "second")} == dict.fromkeys(
        ("first", "second"), "True"
    )
    assert states(bench, "third")["Ready"] == ("True", "Training")


async def test_a_process_that_ends_between_any_two_writes_of_an_admission_admits_nothing_twice() -> None:
    clean = two_nodes()
    await admissions(clean, settle_through_crash)
    want = final(clean)
    for number, write in enumerate(clean.writer.writes, start=1):
        bench = two_nodes()
        bench.writer.crash_after = number
        await admissions(bench, settle_through_crash)
        assert final(bench) == want, f"after write {number}: {write}"


async def test_a_process_for_each_single_write_admits_as_one_process_does() -> None:
    clean, bench = two_nodes(), two_nodes()
    await admissions(clean, settle_through_crash)
    await admissions(bench, settle_one_write_at_a_time)
    assert final(bench) == final(clean)


# -- seats that are given up -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", ["a-small-one", "z-small-one"], ids=["looked at first", "looked at last"])
async def test_the_seats_of_a_gang_that_lost_a_node_are_nobodys_until_it_has_written_that_it_has_none(
    waiting: str,
) -> None:
    bench = two_nodes()
    no_device_is_promised_twice(bench)
    cluster = bench.cluster
    cluster.put(make_training_job("gang", **WHOLE_NODES))
    await bench.settle()
    cluster.make_pods("gang-0")
    await bench.settle()
    cluster.schedule()
    await bench.settle()
    cluster.put(make_training_job(waiting, accelerators={"pool": "gpu", "perPod": DEVICES}))
    await bench.settle()
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    cluster.node("gpu-3", labels=labels, devices={GPU: DEVICES})
    cluster.stranger("stranger", node="gpu-3", requests={GPU: "1"})
    cluster.remove(cluster.object("Node", "gpu-2"))
    for pod in cluster.pods_of(cluster.object("Job", "gang-0")):
        target = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
        cluster.set_status(pod, phase="Failed", conditions=[target])
    cluster.finish("gang-0", "Failed")
    await bench.settle()
    assert states(bench, "gang")["Admitted"] == ("False", "WaitingForCapacity")
    assert [seat["name"] for seat in bench.status("TrainingJob", waiting)["placement"]["nodes"]] == ["gpu-1"]


@table(
    "make",
    {"a job": make_training_job, "a service": make_inference_service},
)
async def test_what_nobody_can_read_any_more_is_in_nobodys_way(make: Callable[..., Object]) -> None:
    """An object that an earlier release has taken, and today's schema would not: it leaves the line."""
    bench = two_nodes()
    cluster = bench.cluster
    stranger = cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    cluster.stranger("busy-too", node="gpu-2", requests={GPU: "4"})
    whole = {"accelerators": {"pool": "gpu", "perPod": DEVICES}}
    cluster.put(make("first", **whole))
    await bench.settle()
    cluster.clock.advance(1)
    cluster.put(make_training_job("second", **whole))
    await bench.settle()
    kind = make("first")["kind"]
    assert bench.admitter.line() == {"gpu": 2}
    cluster.edit(kind, "first", ofAnotherRelease=True)
    await bench.settle()
    assert bench.condition(kind, "first", "Accepted")[:2] == ("False", "InvalidSpec")
    cluster.remove(stranger)
    await bench.settle()
    assert jobs(bench) == ["second-0"]


# -- pools that change under what runs on them -------------------------------------------------------------------------


def deleted(bench: Bench) -> None:
    bench.cluster.remove(bench.cluster.object("AcceleratorPool", "gpu"))


def emptied(bench: Bench) -> None:
    bench.cluster.edit("AcceleratorPool", "gpu", nodeSelector={"nobody": "has-this"})


def cut(bench: Bench) -> None:
    bench.cluster.edit("AcceleratorPool", "gpu", quota={"accelerators": 1})


def restored(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu"))


CHANGES = {
    "it is deleted": (deleted, "Accepted", "PoolNotFound"),
    "it selects other nodes": (emptied, "Admitted", "PoolNotReady"),
    "its quota is below what runs": (cut, "Admitted", "QuotaExceeded"),
}


@table(("change", "condition", "reason"), CHANGES)
async def test_what_runs_stays_when_its_pool_changes_and_what_waits_is_told(
    bench: Bench, change: Callable[[Bench], None], condition: str, reason: str
) -> None:
    bench.cluster.put(make_pool("same", nodeSelector={"hostler.dev/pool": "gpu"}))
    await running(bench, accelerators={"pool": "gpu", "perPod": 3})
    change(bench)
    await submitted(bench, "waits", accelerators={"pool": "gpu", "perPod": 2})
    await submitted(bench, "beside", accelerators={"pool": "same", "perPod": 2})
    assert states(bench)["Ready"] == ("True", "Training"), "nobody stops it"
    assert states(bench, "waits")[condition] == ("False", reason)
    assert states(bench, "beside")["Admitted"] == ("False", "WaitingForCapacity"), "its devices are still its own"
    restored(bench)
    await bench.settle()
    assert states(bench, "waits")["Admitted"] == ("False", "WaitingForCapacity")
    await completed(bench)
    assert states(bench)["Succeeded"][0] == "True"
    assert states(bench, "waits")["Admitted"][0] == "True", "what it held is free"


@table(("change", "condition", "reason"), CHANGES)
async def test_a_pool_that_changes_before_the_pods_have_come_holds_nothing_for_ever(
    bench: Bench, change: Callable[[Bench], None], condition: str, reason: str
) -> None:
    bench.cluster.put(make_pool("same", nodeSelector={"hostler.dev/pool": "gpu"}))
    await submitted(bench, accelerators={"pool": "gpu", "perPod": 3})
    change(bench)
    await bench.settle()
    await submitted(bench, "beside", accelerators={"pool": "same", "perPod": 2})
    assert states(bench, "beside")["Admitted"] == ("False", "WaitingForCapacity")
    for _ in range(3):
        bench.cluster.clock.advance(SETTINGS.seat_grace_seconds)
        await bench.settle()
    assert states(bench)[condition][0] == "False"
    assert states(bench, "beside")["Admitted"][0] == "True", "pods that never came have given their seats back"


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-9000, 9000], ids=["back by a year", "forward by a year"])
async def test_a_clock_that_jumps_ends_no_seat_and_keeps_none(bench: Bench, hours: int) -> None:
    await submitted(bench, accelerators={"pool": "gpu", "perPod": 3})
    bench.cluster.clock.off = 3600.0 * hours
    await submitted(bench, "waits", accelerators={"pool": "gpu", "perPod": 2})
    assert bench.admitter.lost(Workload("TrainingJob", "default", "tiny")) is None, (
        "its pods have all the time that they had"
    )
    assert states(bench, "waits")["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.clock.advance(SETTINGS.seat_grace_seconds - 1)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
    bench.cluster.clock.advance(2)
    await bench.settle()
    assert states(bench, "waits")["Admitted"][0] == "True", "and no more than that"


@pytest.mark.parametrize("hours", [-9000, 9000], ids=["back by a year", "forward by a year"])
async def test_a_seat_ends_in_time_although_the_clock_has_jumped_before_a_restart(bench: Bench, hours: int) -> None:
    """Only the wall clock's word of the deadline is left: it may end a seat early, and never late, nor before pods that
    are on their way can have come."""
    await submitted(bench, accelerators={"pool": "gpu", "perPod": 3})
    bench.cluster.clock.off = 3600.0 * hours
    bench.restart()
    await submitted(bench, "waits", accelerators={"pool": "gpu", "perPod": 2})
    bench.cluster.clock.advance(50)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
    bench.cluster.clock.advance(SETTINGS.seat_grace_seconds + 1)
    await bench.settle()
    assert "apply Job waits-0" in bench.writer.writes

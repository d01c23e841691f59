"""Jobs in line: what they wait for, where they stand, and whose turn it is."""

from __future__ import annotations

from typing import Any

import pytest
from bench import GPU, Bench
from builders import make_pool, make_training_job
from fakes import Crash
from tables import table
from world import jobs, progress, running, states, submitted, told

from hostler.planning.seats import on_node

Spec = dict[str, Any]


async def test_busy_accelerators_are_waited_for_with_the_figures_and_a_hint(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "3", "cpu": "1"})
    await submitted(bench, pods={"min": 2, "max": 2})
    want = (
        "Pool gpu has 1 of 4 nvidia.com/gpu free, at most 1 on one node (gpu-1); the job needs 2 pods with 1 each. It "
        "starts when pods that hold them end or nodes are added. 1 pod of this size would fit now."
    )
    assert bench.condition("TrainingJob", "tiny", "Admitted") == ("False", "WaitingForCapacity", want)
    assert states(bench)["Accepted"] == ("True", "Valid")
    assert [write for write in bench.writer.writes if write.startswith("apply")] == []
    stranger = bench.cluster.find("Pod", "busy", namespace="other")
    assert stranger is not None
    bench.woken.clear()
    bench.cluster.set_status(stranger, phase="Succeeded")
    bench.admitter.run_pass()
    assert bench.woken == ["tiny"], "nobody polls for room: who gets it is woken"
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]


async def test_a_pod_that_vanishes_without_an_end_gives_back_what_it_held(bench: Bench) -> None:
    """Deleted by force, it has no last phase."""
    stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    await submitted(bench)
    assert states(bench)["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.remove(stranger)
    assert bench.admitter.due
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]


async def test_a_line_moves_by_age_and_says_where_one_stands(bench: Bench) -> None:
    stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    for name in ("first", "second", "third"):
        await submitted(bench, name, accelerators={"pool": "gpu", "perPod": 4})
        bench.cluster.clock.advance(1)
    assert bench.condition("TrainingJob", "third", "Admitted")[2].endswith("It is number 3 in line.")
    bench.cluster.remove(stranger)
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert jobs(bench) == ["first-0"]
    assert bench.condition("TrainingJob", "third", "Admitted")[2].endswith("It is number 2 in line.")


async def test_the_first_in_line_is_told_when_its_turn_is_expected(bench: Bench) -> None:
    (pod,) = await running(bench, "long", accelerators={"pool": "gpu", "perPod": 4})
    await submitted(bench, "next", accelerators={"pool": "gpu", "perPod": 4})
    assert "expected" not in bench.condition("TrainingJob", "next", "Admitted")[2], "nobody has said how long"
    told(bench, pod, progress(10, eta_seconds=5000.0))
    bench.cluster.clock.advance(60)
    await bench.settle()
    want = " It is expected to start at 2026-01-01 01:24 UTC, between 00:42 and 02:47 UTC."
    assert bench.condition("TrainingJob", "next", "Admitted")[2].endswith(want)


async def test_an_affinity_that_anybody_can_write_holds_nothing(bench: Bench) -> None:
    """A pod with a gate of its own that names a node would else take its devices from everybody, and seats too."""
    pod = bench.cluster.stranger("greedy", node="", requests={GPU: "400"})
    spec = {**pod["spec"], "affinity": {"nodeAffinity": on_node("gpu-1")}, "schedulingGates": [{"name": "own/gate"}]}
    bench.cluster.put({**pod, "spec": spec, "status": {"phase": "Pending"}})
    await submitted(bench)
    assert jobs(bench) == ["tiny-0"]


async def test_a_stranger_on_a_seat_whose_pod_is_still_to_come_is_noticed_at_once(bench: Bench) -> None:
    await submitted(bench)
    assert not bench.admitter.due
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    assert bench.admitter.due


async def test_a_pod_that_holds_nothing_is_no_news(bench: Bench) -> None:
    """The scheduler writes to each pod in its queue again and again, and a pass looks at the whole line."""
    await submitted(bench)
    pending = bench.cluster.stranger("queued", node="", requests={GPU: "4"})
    bench.cluster.set_status(pending, phase="Pending")
    assert not bench.admitter.due
    bench.cluster.remove(pending)
    assert not bench.admitter.due


async def test_two_hundred_waiting_jobs_are_not_written_for_one_step_of_the_line(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "3"})
    for number in range(200):
        bench.cluster.put(make_training_job(f"job-{number:03}", accelerators={"pool": "gpu", "perPod": 2}))
        bench.cluster.clock.advance(1)
    await bench.settle()
    bench.cluster.clock.advance(600)
    bench.woken.clear()
    bench.cluster.remove(bench.cluster.object("TrainingJob", "job-000"))
    bench.admitter.run_pass()
    assert 0 < len(bench.woken) <= 20
    before = len(bench.writer.writes)
    for name in bench.woken:
        await bench.reconcile("TrainingJob", name)
    assert len(bench.writer.writes) - before <= 20


async def a_line(bench: Bench, *, jobs: int) -> Any:
    """So many jobs behind a pod that holds everything. Each was told its place when it came; the oldest has left since,
    and nobody was told of that."""
    stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    for number in range(jobs + 1):
        await submitted(bench, f"job-{number}", accelerators={"pool": "gpu", "perPod": 4})
        bench.cluster.clock.advance(1)
    bench.cluster.remove(bench.cluster.object("TrainingJob", "job-0"))
    return stranger


class TestRestart:
    """A new process knows from the statuses what was told."""

    async def test_nobody_in_line_is_told_again_what_it_was_told(self, bench: Bench) -> None:
        await a_line(bench, jobs=5)
        bench.restart()
        before = len(bench.writer.writes)
        await bench.settle()
        assert bench.writer.writes[before:] == []
        assert bench.admitter.line() == {"gpu": 5}
        await bench.settle()
        assert bench.writer.writes[before:] == [], "nor at the next look at everything"

    async def test_who_comes_back_after_the_first_pass_is_not_told_again_either(self, bench: Bench) -> None:
        """Its look had to wait for the API server."""
        await a_line(bench, jobs=2)
        bench.restart()
        before = len(bench.writer.writes)
        await bench.reconcile("TrainingJob", "job-1")
        bench.admitter.run_pass()
        await bench.settle()
        assert bench.writer.writes[before:] == []

    async def test_a_place_that_has_moved_is_told_a_minute_later(self, bench: Bench) -> None:
        await a_line(bench, jobs=2)
        bench.restart()
        await bench.settle()
        assert bench.condition("TrainingJob", "job-2", "Admitted")[2].endswith("It is number 3 in line.")
        bench.cluster.clock.advance(60)
        await bench.settle()
        assert bench.condition("TrainingJob", "job-2", "Admitted")[2].endswith("It is number 2 in line.")

    async def test_whose_turn_it_is_starts(self, bench: Bench) -> None:
        stranger = await a_line(bench, jobs=2)
        bench.restart()
        await bench.settle()
        bench.cluster.remove(stranger)
        await bench.settle()
        assert jobs(bench) == ["job-1-0"]

    async def test_another_obstacle_is_told_at_once(self, bench: Bench) -> None:
        await a_line(bench, jobs=2)
        bench.cluster.put(make_pool("gpu", quota={"accelerators": 2}))
        bench.restart()
        await bench.settle()
        assert states(bench, "job-2")["Admitted"] == ("False", "QuotaExceeded")

    async def test_a_spec_that_was_changed_meanwhile_is_answered(self, bench: Bench) -> None:
        await a_line(bench, jobs=2)
        bench.cluster.edit("TrainingJob", "job-2", training={"steps": 30})
        bench.restart()
        await bench.settle()
        assert bench.status("TrainingJob", "job-2")["observedGeneration"] == 2

    async def test_who_loses_a_seat_later_is_told_its_place_at_once(self, bench: Bench) -> None:
        """Its status still speaks of a wait, and not of the one that it is told now."""
        stranger = await a_line(bench, jobs=1)
        bench.restart()
        await bench.settle()
        bench.cluster.clock.advance(10)
        bench.cluster.remove(stranger)
        await bench.settle()
        bench.cluster.stranger("late", node="gpu-1", requests={GPU: "4"})
        await bench.settle()
        want = "Pool gpu has 0 of 4 nvidia.com/gpu free, at most 0 on one node; the job needs 1 pod with 4 each."
        assert bench.condition("TrainingJob", "job-1", "Admitted")[2].startswith(want)


async def test_accelerators_without_cpu_beside_them_are_not_enough(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={"cpu": "7", "memory": "1Gi"})
    await submitted(bench, resources={"cpu": "2", "memory": "2Gi"})
    assert bench.condition("TrainingJob", "tiny", "Admitted") == (
        "False",
        "WaitingForCapacity",
        "Pool gpu has enough free nvidia.com/gpu, but only 0 of 1 pod of 2 CPU and 2Gi memory fit on the nodes that "
        "have them. The job starts when CPU or memory there is free; smaller spec.resources would fit sooner.",
    )


async def test_a_pool_without_usable_devices_is_waited_for_with_the_pools_own_words(bench: Bench) -> None:
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-1", labels=labels, devices={GPU: 4}, ready=False)
    await submitted(bench)
    assert bench.condition("TrainingJob", "tiny", "Admitted") == (
        "False",
        "PoolNotReady",
        "Pool gpu has no usable nvidia.com/gpu: Takes no pods: node gpu-1 is not ready. The job starts when it has.",
    )


async def test_devices_that_a_pool_promises_and_lacks_are_waited_for_not_refused(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", expectedAccelerators=8))
    await submitted(bench, pods={"min": 2, "max": 2}, accelerators={"pool": "gpu", "perPod": 4})
    assert states(bench)["Admitted"] == ("False", "WaitingForCapacity")


@table(
    ("quota", "want_message"),
    {
        "the whole quota is too small": (
            1,
            "The quota of pool gpu is 1 nvidia.com/gpu, of which 0 are held; the job needs 2 pods with 1 each, more "
            "than the whole quota: raise the pool's spec.quota.",
        ),
        "others hold the quota": (
            3,
            "The quota of pool gpu is 3 nvidia.com/gpu, of which 2 are held; the job needs 2 pods with 1 each. It "
            "starts when others end or the quota is raised.",
        ),
    },
)
async def test_the_pools_quota_is_honoured(bench: Bench, quota: int, want_message: str) -> None:
    bench.cluster.put(make_pool("gpu", quota={"accelerators": quota}))
    if quota > 1:
        await running(bench, "first", accelerators={"pool": "gpu", "perPod": 2})
    await submitted(bench, pods={"min": 2, "max": 2})
    assert bench.condition("TrainingJob", "tiny", "Admitted") == ("False", "QuotaExceeded", want_message)


async def test_a_quota_makes_a_job_smaller_before_it_makes_it_wait(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", quota={"accelerators": 3}))
    await submitted(bench, pods={"min": 1, "max": 4})
    assert bench.status("TrainingJob", "tiny")["placement"]["pods"] == 3


async def test_a_pool_without_accelerators_trains_on_cores(bench: Bench) -> None:
    bench.cluster.node("cpu-1", labels={"hostler.dev/pool": "cpu"}, cpu="4", memory="8Gi")
    bench.cluster.put(make_pool("cpu", acceleratorType="cpu"))
    await submitted(
        bench, pods={"min": 1, "max": 9}, accelerators={"pool": "cpu"}, resources={"cpu": "1500m", "memory": "1Gi"}
    )
    assert bench.status("TrainingJob", "tiny")["placement"]["pods"] == 2
    await submitted(bench, "more", accelerators={"pool": "cpu", "perPod": 2})
    assert states(bench, "more")["Accepted"] == ("False", "UnsupportedCount")
    bench.cluster.make_pods("tiny-0", node="cpu-1")
    await bench.settle()
    await submitted(bench, "waits", accelerators={"pool": "cpu"}, resources={"cpu": "2", "memory": "1Gi"})
    assert bench.condition("TrainingJob", "waits", "Admitted") == (
        "False",
        "WaitingForCapacity",
        "Pool cpu has 1 of 4 cores free, at most 1 on one node (cpu-1); the job needs 1 pod of 2 CPU and 1Gi memory. "
        "It starts when pods that hold them end or nodes are added.",
    )


async def test_two_jobs_that_want_the_same_devices_are_not_both_placed(bench: Bench) -> None:
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 3}))
    bench.cluster.put(make_training_job("second", accelerators={"pool": "gpu", "perPod": 3}))
    await bench.settle()
    assert jobs(bench) == ["first-0"]
    assert states(bench, "second")["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.make_pods("first-0", node="gpu-1")
    await bench.settle()
    assert states(bench, "second")["Admitted"] == ("False", "WaitingForCapacity")
    bench.cluster.remove(bench.cluster.object("TrainingJob", "first"))
    for pod in bench.cluster.all("Pod"):
        bench.cluster.remove(pod)
    await bench.settle()
    assert jobs(bench) == ["second-0"]


async def test_what_was_granted_and_never_written_down_is_free_again(bench: Bench) -> None:
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 3}))
    await bench.reconcile("TrainingJob", "first")
    bench.admitter.run_pass()
    assert bench.woken == ["first"], "and the process that asked does not come back"
    await submitted(bench, "second", accelerators={"pool": "gpu", "perPod": 3}, suspend=True)
    bench.cluster.remove(bench.cluster.object("TrainingJob", "first"))
    bench.cluster.edit("TrainingJob", "second", suspend=False)
    await bench.settle()
    assert jobs(bench) == ["second-0"]


async def test_a_seat_is_written_down_before_anything_sits_on_it_and_survives_the_process(bench: Bench) -> None:
    bench.cluster.put(make_training_job(pods={"min": 1, "max": 4}))
    await bench.reconcile("TrainingJob", "tiny")
    bench.admitter.run_pass()
    bench.writer.crash_after = 1
    with pytest.raises(Crash):
        await bench.reconcile("TrainingJob", "tiny")
    assert bench.writer.writes == ["status TrainingJob tiny"]
    bench.writer.crash_after = None
    bench.restart()
    await submitted(bench, "other", accelerators={"pool": "gpu", "perPod": 2})
    assert states(bench, "other")["Admitted"] == ("False", "WaitingForCapacity")
    assert bench.status("TrainingJob", "tiny")["placement"]["nodes"] == [{"name": "gpu-1", "pods": 4}]
    assert bench.cluster.object("Job", "tiny-0")["spec"]["parallelism"] == 4


async def test_a_job_that_a_quota_holds_is_told_its_place_and_when_its_turn_is_expected(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", quota={"accelerators": 2}))
    (pod,) = await running(bench, "long", accelerators={"pool": "gpu", "perPod": 2})
    for name in ("first", "second"):
        await submitted(bench, name)
        bench.cluster.clock.advance(1)
    told(bench, pod, progress(10, eta_seconds=5000.0))
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert bench.condition("TrainingJob", "first", "Admitted")[1:] == (
        "QuotaExceeded",
        "The quota of pool gpu is 2 nvidia.com/gpu, of which 2 are held; the job needs 1 pod with 1 each. It starts "
        "when others end or the quota is raised. It is number 1 in line. It is expected to start at "
        "2026-01-01 01:24 UTC, between 00:42 and 02:47 UTC.",
    )
    assert bench.condition("TrainingJob", "second", "Admitted")[2].endswith(
        "It is number 2 in line. It is expected to start at 2026-01-01 01:24 UTC, between 00:42 and 02:47 UTC."
    ), "what the first one leaves is enough for it"


class TestMetrics:
    """What a scrape tells of admission."""

    @staticmethod
    def value(bench: Bench, name: str, **labels: str) -> float | None:
        return bench.metrics.registry.get_sample_value(f"hostler_admission_{name}", labels)

    async def test_who_got_a_seat_after_how_long(self, bench: Bench) -> None:
        stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
        await submitted(bench)
        bench.cluster.clock.advance(400)
        await submitted(bench, "later")
        bench.cluster.remove(stranger)
        await bench.settle()
        assert self.value(bench, "wait_seconds_count", kind="TrainingJob") == 2
        assert self.value(bench, "wait_seconds_sum", kind="TrainingJob") == 400, "one of them came when there was room"

    async def test_a_job_that_is_suspended_in_line_comes_anew(self, bench: Bench) -> None:
        stranger = bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
        await submitted(bench)
        bench.cluster.edit("TrainingJob", "tiny", suspend=True)
        await bench.settle()
        bench.cluster.clock.advance(400)
        bench.cluster.edit("TrainingJob", "tiny", suspend=False)
        await bench.settle()
        bench.cluster.remove(stranger)
        await bench.settle()
        assert self.value(bench, "wait_seconds_sum", kind="TrainingJob") == 0

    async def test_how_many_wait_for_which_pool(self, bench: Bench) -> None:
        bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "3"})
        for name in ("a", "b"):
            await submitted(bench, name, accelerators={"pool": "gpu", "perPod": 2})
        await submitted(bench, "fits")
        assert bench.admitter.line() == {"gpu": 2}
        bench.cluster.remove(bench.cluster.object("TrainingJob", "a"))
        await bench.settle()
        assert bench.admitter.line() == {"gpu": 1}

    async def test_a_pass_is_counted_where_there_was_something_to_decide(self, bench: Bench) -> None:
        await bench.settle()
        assert self.value(bench, "pass_duration_seconds_count") == 0
        await submitted(bench)
        passes = self.value(bench, "pass_duration_seconds_count")
        assert passes
        await submitted(bench, "other")
        assert (self.value(bench, "pass_duration_seconds_count") or 0) > passes

    async def test_seats_that_are_taken_back_are_counted_once_by_their_reason(self, bench: Bench) -> None:
        await submitted(bench)
        bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
        await bench.settle()
        await bench.settle()
        assert self.value(bench, "seats_lost_total", reason="SeatTaken") == 1

"""A job that has to leave for another one: told once, written down before anything stops, and in line again."""

from __future__ import annotations

import copy
from typing import Any

from bench import Bench
from builders import make_inference_service, make_pool, make_priority_class, make_training_job
from world import completed, failure, jobs, preempted, progress, running, states, submitted, told

from hostler.planning.verdicts import Workload
from hostler.planning.victims import LEAVING_PATIENCE_SECONDS
from hostler_contract import ErrorReason

Object = dict[str, Any]
WHOLE = {"pool": "gpu", "perPod": 4}
TEAMS = {"quotas": [{"namespaces": ["default"], "nominal": 2}, {"namespaces": ["other"], "nominal": 2}]}


async def test_a_job_leaves_for_one_of_higher_priority_and_is_in_line_again(urgent: Bench) -> None:
    (pod,) = await running(urgent, accelerators=WHOLE)
    told(urgent, pod, progress(12, checkpoint_step=10))
    await urgent.settle()
    since = urgent.cluster.object("TrainingJob", "tiny")["metadata"].get("creationTimestamp")
    urgent.cluster.clock.advance(60)
    await submitted(urgent, "now", accelerators=WHOLE, priorityClassName="urgent")
    assert jobs(urgent) == ["now-0"]
    found = preempted(urgent)
    assert (found["why"], found["count"], found["attempt"], found.get("keeps")) == ("LowerPriority", 1, 0, [])
    assert found["by"] == {"kind": "TrainingJob", "namespace": "default", "name": "now"}
    status = urgent.status("TrainingJob", "tiny")
    assert "placement" not in status
    assert (status["restarts"], status["disruptions"]) == (0, 0), "it is nobody's fault"
    assert states(urgent)["Admitted"] == ("False", "WaitingForCapacity")
    request = urgent.admitter.request(Workload("TrainingJob", "default", "tiny"))
    assert request is not None
    assert request.since == since
    (said,) = [message for reason, message, _ in urgent.writer.events if reason == "Preempted"]
    assert said == (
        "Preempted for TrainingJob default/now, whose priority is higher. Its pods are asked to save their state at "
        "step 12 of 20 and end; where they cannot, it goes on from the checkpoint of step 10. It is in line again, "
        "with its age."
    )
    urgent.cluster.make_pods("now-0", node="gpu-1")
    await completed(urgent, "now")
    assert jobs(urgent) == ["now-0", "tiny-1"], "and begins its next attempt when there is room"


async def test_status_has_it_before_any_pod_is_stopped(urgent: Bench) -> None:
    await running(urgent, accelerators=WHOLE)
    began = len(urgent.writer.writes)
    await submitted(urgent, "now", accelerators=WHOLE, priorityClassName="urgent")
    writes = [write for write in urgent.writer.writes[began:] if "tiny" in write or "now-0" in write]
    assert writes.index("status TrainingJob tiny") < writes.index("delete Job tiny-0") < writes.index("apply Job now-0")


async def test_its_room_is_its_own_until_the_last_pod_has_ended_and_then_the_other_ones_alone(urgent: Bench) -> None:
    (pod,) = await running(urgent, accelerators=WHOLE)
    ending = copy.deepcopy(urgent.cluster.object("Pod", pod["metadata"]["name"]))
    urgent.cluster.put(make_training_job("now", accelerators=WHOLE, priorityClassName="urgent"))
    urgent.cluster.put(make_training_job("small"))
    for _ in range(20):
        await urgent.reconcile("TrainingJob", "now")
        await urgent.reconcile("TrainingJob", "small")
        await urgent.reconcile("TrainingJob", "tiny")
        if urgent.cluster.find("Job", "tiny-0") is None and ending is not None:
            # The kubelet gives its containers their time.
            ending["metadata"]["deletionTimestamp"] = urgent.cluster.clock.now()
            urgent.cluster.put(ending)
            break
        urgent.answered()
    await urgent.settle()
    assert jobs(urgent) == []
    assert states(urgent)["Ready"] == ("False", "Preempted")
    assert states(urgent, "now")["Admitted"] == ("False", "Preempting")
    assert states(urgent, "small")["Admitted"] == ("False", "WaitingForCapacity")
    urgent.cluster.remove(urgent.cluster.object("Pod", pod["metadata"]["name"]))
    await urgent.settle()
    assert jobs(urgent) == ["now-0"]


async def test_one_whose_pods_cannot_end_is_not_waited_for_for_ever(urgent: Bench) -> None:
    urgent.cluster.put(make_priority_class("middle", 10))
    two = {"accelerators": {"pool": "gpu", "perPod": 2}}
    (pod,) = await running(urgent, **two)
    await running(urgent, "rest", priorityClassName="middle", **two)
    hangs = copy.deepcopy(urgent.cluster.object("Pod", pod["metadata"]["name"]))
    urgent.cluster.put(make_training_job("now", priorityClassName="urgent", **two))
    await urgent.reconcile("TrainingJob", "now")
    urgent.admitter.run_pass()
    while urgent.cluster.find("Job", "tiny-0"):
        await urgent.reconcile("TrainingJob", "tiny")
    hangs["metadata"]["deletionTimestamp"] = urgent.cluster.clock.now()
    urgent.cluster.put(hangs)
    await urgent.settle()
    assert preempted(urgent)["count"] == 1
    assert jobs(urgent) == ["rest-0"]
    urgent.cluster.clock.advance(LEAVING_PATIENCE_SECONDS)
    await urgent.settle()
    assert jobs(urgent) == ["now-0"]
    assert preempted(urgent, "rest")["count"] == 1


async def test_a_class_that_never_preempts_waits(urgent: Bench) -> None:
    await running(urgent, accelerators=WHOLE)
    await submitted(urgent, "now", accelerators=WHOLE, priorityClassName="polite")
    assert jobs(urgent) == ["tiny-0"]
    assert preempted(urgent) == {}


async def test_a_pool_that_does_not_allow_it_stops_nobody(urgent: Bench) -> None:
    urgent.cluster.put(make_pool("gpu", queue={"preemption": "disabled"}))
    await running(urgent, accelerators=WHOLE)
    await submitted(urgent, "now", accelerators=WHOLE, priorityClassName="urgent")
    assert jobs(urgent) == ["tiny-0"]


async def test_whoever_goes_before_it_is_written_down_lets_the_other_one_stay(urgent: Bench) -> None:
    await running(urgent, accelerators=WHOLE)
    urgent.cluster.put(make_training_job("now", accelerators=WHOLE, priorityClassName="urgent"))
    await urgent.reconcile("TrainingJob", "now")
    urgent.admitter.run_pass()
    assert urgent.admitter.preempted(Workload("TrainingJob", "default", "tiny")) is not None
    urgent.cluster.remove(urgent.cluster.object("TrainingJob", "now"))
    urgent.admitter.run_pass()
    await urgent.settle()
    assert jobs(urgent) == ["tiny-0"]
    assert preempted(urgent) == {}


async def test_whoever_goes_after_it_leaves_the_room_to_anybody(urgent: Bench) -> None:
    await running(urgent, accelerators=WHOLE)
    urgent.cluster.put(make_training_job("now", accelerators=WHOLE, priorityClassName="urgent"))
    await urgent.reconcile("TrainingJob", "now")
    urgent.admitter.run_pass()
    await urgent.reconcile("TrainingJob", "tiny")
    assert preempted(urgent)["count"] == 1
    urgent.cluster.remove(urgent.cluster.object("TrainingJob", "now"))
    await urgent.settle()
    assert jobs(urgent) == ["tiny-1"], "the first in line, which is the same one again"


async def test_one_that_is_done_before_it_could_leave_is_done(urgent: Bench) -> None:
    (pod,) = await running(urgent, accelerators=WHOLE)
    urgent.cluster.put(make_training_job("now", accelerators=WHOLE, priorityClassName="urgent"))
    await urgent.reconcile("TrainingJob", "now")
    urgent.admitter.run_pass()
    await urgent.reconcile("TrainingJob", "tiny")
    assert preempted(urgent)["attempt"] == 0
    await completed(urgent)
    assert states(urgent)["Succeeded"] == ("True", "Succeeded"), pod["metadata"]["name"]
    assert jobs(urgent) == ["now-0", "tiny-0"]


async def test_one_that_waits_for_its_next_attempt_gives_its_seat_at_once(urgent: Bench) -> None:
    (pod,) = await running(urgent, accelerators=WHOLE)
    urgent.cluster.end(pod, result=failure(ErrorReason.INTERNAL))
    urgent.cluster.finish("tiny-0", "Failed")
    await urgent.settle()
    assert states(urgent)["Ready"] == ("False", "BackOff")
    await submitted(urgent, "now", accelerators=WHOLE, priorityClassName="urgent")
    assert "now-0" in jobs(urgent)
    status = urgent.status("TrainingJob", "tiny")
    assert (status["restarts"], status["preempted"]["count"], "placement" in status) == (1, 1, False)


async def test_preemptions_exhaust_no_limit(urgent: Bench) -> None:
    for number in range(4):
        await running(urgent, attempt=number, accelerators=WHOLE, maxRestarts=0, maxDisruptions=0)
        await submitted(urgent, f"now{number}", accelerators=WHOLE, priorityClassName="urgent")
        assert preempted(urgent)["count"] == number + 1
        urgent.cluster.make_pods(f"now{number}-0", node="gpu-1")
        await completed(urgent, f"now{number}")
    assert f"tiny-{4}" in jobs(urgent)
    assert states(urgent)["Stalled"][0] == "False"


async def test_a_failure_is_counted_although_others_want_the_seat(urgent: Bench) -> None:
    (pod,) = await running(urgent, accelerators=WHOLE)
    urgent.cluster.end(pod, result=failure(ErrorReason.INTERNAL))
    await submitted(urgent, "now", accelerators=WHOLE, priorityClassName="urgent")
    urgent.cluster.finish("tiny-0", "Failed")
    await urgent.settle()
    assert urgent.status("TrainingJob", "tiny")["restarts"] == 1
    assert "now-0" in jobs(urgent)


async def test_a_service_of_higher_priority_stops_a_job(urgent: Bench) -> None:
    await running(urgent, "served")
    await completed(urgent, "served")
    await running(urgent, accelerators=WHOLE)
    spec = {"modelRef": {"name": "served"}, "accelerators": WHOLE, "priorityClassName": "urgent"}
    urgent.cluster.put(make_inference_service("served", **spec))
    await urgent.settle()
    assert preempted(urgent)["by"]["kind"] == "InferenceService"
    assert "tiny-0" not in jobs(urgent)
    assert urgent.status("InferenceService", "served")["placement"]["pods"] == 1


async def test_a_service_that_runs_takes_back_what_it_has_left_idle(bench: Bench) -> None:
    await running(bench, "served")
    await completed(bench, "served")
    bench.cluster.put(make_inference_service("served", modelRef={"name": "served"}, accelerators={"pool": "gpu"}))
    await bench.settle()
    bench.cluster.roll("served", node="gpu-1")
    await bench.settle()
    assert len(await running(bench, pods={"min": 1, "max": 4})) == 3
    bench.cluster.edit("InferenceService", "served", pods={"min": 2, "max": 2})
    await bench.settle()
    assert preempted(bench)["why"] == "ReplicaNeeded"
    assert bench.status("InferenceService", "served")["placement"]["pods"] == 2
    assert bench.status("TrainingJob", "tiny")["placement"]["pods"] == 2


async def test_quota_that_was_lent_is_taken_back(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", queue=TEAMS))
    bench.cluster.text(namespace="other")
    await running(bench, accelerators={"pool": "gpu", "perPod": 2})
    await running(bench, "lent", accelerators={"pool": "gpu", "perPod": 2})
    bench.cluster.put(make_training_job("theirs", namespace="other", accelerators={"pool": "gpu", "perPod": 2}))
    await bench.settle()
    assert sorted(jobs(bench)) == ["theirs-0", "tiny-0"]
    assert preempted(bench, "lent")["why"] == "QuotaReclaimed"


async def test_what_was_lent_is_not_borrowed_again_by_who_comes_before_in_line(urgent: Bench) -> None:
    """Whoever borrows has the higher priority, so it would have what another one has left, and be the next to leave."""
    urgent.cluster.put(make_pool("gpu", queue=TEAMS))
    urgent.cluster.text(namespace="other")
    two = {"accelerators": {"pool": "gpu", "perPod": 2}, "priorityClassName": "urgent"}
    await running(urgent, **two)
    await running(urgent, "lent", **two)
    await submitted(urgent, "more", **two)
    urgent.cluster.put(make_training_job("theirs", namespace="other", accelerators={"pool": "gpu", "perPod": 2}))
    await urgent.settle()
    assert sorted(jobs(urgent)) == ["theirs-0", "tiny-0"]
    assert preempted(urgent, "lent")["count"] == 1


async def test_a_namespace_at_its_borrowing_limit_waits_and_nobody_waits_for_it(bench: Bench) -> None:
    quotas = [{"namespaces": ["default"], "nominal": 2, "borrowingLimit": 0}]
    bench.cluster.put(make_pool("gpu", queue={"quotas": quotas}))
    bench.cluster.text(namespace="other")
    await running(bench, accelerators={"pool": "gpu", "perPod": 2})
    await submitted(bench, "more")
    bench.cluster.put(make_training_job("theirs", namespace="other", accelerators={"pool": "gpu", "perPod": 2}))
    await bench.settle()
    assert states(bench, "more")["Admitted"] == ("False", "QuotaExceeded")
    assert "theirs-0" in jobs(bench)


async def test_who_understates_its_time_leaves_once_it_is_past_it_and_others_wait(bench: Bench) -> None:
    await running(bench, accelerators=WHOLE, estimatedDuration="1h")
    await submitted(bench, "next", accelerators=WHOLE)
    bench.cluster.clock.advance(3500)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
    bench.cluster.clock.advance(200)
    await bench.settle()
    assert jobs(bench) == ["next-0"]
    assert preempted(bench)["why"] == "PastItsEstimate"


async def test_a_wall_clock_that_jumps_puts_nobody_past_its_estimate(bench: Bench) -> None:
    (pod,) = await running(bench, accelerators=WHOLE, estimatedDuration="1h")
    await submitted(bench, "next", accelerators=WHOLE)
    bench.cluster.clock.off = 86400
    told(bench, pod, progress(10))
    await bench.settle()
    await submitted(bench, "later", accelerators=WHOLE)
    assert jobs(bench) == ["tiny-0"]

"""The process ends after any of its writes, and what comes after is what would have come without."""

from __future__ import annotations

from typing import Any

import pytest
from bench import Bench, make_bench
from builders import make_inference_service, make_training_job
from crashing import final, settle_through_crash
from fakes import Crash
from refusing import refuse_pods
from world import due, failed, failure, running, success, taken_back

from hostler.controllers.inferenceservice.observed import config_name
from hostler_contract import ErrorReason

Object = dict[str, Any]


async def scenario(bench: Bench) -> None:
    """A job of two pods that fails once, is disrupted, preempted, refused and suspended once each, succeeds beside a
    proxy, and is served in two revisions."""
    cluster = bench.cluster
    cluster.put(make_training_job("tiny", pods={"min": 2, "max": 2}))
    await settle_through_crash(bench)
    first, _ = await _started(bench, attempt=0)
    cluster.end(first, result=failure(ErrorReason.INTERNAL))
    cluster.finish("tiny-0", "Failed")
    await settle_through_crash(bench)
    cluster.clock.advance(10)
    await settle_through_crash(bench)
    first, _ = await _started(bench, attempt=1)
    taken = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    cluster.set_status(cluster.object("Pod", first["metadata"]["name"]), phase="Failed", conditions=[taken])
    await settle_through_crash(bench)
    cluster.finish("tiny-1", "Failed")
    await settle_through_crash(bench)
    await _started(bench, attempt=2)
    taken_back(bench, "tiny-2")
    await settle_through_crash(bench, again=lambda: taken_back(bench, "tiny-2"))
    cluster.clock.advance(10)
    await settle_through_crash(bench)
    refuse_pods(cluster, cluster.object("Job", "tiny-3"))
    for seconds in (30, 300, 60):
        cluster.clock.advance(seconds)
        await settle_through_crash(bench)
    cluster.clock.advance(60)
    await settle_through_crash(bench)
    await _started(bench, attempt=4)
    cluster.edit("TrainingJob", "tiny", suspend=True)
    await settle_through_crash(bench)
    cluster.edit("TrainingJob", "tiny", suspend=False)
    await settle_through_crash(bench)
    for pod in await _started(bench, attempt=5):
        ended = {"exitCode": 0, "reason": "Completed", "message": success().to_termination_message()}
        proxy = {"name": "proxy", "state": {"running": {}}}
        own = {"name": "trainer", "state": {"terminated": {**ended, "finishedAt": cluster.clock.now()}}}
        cluster.set_status(pod, containerStatuses=[own, proxy])
    cluster.put(make_inference_service("tiny"))
    await settle_through_crash(bench)
    cluster.roll("tiny", node="ipu-1")
    await settle_through_crash(bench)
    cluster.edit("InferenceService", "tiny", serving={"maxNewTokens": 64})
    await settle_through_crash(bench)
    cluster.roll("tiny", node="ipu-1")
    await settle_through_crash(bench)


async def _started(bench: Bench, *, attempt: int) -> list[Object]:
    pods = bench.cluster.make_pods(f"tiny-{attempt}", node="gpu-1")
    for pod in pods:
        bench.cluster.run(pod)
    await settle_through_crash(bench)
    return pods


async def test_the_scenario_without_a_crash_ends_well() -> None:
    bench = make_bench()
    await scenario(bench)
    status = bench.status("TrainingJob", "tiny")
    assert (status["attempt"], status["restarts"], status["disruptions"], status["model"]) == (5, 1, 2, "tiny")
    assert bench.condition("InferenceService", "tiny", "Ready")[:2] == ("True", "Serving")
    deployment = bench.cluster.object("Deployment", "tiny")
    configs = {c["metadata"]["name"] for c in bench.cluster.all("ConfigMap")}
    assert configs == {"text", config_name(deployment)}, "the first revision's file is gone"


async def test_a_crash_after_any_write_changes_nothing_in_the_end() -> None:
    clean = make_bench()
    await scenario(clean)
    want = final(clean)
    for number, write in enumerate(clean.writer.writes, start=1):
        bench = make_bench()
        bench.writer.crash_after = number
        await scenario(bench)
        assert final(bench) == want, f"after write {number}: {write}"


async def test_restarts_are_counted_once_although_the_process_ends_after_each_single_write() -> None:
    bench = make_bench()
    for attempt in range(2):
        (pod,) = await running(bench, attempt=attempt)
        bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL))
        bench.cluster.finish(f"tiny-{attempt}", "Failed")
        while bench.cluster.find("Job", f"tiny-{attempt + 1}") is None:
            await _one_write(bench)
            bench.cluster.clock.advance(60)
    await bench.settle()
    status = bench.status("TrainingJob", "tiny")
    assert (status["attempt"], status["restarts"]) == (2, 2)


async def test_attempts_that_a_restored_status_knows_nothing_of_are_counted_again() -> None:
    bench = make_bench()
    await running(bench)
    early = bench.status("TrainingJob", "tiny")
    await failed(bench, result=failure(ErrorReason.INTERNAL))
    (pod,) = await running(bench, attempt=1)
    job = bench.cluster.object("TrainingJob", "tiny")
    bench.cluster.objects["TrainingJob", "default", "tiny"] = {**job, "status": early}
    bench.cluster.end(pod, result=failure(ErrorReason.INTERNAL))
    bench.cluster.finish("tiny-1", "Failed")
    await bench.settle()
    await due(bench)
    status = bench.status("TrainingJob", "tiny")
    assert (status["attempt"], status["restarts"]) == (2, 2)


async def _two_looks(bench: Bench) -> None:
    """The first look of a process may only ask for a seat."""
    for _ in range(2):
        await bench.reconcile("TrainingJob", "tiny")
        bench.admitter.run_pass()


async def _one_write(bench: Bench) -> None:
    bench.writer.crash_after = len(bench.writer.writes) + 1
    with pytest.raises(Crash):
        await _two_looks(bench)
    bench.writer.crash_after = None
    bench.restart()

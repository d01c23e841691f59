"""`status.queue`: where a job or a service stands, what it is told, and what becomes of forecasts."""

from __future__ import annotations

from typing import Any

from bench import GPU, IPU, Bench
from builders import make_pool, make_priority_class, make_training_job
from unit.controllers import services
from world import completed, jobs, progress, running, submitted, told

from hostler.controllers.linenews import BURST, PER_SECOND

FOUR: dict[str, Any] = {"pool": "gpu", "perPod": 4}


def queue(bench: Bench, name: str, kind: str = "TrainingJob") -> dict[str, Any]:
    """What a status says of a place in line; empty where it says nothing."""
    found: dict[str, Any] = bench.status(kind, name).get("queue") or {}
    return found


async def a_forecast(bench: Bench, *, eta: float = 5000.0) -> Any:
    """``next`` behind ``long``, whose trainer has said how long it takes."""
    (pod,) = await running(bench, "long", accelerators=FOUR)
    told(bench, pod, progress(10, eta_seconds=eta))
    await bench.settle()
    await submitted(bench, "next", accelerators=FOUR)
    return pod


async def test_who_is_in_line_says_where_and_since_when_and_until_when(bench: Bench) -> None:
    await a_forecast(bench)
    place = queue(bench, "next")
    assert {key: place[key] for key in ("position", "waiting", "since")} == {
        "position": 1,
        "waiting": 1,
        "since": bench.cluster.object("TrainingJob", "next")["metadata"]["creationTimestamp"],
    }
    assert place["earliestStart"] < place["expectedStart"] < place["latestStart"]
    assert place["message"] == bench.condition("TrainingJob", "next", "Admitted")[2]
    assert place["first"] == {key: place[key] for key in ("told", "expectedStart", "earliestStart", "latestStart")}


async def test_who_has_started_or_is_suspended_is_in_no_line(bench: Bench) -> None:
    await a_forecast(bench)
    await submitted(bench, "later", accelerators=FOUR)
    bench.cluster.edit("TrainingJob", "later", suspend=True)
    await bench.settle()
    assert queue(bench, "later") == {}
    await completed(bench, "long")
    assert "next-0" in jobs(bench)
    assert queue(bench, "next") == {}


async def test_a_spec_that_cannot_be_read_any_more_is_in_no_line(bench: Bench) -> None:
    await a_forecast(bench)
    bench.cluster.edit("TrainingJob", "next", family="of-another-release")
    await bench.settle()
    assert bench.condition("TrainingJob", "next", "Accepted")[1] == "InvalidSpec"
    assert queue(bench, "next") == {}


async def test_a_service_in_line_says_so_too(modelled: Bench) -> None:
    stranger = modelled.cluster.stranger("busy", node="ipu-1", requests={IPU: "4"})
    await services.submitted(modelled)
    assert services.said(modelled, "Admitted")[1] == "WaitingForCapacity"
    place = queue(modelled, "tiny", "InferenceService")
    assert (place["position"], place["waiting"]) == (1, 1)
    assert place["message"].startswith("Pool ipu has 0 of 4")
    modelled.cluster.remove(stranger)
    await modelled.settle()
    assert queue(modelled, "tiny", "InferenceService") == {}


async def test_a_forecast_that_comes_true_is_not_written_again(bench: Bench) -> None:
    pod = await a_forecast(bench)
    before, writes = queue(bench, "next"), len(bench.writer.writes)
    for minute in range(1, 30):
        bench.cluster.clock.advance(60)
        told(bench, pod, progress(10, eta_seconds=5000.0 - 60 * minute))
        await bench.settle()
    written = [write for write in bench.writer.writes[writes:] if "next" in write]
    assert written == []
    assert queue(bench, "next") == before


async def test_a_forecast_that_is_wrong_is_told_anew_and_the_first_one_is_kept(bench: Bench) -> None:
    pod = await a_forecast(bench)
    first = queue(bench, "next")["first"]
    bench.cluster.clock.advance(600)
    told(bench, pod, progress(10, eta_seconds=20_000.0))
    await bench.settle()
    bench.admitter.run_pass()
    await bench.settle()
    place = queue(bench, "next")
    assert place["expectedStart"] > first["expectedStart"]
    assert place["first"] == first


async def test_forecasts_survive_a_restart_and_are_judged_by_the_start(bench: Bench) -> None:
    await a_forecast(bench)
    bench.restart()
    writes = len(bench.writer.writes)
    await bench.settle()
    assert [write for write in bench.writer.writes[writes:] if "next" in write] == []
    bench.cluster.clock.advance(2600)
    await completed(bench, "long")
    value = bench.metrics.registry.get_sample_value
    for which in ("first", "last"):
        labels = {"kind": "TrainingJob", "forecast": which}
        assert value("hostler_admission_forecast_ratio_count", labels) == 1
        ratio = value("hostler_admission_forecast_ratio_sum", labels)
        assert ratio is not None
        assert 0.4 < ratio < 0.7, "half of the time that was foretold"
        assert value("hostler_admission_forecasts_total", {**labels, "covered": "true"}) == 1


async def test_a_smaller_job_and_another_pool_are_offered(bench: Bench) -> None:
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "3"})
    await submitted(bench, "one", accelerators={"pool": "gpu", "perPod": 4})
    assert queue(bench, "one")["wouldStart"] == "The job would start now with spec.accelerators.perPod 1."
    bench.cluster.remove(bench.cluster.object("TrainingJob", "one"))
    await submitted(bench, "gang", pods={"min": 2, "max": 2})
    assert queue(bench, "gang")["wouldStart"] == "The job would start now with spec.pods.min 1."


async def test_a_quota_says_by_how_much_it_is_too_small(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", quota={"accelerators": 2}))
    await submitted(bench, "first", accelerators={"pool": "gpu", "perPod": 2})
    await submitted(bench, "second", accelerators={"pool": "gpu", "perPod": 2})
    want = "The job would start now with a quota of pool gpu that is higher by 2 nvidia.com/gpu."
    assert queue(bench, "second")["wouldStart"] == want


async def test_preemptions_and_backfills_are_counted(bench: Bench) -> None:
    bench.cluster.put(make_priority_class("urgent", 1000))
    value = bench.metrics.registry.get_sample_value
    await running(bench, "long", accelerators=FOUR)
    await submitted(bench, "now", accelerators=FOUR, priorityClassName="urgent")
    assert value("hostler_admission_preemptions_total", {"reason": "LowerPriority"}) == 1
    assert value("hostler_admission_backfills_total") == 0


async def test_who_passes_another_one_without_delaying_it_is_counted(bench: Bench) -> None:
    bench.cluster.put(make_pool("gpu", queue={"order": "fifo"}))
    (pod,) = await running(bench, "long", accelerators={"pool": "gpu", "perPod": 2})
    told(bench, pod, progress(10, eta_seconds=5000.0))
    await bench.settle()
    await submitted(bench, "large", accelerators=FOUR)
    await submitted(bench, "short", accelerators={"pool": "gpu", "perPod": 2}, estimatedDuration="10m")
    assert "short-0" in jobs(bench)
    assert bench.metrics.registry.get_sample_value("hostler_admission_backfills_total") == 1


async def test_a_long_line_that_moves_is_told_so_a_few_at_a_time(bench: Bench) -> None:
    """Three hundred in line, one of whom leaves every five seconds for a quarter of an hour, and passes each second."""
    bench.cluster.stranger("busy", node="gpu-1", requests={GPU: "4"})
    for number in range(300):
        bench.cluster.put(make_training_job(f"job-{number:03}", accelerators=FOUR))
    await bench.settle()
    woken = 0
    for second in range(900):
        bench.cluster.clock.advance(1)
        if second % 5 == 0:
            bench.cluster.remove(bench.cluster.object("TrainingJob", f"job-{second // 5:03}"))
        bench.woken.clear()
        bench.admitter.run_pass()
        assert len(bench.woken) <= BURST
        woken += len(bench.woken)
    assert 0 < woken <= BURST + PER_SECOND * 900
    # The ten at the front, once a minute each, and each of the others when its tens or its hundred has changed.
    assert woken < 10 * 15 + 300 * 8

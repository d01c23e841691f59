"""What jobs are told before they run, and what pools learn of those that ran. In virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bench import GPU, SETTINGS, Bench
from builders import make_pool, make_training_job
from tables import table
from world import completed, due, failed, jobs, running, submitted, success

from hostler.cluster.errors import Conflict
from hostler.controllers.estimates import judged_now, merged, run_of
from hostler.planning import moments
from hostler.planning.estimate.measurements import MeasuredRun, Shape
from hostler_contract import Result
from hostler_contract.result import Pace

TOKENS = 8 * 64.0
"""Of a step: the batch times the context."""


def paced(seconds: float, *, steps: int = 20, units: float = TOKENS * 20) -> Result:
    """A success that says how fast the steps were."""
    pace = Pace(steps=steps, seconds=seconds, units=units, unit="tokens", precision="fp32", memory_bytes=2**30)
    return success().model_copy(update={"pace": pace})


async def ran(bench: Bench, name: str, *, held: float, paced_in: float, **spec: Any) -> None:
    """A job from its creation to its success, ``held`` seconds after it began."""
    await running(bench, name, **spec)
    bench.cluster.clock.advance(held)
    await completed(bench, name, result=paced(paced_in))


def estimate(bench: Bench, name: str) -> dict[str, Any]:
    """What a job's status says."""
    found: dict[str, Any] = bench.status("TrainingJob", name)["estimate"]
    return found


def measurements(bench: Bench, pool: str = "gpu") -> list[dict[str, Any]]:
    """What a pool's status says."""
    found: list[dict[str, Any]] = bench.status("AcceleratorPool", pool).get("measurements", [])
    return found


async def test_nobody_knows_simulated_devices_before_something_ran(bench: Bench) -> None:
    await submitted(bench)
    assert estimate(bench, "tiny")["basis"] == "Unknown"
    assert "Nothing like it has been run on pool gpu yet" in estimate(bench, "tiny")["message"]
    assert "duration" not in estimate(bench, "tiny")


async def test_the_next_job_of_a_shape_is_told_what_the_first_one_took(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100)
    first = estimate(bench, "first")
    assert first["actual"]["duration"] == "2m10s"
    assert first["actual"]["stepSeconds"] == "5"
    assert first["actual"]["overheadSeconds"] == "30.0"
    (measured,) = measurements(bench)
    assert measured["runs"][0]["unitsPerSecond"] == "102.4"

    await submitted(bench, "second", training={"steps": 40})
    second = estimate(bench, "second")
    assert second["basis"] == "Measured"
    assert "1 run of this shape on this pool" in second["message"]
    # Twice the steps at 5 s each, and as long to start and to save.
    assert second["duration"]["expected"] == "3m50s"


async def test_estimate_and_what_happened_stand_side_by_side(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100)
    await ran(bench, "second", held=143, paced_in=110)
    assert estimate(bench, "second")["duration"]["expected"] == "2m10s"
    assert estimate(bench, "second")["actual"]["ratio"] == "1.1"


async def test_another_size_is_told_by_its_operations(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100, output={"transformer": _sizes(layers=8)})
    await submitted(bench, "wider", output={"transformer": _sizes(layers=16)})
    told = estimate(bench, "wider")
    assert told["basis"] == "Measured"
    assert "1 run like it" in told["message"]
    small, large = (float(estimate(bench, name)["operationsPerUnit"]) for name in ("first", "wider"))
    assert moments.seconds_of(told["duration"]["expected"]) == pytest.approx(30 + 100 * large / small, rel=0.02)


def _sizes(*, layers: int) -> dict[str, int]:
    return {"layers": layers, "hiddenSize": 64, "heads": 4, "contextLength": 64, "vocabularySize": 512}


async def test_pools_do_not_speak_for_each_other(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100)
    await submitted(bench, "elsewhere", accelerators={"pool": "ipu"})
    assert estimate(bench, "elsewhere")["basis"] == "Unknown"


async def test_real_devices_are_told_by_published_runs(bench: Bench) -> None:
    price = {"amount": "2.50", "currency": "EUR", "source": "a contract", "date": "2026-11-01"}
    bench.restart(settings=replace(SETTINGS, variant_images={"train-cuda": "registry/train:1-cuda"}))
    bench.cluster.node("real", labels={"hostler.dev/pool": "real"}, devices={GPU: 8})
    grid = {"gramsPerKilowattHour": "380", "source": "the operator of the grid", "date": "2026-01-01"}
    bench.cluster.put(make_pool("real", acceleratorType="nvidia-h100-sxm", price=price, grid=grid))
    sizes = {"layers": 12, "hiddenSize": 768, "heads": 12, "contextLength": 1024, "vocabularySize": 50304}
    on_it: dict[str, Any] = {"accelerators": {"pool": "real"}, "training": {"steps": 1000}}
    await submitted(bench, "large", output={"transformer": sizes}, **on_it)
    told = estimate(bench, "large")
    assert told["basis"] == "Published"
    assert told["cost"]["currency"] == "EUR"
    assert float(told["carbon"]["value"]) == pytest.approx(float(told["energy"]["value"]) * 0.38, rel=0.02)
    assert told["carbon"]["unit"] == "kgCO2e"
    assert float(told["utilization"]) == pytest.approx(0.42, abs=0.03)
    assert moments.seconds_of(told["duration"]["low"]) < moments.seconds_of(told["duration"]["high"])
    await submitted(bench, "toy", **on_it)
    assert estimate(bench, "toy")["basis"] == "Peak"
    assert "no runs of networks as small as this are published" in estimate(bench, "toy")["message"]


async def test_memory_is_told_term_by_term_and_beside_it_what_runs_had_in_use(bench: Bench) -> None:
    await submitted(bench, "first")
    told = estimate(bench, "first")["memory"]
    assert sum(term["bytes"] for term in told["terms"]) == told["peakBytes"]
    assert told["deviceBytes"] == 80 * 2**30
    assert told["largestRows"] > 8
    assert "measuredBytes" not in told
    await ran(bench, "second", held=130, paced_in=100)
    await submitted(bench, "third")
    assert estimate(bench, "third")["memory"]["measuredBytes"] == 2**30


async def test_who_is_expected_not_to_fit_is_warned_and_not_refused(bench: Bench) -> None:
    sizes = {"layers": 32, "hiddenSize": 2048, "heads": 16, "contextLength": 2048, "vocabularySize": 32000}
    training = {"steps": 10, "batchSize": 128, "packing": {"mode": "off"}}
    await submitted(bench, "wide", output={"transformer": sizes}, training=training)
    assert bench.condition("TrainingJob", "wide", "Accepted")[0] == "True"
    assert "fit: set training.gradientAccumulation to" in estimate(bench, "wide")["memory"]["message"]


async def test_the_shorter_one_comes_first_though_nobody_said_how_long_it_takes(bench: Bench) -> None:
    whole = {"pool": "gpu", "perPod": 4}
    await ran(bench, "first", held=130, paced_in=100, accelerators=whole)
    await running(bench, "holder", accelerators=whole)
    for name, steps in (("long", 4000), ("short", 20)):
        bench.cluster.put(make_training_job(name, accelerators=whole, training={"steps": steps}))
        bench.cluster.clock.advance(1)
    await bench.settle()
    await completed(bench, "holder")
    await bench.settle()
    assert "short-0" in jobs(bench)
    assert "long-0" not in jobs(bench)


async def test_an_estimate_of_ours_makes_nobody_overdue(bench: Bench) -> None:
    whole = {"pool": "gpu", "perPod": 4}
    await ran(bench, "first", held=130, paced_in=100, accelerators=whole)
    await running(bench, "slow", accelerators=whole)
    await submitted(bench, "waits", accelerators=whole)
    bench.cluster.clock.advance(7200)
    await bench.settle()
    assert "preempted" not in bench.status("TrainingJob", "slow")


async def test_how_right_estimates_were_is_a_metric_that_a_restart_does_not_tell_again(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100)
    await ran(bench, "second", held=143, paced_in=110)
    await ran(bench, "third", held=500, paced_in=400)
    assert worth(bench) == {"true": 1, "false": 1}
    bench.restart()
    await bench.settle()
    assert worth(bench) == {"true": 0, "false": 0}


def worth(bench: Bench) -> dict[str, float]:
    """Measured estimates by whether they held."""
    read = bench.metrics.registry.get_sample_value
    return {c: read("hostler_estimates_total", {"basis": "Measured", "covered": c}) or 0 for c in ("true", "false")}


@table(
    ("restarts", "conflicts"),
    {
        "the operator goes on": (0, 0),
        "the operator starts again and sees every job that has ended": (3, 0),
        "the pool's status is written by somebody else meanwhile": (0, 1),
    },
)
async def test_a_run_counts_once(bench: Bench, restarts: int, conflicts: int) -> None:
    await running(bench)
    bench.cluster.clock.advance(130)
    for pod in bench.cluster.pods_of(bench.cluster.object("Job", "tiny-0")):
        bench.cluster.end(pod, result=paced(100))
    bench.cluster.finish("tiny-0", "Complete")
    for _ in range(4):
        await bench.reconcile("TrainingJob", "tiny")
    for _ in range(conflicts):
        bench.writer.refuse_status = Conflict("it has changed", code=409)
        with pytest.raises(Conflict):
            await bench.reconcile("AcceleratorPool", "gpu")
        bench.writer.refuse_status = None
    await bench.settle()
    for _ in range(restarts):
        bench.restart()
        await bench.settle()
    (measured,) = measurements(bench)
    assert len(measured["runs"]) == 1


async def test_what_a_job_that_failed_in_between_lost_is_no_overhead_of_the_next_one(bench: Bench) -> None:
    await running(bench)
    bench.cluster.clock.advance(1000)
    await failed(bench, result=None)
    await due(bench)
    await running(bench, attempt=1)
    bench.cluster.clock.advance(130)
    await completed(bench, attempt=1, result=paced(100))
    assert "overheadSeconds" not in estimate(bench, "tiny")["actual"]


async def test_a_trainer_that_says_nothing_of_its_pace_teaches_nothing(bench: Bench) -> None:
    await running(bench)
    await completed(bench)
    assert "actual" not in estimate(bench, "tiny")
    assert measurements(bench) == []


@table(
    "result",
    {
        "more tokens than all machines compute": paced(100, units=1e300),
        "a day of steps in a run of two minutes": paced(86400),
        "steps that trained on nothing": paced(100, units=0),
    },
)
async def test_figures_that_cannot_be_true_teach_nothing(bench: Bench, result: Result) -> None:
    await running(bench)
    bench.cluster.clock.advance(130)
    await completed(bench, result=result)
    assert measurements(bench) == []


SHAPE = Shape(family="chat", objective="Pretrain", network="aaaa", precision="bf16", batch=8)


def fresh(name: str, at: str, speed: float) -> tuple[Shape, tuple[MeasuredRun, ...]]:
    """A run that the pool does not know yet."""
    return SHAPE, (MeasuredRun(run=name, at=at, units_per_second=speed, units_per_step=8.0),)


def test_runs_of_a_clock_that_was_ahead_do_not_stay_the_newest() -> None:
    ahead = [fresh(f"ahead-{n}", "2031-01-01T00:00:00Z", 10.0) for n in range(3)]
    told = merged((), ahead, now="2026-03-01T00:00:00Z")
    assert {run.at for run in told[0].runs} == {"2026-03-01T00:00:00Z"}
    after = [fresh(f"after-{n}", f"2026-03-0{n + 2}T00:00:00Z", 20.0) for n in range(3)]
    told = merged(told, after, now="2026-03-05T00:00:00Z")
    assert [run.run for run in told[0].runs] == ["after-2", "after-1", "after-0"]


async def test_figures_by_somebodys_hand_teach_nothing_and_stop_nobody(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100)
    job = bench.cluster.object("TrainingJob", "first")
    assert run_of(job) is not None
    actual = job["status"]["estimate"]["actual"]
    for field, junk in (("speed", {"value": "fast", "unit": "tokens/s"}), ("unitsPerStep", "many"), ("ratio", "high")):
        spoiled = {**job["status"]["estimate"], "actual": {**actual, field: junk}}
        changed = job | {"status": {**job["status"], "estimate": spoiled}}
        assert (run_of(changed) is None) is (field != "ratio")
        assert (judged_now({}, changed) is None) is (field == "ratio" or "ratio" not in actual)


def test_a_measurement_that_cannot_be_read_is_forgotten() -> None:
    told = merged((), [fresh("first", "2026-03-01T00:00:00Z", 10.0)], now="2026-03-01T00:00:00Z")
    run = told[0].runs[0].model_copy(update={"units_per_second": "fast"})
    spoiled = told[0].model_copy(update={"runs": (run,)})
    (found,) = merged([spoiled], [fresh("second", "2026-03-02T00:00:00Z", 20.0)], now="2026-03-02T00:00:00Z")
    assert [run.run for run in found.runs] == ["second"]


async def test_nothing_is_written_when_nothing_changed(bench: Bench) -> None:
    await ran(bench, "first", held=130, paced_in=100)
    await submitted(bench, "second")
    before = len(bench.writer.writes)
    for _ in range(5):
        await bench.settle()
    assert len(bench.writer.writes) == before

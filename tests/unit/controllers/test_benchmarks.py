"""Standard loads become benchmarks of their pool, whatever only looks like one does not. In virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bench import SETTINGS, Bench, make_bench
from builders import Object, edited
from tables import table
from world import completed, due, failed, jobs, success

from hostler.api.benchmark import LABEL
from hostler.controllers.benchmarks import benchmark_of
from hostler.planning.benchmarks.loads import Load, loads
from hostler_contract import ErrorReason, Result
from hostler_contract.result import DatasetFacts, Pace

LOAD = loads()["bert-small-packed"]
UNITS = 400.0
"""Of a step: less than the 512 that there are places for."""
PRICE = {"amount": "3.60", "currency": "EUR", "source": "made up", "date": "2026-11-01"}


def standard(name: str = "benchmark", *, load: Load = LOAD, pool: str = "gpu") -> Object:
    """The job that `hostler bench` makes."""
    metadata = {"name": name, "namespace": "default", "labels": {LABEL: load.name}}
    spec = load.spec(pool=pool)
    return {"apiVersion": "hostler.dev/v1alpha1", "kind": "TrainingJob", "metadata": metadata, "spec": spec}


def said(*, seconds: float = 60.0, units: float = UNITS, sha256: str = LOAD.data.sha256) -> Result:
    """What the trainer says at the end."""
    pace = Pace(steps=60, seconds=seconds, units=60 * units, unit="tokens", precision="fp32", memory_bytes=2**30)
    facts = DatasetFacts(sha256=sha256, size_bytes=100, tokens=40)
    return success().model_copy(update={"pace": pace, "dataset": facts})


async def begun(bench: Bench, job: Object, *, attempt: int = 0) -> None:
    """The job's pods run for a minute and a half."""
    data = {"apiVersion": "v1", "kind": "ConfigMap", "data": {LOAD.data.key: "{}"}}
    name = job["spec"]["dataset"]["source"]["configMap"]["name"]
    bench.cluster.put(data | {"metadata": {"name": name, "namespace": "default"}})
    if attempt == 0:
        bench.cluster.put(job)
    await bench.settle()
    for pod in bench.cluster.make_pods(f"{job['metadata']['name']}-{attempt}", node="gpu-1"):
        bench.cluster.run(pod)
    await bench.settle()
    bench.cluster.clock.advance(90)


async def ran(bench: Bench, job: Object, result: Result | None = None) -> None:
    """The job from its creation to its end."""
    await begun(bench, job)
    await completed(bench, job["metadata"]["name"], result=result or said())


def pool(bench: Bench) -> Object:
    """What the pool's status says."""
    return bench.status("AcceleratorPool", "gpu")


def benchmarks(bench: Bench) -> list[Object]:
    """Those of the pool."""
    found: list[Object] = pool(bench).get("benchmarks", [])
    return found


async def priced(bench: Bench, **price: str) -> None:
    """The pool gets a price."""
    bench.cluster.put(edited(bench.cluster.object("AcceleratorPool", "gpu"), "spec.price", PRICE | price))
    await bench.settle()


async def test_a_standard_load_becomes_a_benchmark_of_its_pool(bench: Bench) -> None:
    await ran(bench, standard())
    (found,) = benchmarks(bench)
    assert found["load"] == "bert-small-packed"
    assert found["speed"] == {"value": "400", "unit": "tokens/s"}
    assert found["image"] == "registry/train:1"
    assert found["acceleratorType"] == "nvidia-a100-80"
    assert (found["shape"]["family"], found["shape"]["packed"], found["shape"]["devices"]) == ("bert", True, 1)
    assert found["simulated"]
    assert not found["outdated"]
    # Simulated devices draw no power, and a pool without a price costs nothing that anybody knows.
    assert not {"watts", "perWatt", "perCurrency"} & set(found)
    assert pool(bench)["measurements"] == []


async def test_a_price_says_what_one_of_the_currency_buys_now(bench: Bench) -> None:
    await ran(bench, standard())
    await priced(bench)
    (found,) = benchmarks(bench)
    assert found["costPerHour"] == {"amount": "3.60", "currency": "EUR"}
    assert found["perCurrency"] == {"value": "4e+05", "unit": "tokens/EUR"}
    await priced(bench, amount="7.20")
    assert benchmarks(bench)[0]["perCurrency"]["value"] == "2e+05"


def _with(path: str, value: Any) -> Object:
    return edited(standard(), path, value)


@table(
    ("job", "result"),
    {
        "the label alone, on a smaller network": (_with("spec.output.encoder.layers", 1), said()),
        "shorter rows": (_with("spec.training.contextLength", 32), said()),
        "another batch": (_with("spec.training.batchSize", 64), said()),
        "more cores": (_with("spec.resources.cpu", "8"), said()),
        "a load that nobody knows": (_with("metadata.labels", {LABEL: "bert-huge"}), said()),
        "the label of another load": (_with("metadata.labels", {LABEL: "bert-small-unpacked"}), said()),
        "no label": (_with("metadata.labels", {}), said()),
        "data of somebody's own under the right name": (standard(), said(sha256="c" * 64)),
        "more tokens than a step has places for": (standard(), said(units=513)),
    },
)
async def test_what_only_looks_like_one_is_none(job: Object, result: Result) -> None:
    bench = make_bench()
    await ran(bench, job, result)
    assert bench.condition("TrainingJob", "benchmark", "Succeeded")[0] == "True"
    assert benchmarks(bench) == []


@pytest.mark.parametrize("figure", ["nan", "inf", "0", "-1", "fast", "1e999"])
async def test_what_is_no_speed_is_no_benchmark(bench: Bench, figure: str) -> None:
    await ran(bench, standard())
    job = bench.cluster.object("TrainingJob", "benchmark")
    assert benchmark_of(job) is not None
    assert benchmark_of(edited(job, "status.estimate.actual.speed.value", figure)) is None


async def test_a_job_of_several_attempts_is_none(bench: Bench) -> None:
    await begun(bench, standard())
    await failed(bench, "benchmark", result=Result(succeeded=False, reason=ErrorReason.INTERNAL, message="it broke"))
    await due(bench, "benchmark")
    await begun(bench, standard(), attempt=1)
    await completed(bench, "benchmark", attempt=1, result=said())
    assert "benchmark-1" in jobs(bench)
    assert bench.condition("TrainingJob", "benchmark", "Succeeded")[0] == "True"
    assert benchmarks(bench) == []


async def test_what_does_not_touch_speed_is_free(bench: Bench) -> None:
    job = edited(standard(), "spec.ttlSecondsAfterFinished", 3600)
    job = edited(job, "spec.storage", {"size": "1Gi", "accessModes": ["ReadWriteOnce"]})
    await ran(bench, job)
    assert len(benchmarks(bench)) == 1


async def test_an_operator_that_starts_again_counts_none_twice(bench: Bench) -> None:
    await ran(bench, standard())
    before, writes = benchmarks(bench), len(bench.writer.writes)
    bench.restart()
    await bench.settle()
    assert benchmarks(bench) == before
    assert len(bench.writer.writes) == writes


async def test_the_newest_of_a_load_stays_and_loads_stand_beside_each_other(bench: Bench) -> None:
    await ran(bench, standard("one"), said(seconds=60))
    await ran(bench, standard("two"), said(seconds=30))
    await ran(bench, standard("three", load=loads()["bert-small-unpacked"]), said(seconds=80))
    assert [(each["load"], each["speed"]["value"]) for each in benchmarks(bench)] == [
        ("bert-small-unpacked", "300"),
        ("bert-small-packed", "800"),
    ]


async def test_a_benchmark_of_another_image_is_outdated_and_tells_nothing(bench: Bench) -> None:
    await ran(bench, standard())
    bench.restart(settings=replace(SETTINGS, train_image="registry/train:2"))
    await bench.settle()
    assert benchmarks(bench)[0]["outdated"]
    await begun(bench, _other())
    assert bench.status("TrainingJob", "other")["estimate"]["basis"] == "Unknown"


def _other() -> Object:
    job = edited(standard("other"), "metadata.labels", {})
    return edited(edited(job, "spec.training.batchSize", 16), "spec.output.encoder.layers", 4)


async def test_an_estimate_follows_from_it_until_something_is_measured(bench: Bench) -> None:
    await ran(bench, standard())
    await begun(bench, _other())
    told = bench.status("TrainingJob", "other")["estimate"]
    assert told["basis"] == "Benchmark"
    assert "What standard loads reached on this pool" in told["message"]
    # Twice the layers: about 60 % more operations, because of the vocabulary.
    assert float(told["speed"]["value"]) == pytest.approx(400 / 1.55, rel=0.15)
    await completed(bench, "other", result=said(units=800))
    await begun(bench, edited(_other(), "metadata.name", "again"))
    assert bench.status("TrainingJob", "again")["estimate"]["basis"] == "Measured"


async def test_who_has_not_begun_is_told_anew_once_there_is_a_benchmark(bench: Bench) -> None:
    bench.cluster.put(edited(_other(), "spec.accelerators.perPod", 4))
    await begun(bench, standard("first", load=loads()["bert-small-unpacked"]))
    before = bench.status("TrainingJob", "other")["estimate"]
    await completed(bench, "first", result=said())
    assert (before["basis"], bench.status("TrainingJob", "other")["estimate"]["basis"]) == ("Unknown", "Benchmark")

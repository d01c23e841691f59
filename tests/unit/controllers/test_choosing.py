"""Jobs that say what they need, on pools that differ in speed and price. In virtual time."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_pool, make_training_job
from tables import table
from unit.controllers.test_estimates import paced
from world import completed, jobs, states, submitted

SPEEDS = {"gpu": 100.0, "ipu": 250.0, "old": 900.0}
"""Seconds that 20 steps take on each pool."""
PRICES = {"gpu": "4.00", "ipu": "1.00", "old": "0.50"}
KINDS = {"gpu": "nvidia-a100-80", "ipu": "graphcore-c600", "old": "nvidia-v100"}
NODES = {"gpu": "gpu-1", "ipu": "ipu-1", "old": "old-1"}


def choosing(**fields: Any) -> dict[str, Any]:
    """Accelerators that are chosen."""
    return {"choose": fields, "perPod": 1}


def priced(bench: Bench) -> None:
    """Three pools with prices, which say nothing of how fast they are."""
    bench.cluster.node("old-1", labels={"hostler.dev/pool": "old", "hostler.dev/simulated": "true"}, devices={GPU: 4})
    for name, amount in PRICES.items():
        price = {"amount": amount, "currency": "EUR", "source": "a contract", "date": "2026-11-01"}
        bench.cluster.put(make_pool(name, acceleratorType=KINDS[name], price=price))


async def measured(bench: Bench, pool: str) -> None:
    """One run on a pool, so that its speed is known."""
    name = f"first-{pool}"
    bench.cluster.put(make_training_job(name, accelerators={"pool": pool}))
    await bench.settle()
    for pod in bench.cluster.make_pods(f"{name}-0", node=NODES[pool]):
        bench.cluster.run(pod)
    await bench.settle()
    bench.cluster.clock.advance(SPEEDS[pool] + 30)
    await completed(bench, name, result=paced(SPEEDS[pool]))


def choice(bench: Bench, name: str = "tiny") -> dict[str, Any]:
    """What status says."""
    found: dict[str, Any] = bench.status("TrainingJob", name).get("choice") or {}
    return found


@table(
    ("optimize", "want"),
    {
        "the cheapest by what runs have really cost": ("cost", "ipu"),
        "the fastest": ("time", "gpu"),
    },
)
async def test_the_choice_is_the_one_that_measuring_all_of_them_would_make(
    bench: Bench, optimize: str, want: str
) -> None:
    priced(bench)
    for pool in SPEEDS:
        await measured(bench, pool)
    await submitted(bench, accelerators=choosing(optimize=optimize))
    held = {pool: SPEEDS[pool] + 30 for pool in SPEEDS}
    spent = {pool: held[pool] * float(PRICES[pool]) for pool in SPEEDS}
    assert want == min(spent if optimize == "cost" else held, key=(spent if optimize == "cost" else held).__getitem__)
    assert choice(bench)["pool"] == want
    assert "tiny-0" in jobs(bench)
    assert bench.status("TrainingJob", "tiny")["placement"]["pool"] == want
    assert bench.job_config("tiny-0").accelerator == KINDS[want]


async def test_the_ranking_has_every_pool_with_its_reason(bench: Bench) -> None:
    priced(bench)
    for pool in SPEEDS:
        await measured(bench, pool)
    await submitted(bench, accelerators=choosing(classes=["gpu"]))
    ranking = {each["pool"]: each for each in choice(bench)["ranking"]}
    assert ranking["old"]["message"].startswith("Chosen: it costs 0.129 EUR")
    assert ranking["gpu"]["message"] == "It costs 0.144 EUR, 1.12 times as much."
    assert ranking["gpu"]["duration"] == "2m10s"
    assert ranking["gpu"]["startsIn"] == "0s"
    assert ranking["gpu"]["cost"] == {"amount": "0.1444", "currency": "EUR"}
    assert ranking["ipu"]["rejected"]
    assert "none of choose.classes" in ranking["ipu"]["message"]


async def test_where_nothing_fits_every_pool_says_why(bench: Bench) -> None:
    await submitted(bench, accelerators=choosing(memory="500Gi"))
    assert states(bench)["Accepted"] == ("False", "NoPoolFits")
    _, _, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert "gpu: nvidia-a100-80 has 80Gi, and choose.memory asks for 500Gi" in message
    assert jobs(bench) == []


async def test_a_pool_that_is_made_later_is_taken(bench: Bench) -> None:
    await submitted(bench, accelerators=choosing(types=["nvidia-v100"]))
    assert states(bench)["Accepted"] == ("False", "NoPoolFits")
    priced(bench)
    await bench.settle()
    assert choice(bench)["pool"] == "old"
    assert "tiny-0" in jobs(bench)


async def test_a_fault_of_the_job_is_told_as_one_and_not_once_for_each_pool(bench: Bench) -> None:
    data = {"source": {"pvc": {"claimName": "absent"}}}
    await submitted(bench, accelerators=choosing(), dataset=data)
    _, reason, message = bench.condition("TrainingJob", "tiny", "Accepted")
    assert reason == "NoPoolFits"
    assert message.count("absent") == 1


async def test_who_waits_for_a_full_pool_goes_where_it_is_done_sooner(bench: Bench) -> None:
    priced(bench)
    for pool in SPEEDS:
        await measured(bench, pool)
    for number in range(3):
        name = f"full-{number}"
        accelerators = {"pool": ("gpu", "ipu", "old")[number], "perPod": 4}
        bench.cluster.put(make_training_job(name, accelerators=accelerators, training={"steps": 2000}))
    await bench.settle()
    await submitted(bench, accelerators=choosing(optimize="time", types=["nvidia-a100-80", "nvidia-v100"]))
    assert choice(bench)["pool"] == "gpu"
    assert "tiny-0" not in jobs(bench)
    bench.cluster.remove(bench.cluster.object("TrainingJob", "full-2"))
    bench.cluster.clock.advance(60)
    await bench.settle()
    assert choice(bench)["pool"] == "old"
    assert "tiny-0" in jobs(bench)


async def test_who_has_begun_stays(bench: Bench) -> None:
    priced(bench)
    await measured(bench, "old")
    await submitted(bench, accelerators=choosing())
    assert choice(bench)["pool"] == "old"
    for pod in bench.cluster.make_pods("tiny-0", node="old-1"):
        bench.cluster.run(pod)
    await measured(bench, "ipu")
    await bench.settle()
    assert choice(bench)["pool"] == "old"


async def test_nothing_is_written_while_the_choice_stands(bench: Bench) -> None:
    priced(bench)
    bench.cluster.put(make_training_job("full", accelerators={"pool": "gpu", "perPod": 4}))
    await bench.settle()
    await submitted(bench, accelerators=choosing(types=["nvidia-a100-80"]))
    before = len(bench.writer.writes)
    for _ in range(3):
        bench.cluster.clock.advance(30)
        await bench.settle()
    assert len(bench.writer.writes) == before


async def test_an_operator_that_starts_again_does_not_choose_again(bench: Bench) -> None:
    priced(bench)
    await submitted(bench, accelerators=choosing())
    first = choice(bench)
    bench.restart()
    await bench.settle()
    assert choice(bench) == first

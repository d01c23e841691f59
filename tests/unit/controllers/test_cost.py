"""What jobs have cost: in their status, through crashes, and against what they may cost. In virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from bench import Bench, make_bench
from builders import make_pool, make_training_job
from crashing import settle_through_crash
from tables import table
from world import completed, due, failed, failure, progress, running, states, submitted, success, told

from hostler.cluster.store import Change
from hostler.planning import moments
from hostler_contract import ErrorReason

Object = dict[str, Any]
PRICE = {"amount": "3.60", "currency": "EUR", "source": "a contract", "date": "2026-01-01"}
LIMIT = {"maxCost": {"amount": "1.00", "currency": "EUR"}}
"""A thousand seconds of one device."""


@pytest.fixture
def priced(bench: Bench) -> Bench:
    """A pool of which a device costs a thousandth of a euro for a second."""
    bench.cluster.put(make_pool("gpu", price=PRICE))
    return bench


def cost(bench: Bench, name: str = "tiny") -> Object:
    """What a job's status says."""
    found: Object = bench.status("TrainingJob", name)["cost"]
    return found


async def test_devices_cost_from_their_reservation_to_the_end(priced: Bench) -> None:
    await submitted(priced)
    assert cost(priced)["perHour"] == {"amount": "3.60", "currency": "EUR"}
    priced.cluster.clock.advance(100)
    await running(priced)
    priced.cluster.clock.advance(500)
    await completed(priced)
    found = cost(priced)
    assert found["total"] == {"amount": "0.6", "currency": "EUR"}
    assert (found["deviceSeconds"], found["settledDeviceSeconds"]) == (600, 600)
    assert found["use"] == {"starting": 100, "training": 500, "saving": 0, "lost": 0, "waiting": 0}
    assert "hold" not in found
    priced.cluster.clock.advance(5000)
    await priced.settle()
    assert cost(priced) == found, "what has ended costs nothing any more"


async def test_several_devices_of_several_pods(priced: Bench) -> None:
    await running(priced, pods={"min": 2, "max": 2}, accelerators={"pool": "gpu", "perPod": 2})
    priced.cluster.clock.advance(100)
    await completed(priced)
    assert cost(priced)["deviceSeconds"] == 400
    assert cost(priced)["total"]["amount"] == "0.4"


async def test_steps_after_the_last_checkpoint_are_lost_and_waiting_for_the_next_attempt_costs(
    priced: Bench,
) -> None:
    (pod,) = await running(priced)
    priced.cluster.clock.advance(100)
    told(priced, pod, progress(10, checkpoint_step=8))
    await priced.settle()
    await failed(priced, result=failure(ErrorReason.INTERNAL))
    waited = cost(priced)["use"]["waiting"]
    assert waited > 0, "the seat is kept while it backs off"
    await running(priced, attempt=1)
    priced.cluster.clock.advance(100)
    await completed(priced, attempt=1)
    found = cost(priced)
    assert (found["use"]["lost"], found["use"]["training"]) == (20, 180)
    assert [(each["attempt"], each["training"], each["lost"]) for each in found["attempts"]] == [
        (0, 80, 20),
        (1, 100, 0),
    ]
    assert sum(found["use"].values()) == found["deviceSeconds"] == 200 + waited


async def test_who_is_suspended_pays_nothing(priced: Bench) -> None:
    await running(priced)
    priced.cluster.clock.advance(100)
    priced.cluster.edit("TrainingJob", "tiny", suspend=True)
    await priced.settle()
    for pod in priced.cluster.all("Pod"):
        priced.cluster.remove("Pod", pod["metadata"]["name"])
    await priced.settle()
    before = cost(priced)
    priced.cluster.clock.advance(10_000)
    priced.cluster.edit("TrainingJob", "tiny", suspend=False)
    await priced.settle()
    assert before["deviceSeconds"] == cost(priced)["deviceSeconds"] == 100
    assert "hold" in cost(priced), "the next attempt has a seat"


async def test_a_price_that_changes_counts_from_then_on(priced: Bench) -> None:
    (pod,) = await running(priced)
    priced.cluster.clock.advance(100)
    priced.cluster.edit("AcceleratorPool", "gpu", price=PRICE | {"amount": "36.00"})
    told(priced, pod, progress(10))
    await priced.settle()
    priced.cluster.clock.advance(100)
    await completed(priced)
    assert cost(priced)["total"] == {"amount": "1.10", "currency": "EUR"}


async def test_what_is_held_keeps_its_price_when_the_pool_is_deleted(priced: Bench) -> None:
    (pod,) = await running(priced)
    priced.cluster.clock.advance(100)
    priced.cluster.remove(priced.cluster.object("AcceleratorPool", "gpu", namespace=""))
    told(priced, pod, progress(10))
    await priced.settle()
    priced.cluster.clock.advance(100)
    await completed(priced)
    assert cost(priced)["total"] == {"amount": "0.2", "currency": "EUR"}


async def test_without_a_price_there_are_device_seconds(bench: Bench) -> None:
    await running(bench)
    bench.cluster.clock.advance(100)
    await completed(bench)
    assert cost(bench)["deviceSeconds"] == 100
    assert "total" not in cost(bench)


async def test_time_alone_is_no_reason_to_write(priced: Bench) -> None:
    await running(priced)
    before = len(priced.writer.writes)
    for _ in range(50):
        priced.cluster.clock.advance(90)
        await priced.settle()
    assert [write for write in priced.writer.writes[before:] if "TrainingJob" in write] == []


@dataclass
class Meter:
    """What the stored statuses say is held, added up by somebody who knows nothing of bills."""

    bench: Bench
    device_seconds: float = 0.0
    _since: str | None = None
    _devices: int = 0
    _seen: list[str] = field(default_factory=list)

    def __call__(self, change: Change) -> None:
        """An object was written."""
        obj = change.new
        if change.kind != "TrainingJob" or obj is None:
            return
        placement = (obj.get("status") or {}).get("placement") or {}
        ended = {c["type"] for c in (obj.get("status") or {}).get("conditions", ()) if c["status"] == "True"}
        nodes = [] if ended & {"Succeeded", "Stalled"} else placement.get("nodes", [])
        devices = sum(node["pods"] for node in nodes) * placement.get("perPod", 0)
        now = self.bench.cluster.clock.now()
        if self._since is not None:
            self.device_seconds += self._devices * moments.elapsed(self._since, now=now)
        self._since, self._devices = now, devices


async def _life(bench: Bench) -> Meter:
    """Of a job that fails, is suspended, and succeeds, through a crash."""
    meter = Meter(bench)
    bench.cluster.objects.listeners.append(meter)
    cluster = bench.cluster
    cluster.put(make_pool("gpu", price=PRICE))
    cluster.put(make_training_job("tiny", pods={"min": 2, "max": 2}))
    await settle_through_crash(bench)
    for number in range(3):
        cluster.clock.advance(7)
        for pod in cluster.make_pods(f"tiny-{number}", node="gpu-1"):
            cluster.run(pod)
        await settle_through_crash(bench)
        cluster.clock.advance(100)
        if number == 0:
            (first, *_) = cluster.pods_of(cluster.object("Job", "tiny-0"))
            cluster.end(first, result=failure(ErrorReason.INTERNAL), code=1)
            cluster.finish("tiny-0", "Failed")
        elif number == 1:
            cluster.edit("TrainingJob", "tiny", suspend=True)
            await settle_through_crash(bench)
            cluster.clock.advance(1000)
            cluster.edit("TrainingJob", "tiny", suspend=False)
        else:
            for pod in cluster.pods_of(cluster.object("Job", "tiny-2")):
                cluster.end(pod, result=success())
            cluster.finish("tiny-2", "Complete")
        await settle_through_crash(bench)
        cluster.clock.advance(10)
        await settle_through_crash(bench)
    return meter


async def test_a_crash_after_any_write_counts_nothing_twice_and_loses_nothing() -> None:
    clean = make_bench()
    meter = await _life(clean)
    found = cost(clean)
    assert found["deviceSeconds"] == meter.device_seconds > 600
    assert float(found["total"]["amount"]) == pytest.approx(meter.device_seconds / 1000, abs=0.005)
    for number, write in enumerate(clean.writer.writes, start=1):
        bench = make_bench()
        bench.writer.crash_after = number
        meter = await _life(bench)
        assert cost(bench)["deviceSeconds"] == meter.device_seconds, f"after write {number}: {write}"
        assert sum(cost(bench)["use"].values()) == meter.device_seconds


async def test_a_job_stops_with_a_checkpoint_before_it_costs_more_than_it_may(priced: Bench) -> None:
    (pod,) = await running(priced, **LIMIT)
    priced.cluster.clock.advance(900)
    told(priced, pod, progress(10, checkpoint_step=8))
    outcome = await priced.reconcile("TrainingJob", "tiny")
    assert outcome.requeue_after == 40, "a minute before, for a last checkpoint"
    priced.cluster.clock.advance(40)
    await priced.settle()
    assert states(priced)["Failed"] == ("True", "CostLimitReached")
    message = priced.condition("TrainingJob", "tiny", "Stalled")[2]
    assert message.startswith("it has cost 0.94 EUR, and spec.maxCost is 1.00 EUR.")
    assert "a larger spec.maxCost resumes it" in message
    assert float(cost(priced)["total"]["amount"]) <= 1.0


async def test_it_goes_on_when_the_limit_is_raised_and_not_before(priced: Bench) -> None:
    (pod,) = await running(priced, **LIMIT)
    priced.cluster.clock.advance(940)
    told(priced, pod, progress(10, checkpoint_step=8))
    await priced.settle()
    await priced.settle()
    priced.cluster.edit("TrainingJob", "tiny", ttlSecondsAfterFinished=100_000)
    await priced.settle()
    assert states(priced)["Failed"] == ("True", "CostLimitReached"), "another change is none of the limit"
    priced.cluster.edit("TrainingJob", "tiny", maxCost={"amount": "2.00", "currency": "EUR"})
    await priced.settle()
    await due(priced)
    await running(priced, attempt=1)
    assert states(priced)["Ready"] == ("True", "Training")
    priced.cluster.clock.advance(100)
    await completed(priced, attempt=1)
    assert states(priced)["Succeeded"][0] == "True"


async def test_a_job_stops_before_it_takes_longer_than_it_may(bench: Bench) -> None:
    await running(bench, maxDuration="10m")
    bench.cluster.clock.advance(539)
    await bench.settle()
    assert states(bench)["Ready"] == ("True", "Training")
    bench.cluster.clock.advance(1)
    await bench.settle()
    assert states(bench)["Failed"] == ("True", "DurationLimitReached")
    message = bench.condition("TrainingJob", "tiny", "Stalled")[2]
    assert "its attempts have taken 9m00s, and spec.maxDuration is 10m" in message
    bench.cluster.edit("TrainingJob", "tiny", maxDuration="1h")
    await bench.settle()
    await due(bench)
    await running(bench, attempt=1)
    assert states(bench)["Ready"] == ("True", "Training")


@table(
    ("price", "spec", "reason", "words"),
    {
        "a pool without a price": (None, LIMIT, "CostAboveLimit", "spec.maxCost: pool gpu has no price"),
        "another currency": (
            PRICE, {"maxCost": {"amount": "1", "currency": "USD"}}, "CostAboveLimit",
            "spec.maxCost.currency: the price of pool gpu is in EUR: give the limit in it",
        ),
    },
)  # fmt: skip
async def test_a_limit_that_nobody_could_keep_is_refused(
    bench: Bench, price: Object | None, spec: Object, reason: str, words: str
) -> None:
    bench.cluster.put(make_pool("gpu", **({"price": price} if price else {})))
    await submitted(bench, **spec)
    assert bench.condition("TrainingJob", "tiny", "Accepted")[:2] == ("False", reason)
    assert words in bench.condition("TrainingJob", "tiny", "Accepted")[2]
    assert bench.cluster.all("Job") == []


@pytest.fixture
async def measured(priced: Bench) -> Bench:
    """A pool on which the job has been run: 130 seconds of one device."""
    from unit.controllers.test_estimates import ran

    await ran(priced, "first", held=130, paced_in=100)
    return priced


@table(
    ("spec", "reason", "words"),
    {
        "it costs more": (
            {"maxCost": {"amount": "0.10", "currency": "EUR"}}, "CostAboveLimit",
            "spec.maxCost: 0.10 EUR is the most, and the job costs 0.13 EUR on pool gpu: raise it",
        ),
        "it takes longer": (
            {"maxDuration": "2m"}, "DurationAboveLimit",
            "spec.maxDuration: 2m is the most, and the job takes 2m10s on pool gpu: raise it",
        ),
        "it stays within both": ({"maxCost": {"amount": "0.20", "currency": "EUR"}, "maxDuration": "3m"}, "Valid", ""),
    },
)  # fmt: skip
async def test_what_is_expected_to_pass_a_limit_is_refused_with_both_figures(
    measured: Bench, spec: Object, reason: str, words: str
) -> None:
    await submitted(measured, "next", **spec)
    _, found, message = measured.condition("TrainingJob", "next", "Accepted")
    assert found == reason
    assert words in message
    assert (measured.cluster.find("Job", "next-0") is None) is bool(words)


async def test_a_limit_in_another_currency_holds_by_the_rate_that_the_job_gives(priced: Bench) -> None:
    rates = [{"currency": "EUR", "rate": "2", "date": "2026-01-01", "source": "a bank"}]
    choose = {"choose": {"types": ["nvidia-a100-80"], "currency": "USD", "rates": rates}}
    await running(priced, accelerators=choose, maxCost={"amount": "2.00", "currency": "USD"})
    priced.cluster.clock.advance(939)
    await priced.settle()
    assert states(priced)["Ready"] == ("True", "Training")
    priced.cluster.clock.advance(1)
    await priced.settle()
    assert states(priced)["Failed"] == ("True", "CostLimitReached")


async def test_a_pool_that_would_pass_the_limit_is_not_chosen(measured: Bench) -> None:
    choose = {"choose": {"types": ["nvidia-a100-80"]}}
    await submitted(measured, "next", accelerators=choose, maxCost={"amount": "0.10", "currency": "EUR"})
    message = measured.condition("TrainingJob", "next", "Accepted")[2]
    assert measured.condition("TrainingJob", "next", "Accepted")[:2] == ("False", "NoPoolFits")
    assert "0.10 EUR is the most, and the job costs 0.13 EUR on pool gpu" in message

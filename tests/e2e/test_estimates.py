"""What pools learn from the jobs that ran on them, on simulated devices of five types whose speeds nobody is told.

Each type gets a speed of its own from the device simulator. After one job on each pool, the next estimate there is
compared with what then happens, and the choice among them with the one that measuring all of them would make. Beside
them `hostler bench` runs the standard load of another family on two of the pools, and `hostler compare` says which is
how much faster.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders import make_pool, make_training_job
from click.testing import CliRunner
from patience import PATIENCE
from stack import Stack, condition, wait

from hostler.cli.main import main

NAMESPACE = "estimates"
NODE = "ipu-0"
ANNOTATION = "hostler.dev/simulated-accelerators"
SPEEDS = {
    "nvidia-a100-80": 1.0,
    "amd-mi300x": 0.7,
    "intel-gpu-max-1550": 0.5,
    "huawei-ascend910": 0.35,
    "graphcore-c600": 0.25,
}
"""Billions of operations in a second: far fewer than a core makes, so that it is not the machine that counts."""
PRICES = {
    "nvidia-a100-80": "40.00",
    "amd-mi300x": "9.00",
    "intel-gpu-max-1550": "16.00",
    "huawei-ascend910": "2.00",
    "graphcore-c600": "4.00",
}
"""For an hour, in euros."""
POOLS = {kind: f"five-{kind}" for kind in SPEEDS}
STEPS = 25
BENCHED = ("nvidia-a100-80", "amd-mi300x")
"""Of which the first is faster, and costs far more."""
CLOSE = 0.15
"""How wrong the estimate of a speed may be after one run of the shape."""


def job(name: str, accelerators: dict[str, Any]) -> dict[str, Any]:
    return make_training_job(
        name,
        namespace=NAMESPACE,
        training={"steps": STEPS, "batchSize": 8},
        accelerators=accelerators,
        resources={"cpu": "100m", "memory": "1Gi"},
    )


@dataclass
class Five:
    """What was seen."""

    first: dict[str, dict[str, Any]]
    """One job on each pool, by type."""
    second: dict[str, dict[str, Any]]
    """The same again, all of them at once."""
    chosen: dict[str, dict[str, Any]]
    """Jobs that name no pool, by what they ask for."""
    benched: dict[str, Any]
    """What `hostler bench` said, and where."""


@pytest.fixture(scope="module")
def five(stack: Stack, namespace: Callable[[str], str]) -> Iterator[Five]:
    """Five pools on one node; two rounds of jobs, and two jobs that choose."""
    namespace(NAMESPACE)
    before = _annotation(stack)
    wanted = [{"type": kind, "count": 4, "gigaflops": speed} for kind, speed in SPEEDS.items()]
    stack.tools.kubectl_run("annotate", "node", NODE, "--overwrite", f"{ANNOTATION}={json.dumps(wanted)}")
    stack.apply(*map(_pool, SPEEDS))
    for name in POOLS.values():
        stack.wait_condition("acceleratorpools", name, "Ready", "True")
    bench = None
    try:
        first = _run(stack, {kind: job(f"first-{kind}", {"pool": POOLS[kind]}) for kind in SPEEDS})
        wait(lambda: all(_measured(stack, kind) for kind in SPEEDS), what="every pool has written down its run")
        bench = _bench(stack)
        second = _run(stack, {kind: job(f"second-{kind}", {"pool": POOLS[kind]}) for kind in SPEEDS})
        among = {"types": list(SPEEDS)}
        chosen = _run(
            stack,
            {goal: job(f"chooses-{goal}", {"choose": {**among, "optimize": goal}}) for goal in ("cost", "time")},
        )
        said, complaint = bench.communicate(timeout=2 * PATIENCE)
        assert bench.returncode == 0, said + complaint
        yield Five(first, second, chosen, json.loads(said))
    finally:
        if bench is not None and bench.poll() is None:
            bench.kill()
            bench.wait()
        for name in POOLS.values():
            stack.tools.kubectl_run("delete", "acceleratorpool", name, "--wait=false")
        stack.tools.kubectl_run("annotate", "node", NODE, "--overwrite", f"{ANNOTATION}={before}")


def _annotation(stack: Stack) -> str:
    annotations = stack.api.get(f"/api/v1/nodes/{NODE}")["metadata"]["annotations"]
    return str(annotations[ANNOTATION])


def _pool(kind: str) -> dict[str, Any]:
    price = {"amount": PRICES[kind], "currency": "EUR", "source": "made up for a test", "date": "2026-11-01"}
    return make_pool(
        POOLS[kind],
        acceleratorType=kind,
        nodeSelector={"kubernetes.io/hostname": NODE},
        price=price,
    )


def _measured(stack: Stack, kind: str) -> bool:
    found = stack.get("acceleratorpools", POOLS[kind])
    return bool(found and found["status"].get("measurements"))


def _run(stack: Stack, jobs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All of them at once: the devices are so slow that they do not wait for cores."""
    stack.apply(*jobs.values())
    return {
        key: stack.wait_condition(
            "trainingjobs", obj["metadata"]["name"], "Succeeded", "True", namespace=NAMESPACE, timeout=2 * PATIENCE
        )
        for key, obj in jobs.items()
    }


def _bench(stack: Stack) -> subprocess.Popen[str]:
    """Beside everything else, as a person would."""
    program = Path(sys.executable).parent / "hostler"
    where = ["--namespace", NAMESPACE, "--kubeconfig", str(stack.tools.kubeconfig), "--output", "json"]
    pools = [part for kind in BENCHED for part in ("--pool", POOLS[kind])]
    command = [program, "bench", "--family", "bert", "--packing", "packed", *pools, *where]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _speed(obj: dict[str, Any]) -> float:
    return float(obj["status"]["estimate"]["actual"]["speed"]["value"])


def test_types_differ_as_they_were_made_to(five: Five) -> None:
    speeds = [_speed(five.first[kind]) for kind in SPEEDS]
    assert speeds == sorted(speeds, reverse=True), speeds
    assert speeds[0] > 2 * speeds[-1]


def test_nobody_knew_the_speed_of_the_first(five: Five) -> None:
    for kind, obj in five.first.items():
        assert obj["status"]["estimate"]["basis"] == "Unknown", kind


def test_the_second_was_told_what_then_happened(five: Five) -> None:
    off = {}
    for kind, obj in five.second.items():
        told = obj["status"]["estimate"]
        assert told["basis"] == "Measured", told
        off[kind] = abs(float(told["speed"]["value"]) / _speed(obj) - 1)
    assert statistics.median(off.values()) <= CLOSE, off


def test_estimate_and_what_happened_stand_side_by_side(stack: Stack, five: Five) -> None:
    told = five.second["graphcore-c600"]["status"]["estimate"]
    assert float(told["actual"]["ratio"]) > 0
    arguments = ["explain", "second-graphcore-c600", "-n", NAMESPACE, "--kubeconfig", str(stack.tools.kubeconfig)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert f"It takes {told['duration']['expected']}" in text
    assert f"It took {told['actual']['duration']}" in text


def test_the_cheapest_is_the_one_that_measuring_all_of_them_finds(five: Five) -> None:
    found = five.chosen["cost"]["status"]["choice"]
    ranking = [each for each in found["ranking"] if not each.get("rejected")]
    assert {each["acceleratorType"] for each in ranking} == set(SPEEDS)
    costs = {kind: float(PRICES[kind]) / _speed(five.first[kind]) for kind in SPEEDS}
    best = min(costs, key=costs.__getitem__)
    assert found["pool"] == POOLS[best], (costs, ranking)
    assert five.chosen["cost"]["status"]["placement"]["pool"] == POOLS[best]


def test_the_soonest_is_on_the_fastest(five: Five) -> None:
    assert five.chosen["time"]["status"]["choice"]["pool"] == POOLS["nvidia-a100-80"]


def test_what_they_have_cost_is_in_the_ledger_and_by_the_prices(stack: Stack, five: Five) -> None:
    def booked() -> dict[str, Any]:
        arguments = ["cost", "--by", "job", "-n", NAMESPACE, "--json", "--kubeconfig", str(stack.tools.kubeconfig)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return {row["job"]: row for row in json.loads(result.stdout)}

    for kind, obj in five.second.items():
        name, cost = f"{NAMESPACE}/second-{kind}", obj["status"]["cost"]
        seconds = cost["deviceSeconds"]
        assert seconds == sum(cost["use"].values())
        row = wait(partial(_row_of, booked, name, seconds), what=f"all of {name} is in the ledger", why=booked)
        assert float(row["cost"]["EUR"]) == pytest.approx(float(PRICES[kind]) * seconds / 3600, rel=0.01)
        assert cost["use"]["training"] > 0


def _row_of(booked: Callable[[], dict[str, Any]], name: str, seconds: int) -> dict[str, Any] | None:
    row = booked().get(name)
    return row if row is not None and row["deviceSeconds"] == seconds else None


def test_how_right_they_were_is_a_metric(stack: Stack, five: Five) -> None:
    assert condition(five.second["graphcore-c600"], "Succeeded")["status"] == "True"
    samples = stack.ask('sum(hostler_estimates_total{basis="Measured"}) >= 5')
    assert samples


def test_standard_loads_are_in_the_status_of_their_pools_and_leave_nothing(stack: Stack, five: Five) -> None:
    assert [each["pool"] for each in five.benched["loads"]] == [POOLS[kind] for kind in BENCHED]
    for each in five.benched["loads"]:
        (found,) = stack.get("acceleratorpools", each["pool"])["status"]["benchmarks"]
        assert found == each["benchmark"]
        assert (found["load"], found["simulated"], found["outdated"]) == ("bert-small-packed", True, False)
        assert found["perCurrency"]["unit"] == "tokens/EUR"
        wait(
            lambda job=each["job"]: stack.get("trainingjobs", job, namespace=NAMESPACE) is None, what="it is cleaned up"
        )


def test_compare_shows_the_larger_share_as_the_faster_by_as_much(stack: Stack, five: Five, tmp_path: Path) -> None:
    chart = tmp_path / "pools.svg"
    arguments = ["compare", "--family", "bert", "--kubeconfig", str(stack.tools.kubeconfig), "--chart", str(chart)]
    result = CliRunner().invoke(main, [*arguments, "--per", "device", "--output", "json"])
    assert result.exit_code == 0, result.output
    (load,) = json.loads(result.output)["loads"]
    assert [each["pool"] for each in load["pools"]] == [POOLS[kind] for kind in BENCHED]
    fast, slow = BENCHED
    assert load["pools"][1]["relative"] == pytest.approx(SPEEDS[slow] / SPEEDS[fast], rel=CLOSE)
    by_cost = json.loads(CliRunner().invoke(main, [*arguments, "--output", "json"]).output)["loads"][0]["pools"]
    assert [each["pool"] for each in by_cost] == [POOLS[slow], POOLS[fast]]
    assert POOLS[slow] in chart.read_text()

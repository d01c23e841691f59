"""`hostler pools` and `hostler accelerators` for people and for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import make_benchmark, make_pool
from click.testing import CliRunner
from kubernetes.aio.client import Configuration

from hostler.accelerators import accelerators
from hostler.cli import access
from hostler.cli import pools as command
from hostler.cli.main import main
from hostler.cluster.connection import Connection, ConnectionSetupError
from hostler.cluster.errors import NotFound

Object = dict[str, Any]

PRICE = {"amount": "2.79", "currency": "EUR", "source": "contract", "date": "2026-01-01"}


def ready_pool() -> Object:
    pool = make_pool("gpu", price=PRICE, quota={"accelerators": 3})
    condition = {"type": "Ready", "status": "True", "reason": "DevicesAvailable", "message": "4 on 1 node."}
    figures = {"capacity": 4, "inUse": 1, "reserved": 2, "unhealthy": 0, "largestFreeBlock": 3, "simulated": True}
    return pool | {"status": {"conditions": [condition], **figures}}


def run(monkeypatch: pytest.MonkeyPatch, answer: Any, *arguments: str) -> Any:
    async def connected(_kubeconfig: object) -> Connection:
        return Connection(Configuration(host="https://cluster.example"))

    async def listed(_access: object) -> list[Object]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(access, "connect", connected)
    monkeypatch.setattr(command, "_list_pools", listed)
    return CliRunner().invoke(main, ["pools", *arguments])


def test_a_pool_is_one_row_with_its_figures_and_its_price(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, [ready_pool()])
    header, row = (" ".join(line.split()) for line in result.output.splitlines())
    assert header == "POOL TYPE READY CAPACITY IN USE RESERVED UNHEALTHY LARGEST FREE QUOTA PRICE BENCHMARKS NOTE"
    assert row == "gpu nvidia-a100-80 True 4 1 2 0 3 3 2.79 EUR/h simulated."


def test_a_pool_shows_what_standard_loads_reached_and_what_is_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ready_pool()
    pool["status"]["benchmarks"] = [make_benchmark(speed=12345.6), make_benchmark(outdated=True)]
    assert "bert-small-packed 12,350 tokens/s; 1 outdated" in run(monkeypatch, [pool]).output
    (facts,) = json.loads(run(monkeypatch, [pool], "--json").output)
    assert [each.get("outdated") for each in facts["benchmarks"]] == [None, True]


def test_a_pool_that_is_not_ready_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ready_pool()
    pool["status"]["conditions"][0] |= {"status": "False", "message": "No node carries hostler.dev/pool=gpu."}
    assert "No node carries hostler.dev/pool=gpu." in run(monkeypatch, [pool]).output


def test_a_pool_that_nobody_has_looked_at_asks_for_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is the operator running?" in run(monkeypatch, [make_pool("gpu")]).output


def test_programs_get_json(monkeypatch: pytest.MonkeyPatch) -> None:
    (facts,) = json.loads(run(monkeypatch, [ready_pool()], "--json").output)
    assert (facts["name"], facts["capacity"], facts["price"]) == ("gpu", 4, PRICE)
    assert facts["nodes"] is None, "what is not known is null, not zero"


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (NotFound("the server could not find the requested resource", code=404), "Hostler's CRDs are not installed"),
        (ConnectionSetupError("no kubeconfig: set KUBECONFIG"), "no kubeconfig: set KUBECONFIG"),
    ],
)
def test_what_is_wrong_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, want: str) -> None:
    result = run(monkeypatch, error)
    assert result.exit_code == 1
    assert want in result.output
    assert "Traceback" not in result.output


def test_programs_get_failures_as_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, ConnectionSetupError("no kubeconfig"), "--json")
    assert (done.exit_code, json.loads(done.stdout), done.stderr) == (1, {"error": {"message": "no kubeconfig"}}, "")


def test_no_pools_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There are no AcceleratorPools" in run(monkeypatch, []).output


def test_every_accelerator_type_is_listed_with_both_verdicts() -> None:
    result = CliRunner().invoke(main, ["accelerators"])
    lines = {line.split()[0]: line for line in result.output.splitlines()[1:]}
    assert set(lines) == set(accelerators())
    assert "impossible" in lines["amd-alveo-v70"]
    facts = {entry["id"]: entry for entry in json.loads(CliRunner().invoke(main, ["accelerators", "--json"]).output)}
    assert facts["amd-alveo-v70"]["train"]["verdict"] == "impossible"
    assert facts["cpu"]["serve"]["verdict"] == "tested"


def test_a_family_that_does_not_exist_is_told_the_names() -> None:
    result = CliRunner().invoke(main, ["accelerators", "--family", "chatt"])
    assert result.exit_code == 2
    assert "chat, code" in result.output

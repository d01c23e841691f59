"""The chart on a real cluster: it works, it repeats, it needs no more rights than it has."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from stack import Stack, condition

from hostler.catalog import entries
from hostler.cli.main import main
from hostler.demo import install


def _uids(stack: Stack) -> set[str]:
    return {
        pod["metadata"]["uid"] for pod in stack.pods(install.NAMESPACE) if pod["metadata"]["name"] != "hostler-test"
    }


def test_helm_test_passes(stack: Stack) -> None:
    stack.tools.helm_run("test", install.RELEASE, "-n", install.NAMESPACE, "--timeout", "2m")


def test_installing_the_same_again_restarts_no_pod(stack: Stack) -> None:
    before = _uids(stack)
    install.install_hostler(stack.tools, stack.images, more=stack.values)
    assert _uids(stack) == before


@pytest.mark.parametrize("pool", install.POOLS)
def test_a_pool_counts_what_the_device_plugin_advertises(stack: Stack, pool: str) -> None:
    found = stack.wait_condition("acceleratorpools", pool, "Ready", "True")
    assert condition(found, "Ready")["reason"] == "DevicesAvailable"
    status = found["status"]
    assert (status["capacity"], status["allocatable"], status["unhealthy"]) == (4, 4, 0)
    assert status["largestFreeBlock"] == 4 - status["inUse"]
    assert status["simulated"] is True


def test_hostler_pools_shows_them(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stack.tools.kubeconfig))
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(main, ["pools"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for text in ("gpu", "ipu", "nvidia-a100-80", "graphcore-c600"):
        assert text in result.output


def test_kubectl_get_hostler_lists_the_category(stack: Stack) -> None:
    listed = stack.tools.kubectl_run("get", "hostler", "-A", "-o", "name")
    assert "acceleratorpool.hostler.dev/gpu" in listed
    assert "clustermodel" not in listed, "what could be is no news of what is"


def test_prometheus_scrapes_operator_and_exporters(stack: Stack) -> None:
    leaders = stack.ask("hostler_operator_leader == 1")
    assert len(leaders) == 1
    devices = stack.ask('count by (type, simulated) (hostler_accelerator_info{node!=""}) >= 4')
    assert {(sample.labels["type"], sample.labels["simulated"]) for sample in devices} == {
        ("nvidia-a100-80", "true"),
        ("graphcore-c600", "true"),
    }


def test_the_operator_was_never_refused_anything(stack: Stack) -> None:
    stack.ask("sum(hostler_operator_api_requests_total) > 0")
    refused = stack.ask('sum(hostler_operator_api_requests_total{code=~"401|403"}) or vector(0)')
    assert [sample.value for sample in refused] == [0.0]


def test_the_first_installation_brings_the_catalog_and_the_next_one_keeps_it(stack: Stack) -> None:
    """By a hook: Helm builds no object of a kind that the same release brings. Then it is taken over as it is."""

    def found() -> dict[str, tuple[str, dict[str, object]]]:
        text = stack.tools.kubectl_run("get", "clustermodels", "-o", "json")
        return {
            each["metadata"]["name"]: (each["metadata"]["uid"], each["spec"]["tuning"])
            for each in json.loads(text)["items"]
        }

    before = found()
    assert set(entries()) <= set(before)
    install.install_hostler(stack.tools, stack.images, more=stack.values)
    assert found() == before
    stack.wait_condition("clustermodels", "qwen3-8b", "Ready", "False")

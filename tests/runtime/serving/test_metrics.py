"""What Prometheus reads from a real server: the contract's names, labels and buckets, with values that add up."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
from patience import PATIENCE
from runtime.serving.replica import Replica
from runtime.serving.waiting import eventually

from hostler_contract import metrics as names

LABELS = {
    "namespace": "tests", "service": "tiny-service", "model": "tiny", "family": "chat", "task": "chat",
    "accelerator": "cpu", "revision": "rev-1",
}  # fmt: skip
HISTOGRAMS = {
    names.REQUEST_DURATION: names.REQUEST_BUCKETS,
    names.TIME_TO_FIRST_TOKEN: names.TIME_TO_FIRST_TOKEN_BUCKETS,
    names.INTER_TOKEN_LATENCY: names.INTER_TOKEN_LATENCY_BUCKETS,
    names.QUEUE_DURATION: names.REQUEST_BUCKETS,
    names.BATCH_SIZE: names.BATCH_SIZE_BUCKETS,
}
ASK: dict[str, Any] = {"model": "tiny", "prompt": "x", "max_tokens": 10, "temperature": 0}


def complete(replica: Replica) -> None:
    """One known request."""
    assert replica.post("v1/completions", json=ASK).status_code == 200


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_histograms_have_the_contract_s_labels_and_buckets(replica: Replica, name: str) -> None:
    complete(replica)
    buckets = replica.samples()[f"{name}_bucket"]
    labels = [{key: value for key, value in given.items() if key != "le"} for given, _ in buckets]
    extra = {names.CODE_LABEL: "200"} if name == names.REQUEST_DURATION else {}
    assert LABELS | extra in labels
    edges = sorted({float(given["le"]) for given, _ in buckets})
    assert edges == [*HISTOGRAMS[name], math.inf]


def test_gauges_and_counters_have_the_contract_s_labels(replica: Replica) -> None:
    samples = replica.samples()
    assert [labels for labels, _ in samples[names.REQUESTS_IN_FLIGHT]] == [LABELS]
    assert [labels for labels, _ in samples[names.TOKENS_TOTAL]] == [
        LABELS | {names.TOKEN_TYPE_LABEL: kind} for kind in ("input", "output")
    ]


def test_one_request_counts_once_and_its_times_add_up(replica: Replica) -> None:
    eventually(lambda: replica.value(names.REQUESTS_IN_FLIGHT) == 0, what="the server to be idle")

    def read() -> dict[str, float]:
        found = {f"{name}_{part}": replica.value(f"{name}_{part}") for name in HISTOGRAMS for part in ("count", "sum")}
        return found | {kind: replica.value(names.TOKENS_TOTAL, type=kind) for kind in ("input", "output")}

    before = read()
    complete(replica)
    grown = {name: value - before[name] for name, value in read().items()}
    assert grown[f"{names.REQUEST_DURATION}_count"] == 1
    assert grown[f"{names.TIME_TO_FIRST_TOKEN}_count"] == 1
    assert grown[f"{names.QUEUE_DURATION}_count"] == 1
    assert grown[f"{names.INTER_TOKEN_LATENCY}_count"] == 9
    assert grown[f"{names.BATCH_SIZE}_sum"] == 9
    assert (grown["input"], grown["output"]) == (1, 10)
    first, rest = grown[f"{names.TIME_TO_FIRST_TOKEN}_sum"], grown[f"{names.INTER_TOKEN_LATENCY}_sum"]
    assert 0 < grown[f"{names.QUEUE_DURATION}_sum"] < first
    assert first + rest <= grown[f"{names.REQUEST_DURATION}_sum"] < 5


def test_a_stream_is_in_flight_until_its_last_byte(replica: Replica) -> None:
    eventually(lambda: replica.value(names.REQUESTS_IN_FLIGHT) == 0, what="the server to be idle")
    body = ASK | {"stream": True, "max_tokens": 400}
    with (
        httpx.Client(timeout=PATIENCE) as http,
        http.stream("POST", f"{replica.url}/v1/completions", json=body) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        assert replica.value(names.REQUESTS_IN_FLIGHT) == 1
        list(lines)
    eventually(lambda: replica.value(names.REQUESTS_IN_FLIGHT) == 0, what="the stream to be over")


def test_errors_are_counted_by_code_and_requests_leave_no_labels(replica: Replica) -> None:
    before = replica.value(f"{names.REQUEST_DURATION}_count", code="404")
    for model in ("a", "b", "c"):
        assert replica.post("v1/completions", json=ASK | {"model": model}).status_code == 404
    replica.get("v1/unheard/of")
    assert replica.value(f"{names.REQUEST_DURATION}_count", code="404") == before + 3
    ours = [labels for name, found in replica.samples().items() if name.startswith("hostler_") for labels, _ in found]
    for labels in ours:
        assert {key: labels[key] for key in LABELS} == LABELS
        assert set(labels) - set(LABELS) <= {"le", names.CODE_LABEL, names.TOKEN_TYPE_LABEL}
        assert labels.get(names.CODE_LABEL, "200") in {"200", "400", "404", "405", "413", "499"}

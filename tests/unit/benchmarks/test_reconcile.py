"""What `make bench-reconcile` demands, counts and rewrites; the measuring itself needs a control plane."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "reconcile"


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """The benchmark's modules; it is a folder of scripts, so they go again afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        import audit
        import demands
        import measure
        import peers

        yield SimpleNamespace(audit=audit, demands=demands, measure=measure, peers=peers)
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
                del sys.modules[name]


def run(bench: SimpleNamespace, system: str, **changes: Any) -> Any:
    """A run of 100 jobs, of which nothing is remarkable."""
    usual = {
        "system": system, "load": bench.measure.Load(jobs=100), "pods": 100, "ended": 100, "all_pods": 10.0,
        "all_ended": 12.0, "to_pod_p50": 1.0, "to_pod_p95": 2.0, "cpu_ms_per_job": {system: 10.0, "apiserver": 50.0},
        "peak_mib": {system: 100.0}, "writes": {system: {"create jobs": 500, "create events": 300}},
        "foreign_cores": 0.0,
    }  # fmt: skip
    return bench.measure.Measured(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, []),
        ({"all_pods": 12.0}, ["times Trainer's"]),
        ({"all_pods": 26.0}, ["times Trainer's", "times plain Jobs'"]),
        ({"cpu_ms_per_job": {"hostler": 12.0}}, ["CPU of a job"]),
        ({"writes": {"hostler": {"patch trainingjobs/status": 601}}}, ["writes for a job"]),
        ({"writes": {"hostler": {"create events": 900, "patch models/status": 900}}}, []),
        ({"died": "hostler ended with 1", "ended": 60}, ["operators that ended", "jobs that ended well"]),
    ],
    ids=[
        "all holds", "not fast enough beside Trainer", "nor beside plain Jobs", "too dear", "too many writes",
        "Events and Models are not counted", "it ended in the middle",
    ],
)  # fmt: skip
def test_demands_at_a_burst(changes: dict[str, Any], missed: list[str], bench: SimpleNamespace) -> None:
    trainer = run(bench, "trainer", all_pods=33.0, cpu_ms_per_job={"trainer": 44.0})
    runs = [run(bench, "job", all_pods=10.0), trainer, run(bench, "hostler", **changes)]
    found = [demand.what for demand in bench.demands.judge(runs) if not demand.holds]
    assert len(found) == len(missed)
    assert all(words in what for words, what in zip(missed, found, strict=True))


def test_latency_is_demanded_where_nothing_queues(bench: SimpleNamespace) -> None:
    load = bench.measure.Load(jobs=60, rate=4.0)
    floor = run(bench, "job", load=load, ended=60, to_pod_p95=0.02)
    for p95, holds in ((0.079, True), (0.081, False)):
        ours = run(bench, "hostler", load=load, ended=60, to_pod_p95=p95)
        assert all(demand.holds for demand in bench.demands.judge([floor, ours])) is holds


def test_what_was_not_measured_is_not_demanded(bench: SimpleNamespace) -> None:
    assert bench.demands.judge([run(bench, "job"), run(bench, "trainer")]) == []


def test_writes_are_counted_by_user_verb_and_resource(tmp_path: Path, bench: SimpleNamespace) -> None:
    def line(user: str, verb: str, resource: str, *, sub: str = "", code: int = 200) -> str:
        target = {"resource": resource, "subresource": sub} if sub else {"resource": resource}
        return json.dumps(
            {"user": {"username": user}, "verb": verb, "objectRef": target, "responseStatus": {"code": code}}
        )

    log = tmp_path / "audit.log"
    log.write_text(line("hostler", "create", "jobs") + "\n")
    mark = bench.audit.size(log)
    with log.open("a") as file:
        lines = (
            line("hostler", "patch", "jobs", sub="status"), line("hostler", "patch", "jobs", sub="status"),
            line("hostler", "create", "jobs", code=409), line("trainer", "create", "pods"), '{"cut": ',
        )  # fmt: skip
        file.write("\n".join(lines))
    found = bench.audit.writes(log, since=mark)
    assert found == {"hostler": {"patch jobs/status": 2, "create jobs !409": 1}, "trainer": {"create pods": 1}}


def test_a_webhook_is_called_at_this_machine(bench: SimpleNamespace) -> None:
    service = {"service": {"name": "webhook", "namespace": "system", "path": "/mutate"}}
    manifest = {
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "hooks", "namespace": "system"},
        "webhooks": [{"name": "a", "clientConfig": service, "failurePolicy": "Fail"}],
    }
    moved = bench.peers.at_url(manifest, port=7, authority="Q0E=", prefix="peer")
    assert moved["metadata"] == {"name": "peer-hooks"}
    client = {"url": "https://127.0.0.1:7/mutate", "caBundle": "Q0E="}
    assert moved["webhooks"] == [{"name": "a", "clientConfig": client, "failurePolicy": "Fail"}]
    assert manifest["webhooks"][0]["clientConfig"] == service, "what was given is unchanged"

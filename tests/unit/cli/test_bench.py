"""`hostler bench`: what is run where, what is written and what is left behind; against an API server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from builders import Object, make_benchmark, make_pool, make_training_job
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KubeServer

from hostler.api.benchmark import LABEL
from hostler.cli import bench as command
from hostler.cli import benchrun
from hostler.cli.access import Access
from hostler.cli.benchplan import Planned, Wish, planned
from hostler.cli.benchrun import Outcome, Terms, doing, run_all
from hostler.cli.main import main
from hostler.cluster.client import Client
from hostler.cluster.errors import Conflict, NotFound
from hostler.cluster.resources import Resource
from hostler.planning.benchmarks.loads import loads

LOAD = loads()["bert-small-packed"]
PLANNED = Planned(load=LOAD, pool="gpu", per_pod=1)


def pool(name: str = "gpu", kind: str = "nvidia-a100-80", *, capacity: int = 4, **spec: Any) -> Object:
    status = {"capacity": capacity, "simulated": True}
    return make_pool(name, acceleratorType=kind, **spec) | {"status": status}


@table(
    ("pools", "wish", "run"),
    {
        "both ways of a family that packs": (
            [pool()],
            Wish(families=["bert"]),
            [("gpu", "bert-small-packed", 1), ("gpu", "bert-small-unpacked", 1)],
        ),
        "one of them": (
            [pool()],
            Wish(families=["bert"], variants=["packed"], size="base"),
            [("gpu", "bert-base-packed", 1)],
        ),
        "a type that comes in fours": (
            [pool("tpu", "google-tpu-v4")],
            Wish(families=["chat"], variants=["packed"]),
            [("tpu", "chat-small-packed", 4)],
        ),
    },
)
def test_what_is_run(pools: list[Object], wish: Wish, run: list[tuple[str, str, int]]) -> None:
    assert [(each.pool, each.load.name, each.per_pod) for each in planned(pools, wish)[0]] == run


@table(
    ("left", "why"),
    {
        "a type that nobody describes": (pool(kind="acme-1"), "no registry file describes its type acme-1"),
        "one that cannot train": (pool(kind="aws-inferentia2"), "inference"),
        "an empty pool": (pool(capacity=0), "it has 0 accelerators, and the load takes 1"),
        "one that nobody has looked at": (make_pool("gpu"), "is it running?"),
    },
)
def test_what_is_left_out_and_why(left: Object, why: str) -> None:
    run, out = planned([left], Wish(families=["bert"]))
    assert run == []
    assert why in out[0].why


def test_names_are_the_same_every_time_and_short_enough() -> None:
    long = Planned(load=LOAD, pool="a-pool-whose-name-is-as-long-as-it-may-be-and-longer", per_pod=1)
    other = Planned(load=LOAD, pool="a-pool-whose-name-is-as-long-as-it-may-be-and-another", per_pod=1)
    assert PLANNED.name == "benchmark-bert-small-packed-gpu"
    assert len(long.name) <= 52
    assert long.name != other.name


class Cluster:
    """Objects by kind and name; a job that is created ends as ``ends`` says, at the next look."""

    def __init__(self, ends: Callable[[Object], None]) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.created: list[Object] = []
        self._ends = ends
        self.put(pool() | {"kind": "AcceleratorPool"})

    def put(self, obj: Object) -> Object:
        obj["metadata"].setdefault("uid", f"uid-{len(self.objects)}-{obj['metadata']['name']}")
        self.objects[obj["kind"], obj["metadata"]["name"]] = obj
        return obj

    async def create(self, body: Object, **_: Any) -> Object:
        if (body["kind"], body["metadata"]["name"]) in self.objects:
            raise Conflict("it exists")
        self.created.append(body)
        return self.put(body)

    async def get(self, resource: Resource, *, namespace: str = "", name: str) -> Object:
        await asyncio.sleep(0)
        found = self.objects.get((resource.kind, name))
        if found is None:
            raise NotFound(f'things "{name}" not found')
        if resource.kind == "TrainingJob" and found in self.created:
            self._ends(found)
            self.work(found)
        return found

    async def list(self, resource: Resource, **_: Any) -> Any:
        return SimpleNamespace(items=[obj for (kind, _), obj in self.objects.items() if kind == resource.kind])

    async def delete(self, resource: Resource, *, namespace: str, name: str, uid: str) -> None:
        if (resource.kind, name) not in self.objects:
            raise NotFound("gone")
        assert self.objects[resource.kind, name]["metadata"]["uid"] == uid
        del self.objects[resource.kind, name]

    def work(self, job: Object) -> None:
        """What the operator does with a benchmark that has succeeded."""
        if any(each["type"] == "Succeeded" for each in job["status"]["conditions"]):
            name = job["metadata"]["name"]
            lineage = {"trainingJob": name}
            self.put({"kind": "Model", "metadata": {"name": name}, "spec": {"lineage": lineage}})
            found = make_benchmark(run=job["metadata"]["uid"])
            self.objects["AcceleratorPool", "gpu"]["status"]["benchmarks"] = [found]

    def names(self) -> set[tuple[str, str]]:
        return {key for key in self.objects if key[0] != "AcceleratorPool"}


def ended(kind: str, status: str, message: str = "") -> Callable[[Object], None]:
    def end(job: Object) -> None:
        conditions = [{"type": "Ready", "status": "False", "reason": "Ended", "message": message}]
        job["status"] = {"conditions": [*conditions, {"type": kind, "status": status, "message": message}]}

    return end


SUCCEEDED = ended("Succeeded", "True")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchrun, "_PAUSE", 0.0)
    monkeypatch.setattr(benchrun, "_TAKEN_OVER_SECONDS", 0.05)


async def ran(cluster: Cluster, *, keep: bool = False, timeout: float = 60.0) -> tuple[Outcome, list[str]]:
    told: list[str] = []
    terms = Terms(keep=keep, storage_class=None, timeout=timeout, tell=lambda _, text: told.append(text))
    access = Access(client=cast(Client, cluster), connection=cast(Any, None), namespace="team-a")
    (outcome,) = await run_all(access, [PLANNED], terms)
    return outcome, told


async def test_a_load_runs_its_figure_is_the_pools_and_nothing_is_left() -> None:
    cluster = Cluster(SUCCEEDED)
    outcome, told = await ran(cluster)
    assert outcome.benchmark is not None
    assert told[-1] == "400 tokens/s"
    config_map, job = cluster.created
    assert job["metadata"]["labels"] == {LABEL: "bert-small-packed"}
    assert job["metadata"]["ownerReferences"][0]["uid"] == config_map["metadata"]["uid"]
    assert cluster.names() == set()


async def test_what_is_kept_is_kept() -> None:
    cluster = Cluster(SUCCEEDED)
    await ran(cluster, keep=True)
    assert {kind for kind, _ in cluster.names()} == {"ConfigMap", "TrainingJob", "Model"}
    # The next run makes room for itself.
    outcome, _ = await ran(cluster, keep=True)
    assert outcome.benchmark is not None
    assert len([each for each in cluster.created if each["kind"] == "TrainingJob"]) == 2


async def test_data_that_others_read_stays() -> None:
    cluster = Cluster(SUCCEEDED)
    config_map = cluster.put(PLANNED.config_map(namespace="team-a"))
    owner = {key: config_map["metadata"][key] for key in ("name", "uid")}
    cluster.put({"kind": "TrainingJob", "metadata": {"name": "others", "ownerReferences": [owner]}, "spec": {}})
    await ran(cluster)
    assert {kind for kind, _ in cluster.names()} == {"ConfigMap", "TrainingJob"}


@table(
    ("ends", "why"),
    {
        "refused": (ended("Accepted", "False", "Pool gpu is too small."), "Pool gpu is too small."),
        "failed": (ended("Stalled", "True", "It broke 4 times."), "It broke 4 times."),
    },
)
async def test_a_load_without_a_figure_says_why_and_leaves_nothing(ends: Callable[[Object], None], why: str) -> None:
    cluster = Cluster(ends)
    outcome, _ = await ran(cluster)
    assert (outcome.benchmark, outcome.why) == (None, why)
    assert cluster.names() == set()


async def test_a_load_that_takes_too_long_is_given_up() -> None:
    outcome, _ = await ran(Cluster(ended("Ready", "False")), timeout=0.02)
    assert "has not ended in 0.02 s" in outcome.why


async def test_what_the_operator_does_not_take_over_is_told() -> None:
    cluster = Cluster(SUCCEEDED)
    cluster.work = lambda job: None  # type: ignore[method-assign]
    assert "its pool has no benchmark of it" in (await ran(cluster))[0].why


async def test_what_somebody_else_has_waited_for_and_cleaned_up_counts() -> None:
    cluster = Cluster(ended("Ready", "False"))

    def elsewhere(job: Object) -> None:
        cluster.objects["AcceleratorPool", "gpu"]["status"]["benchmarks"] = [make_benchmark(run=job["metadata"]["uid"])]
        del cluster.objects["TrainingJob", PLANNED.name]

    cluster.work = elsewhere  # type: ignore[method-assign]
    assert (await ran(cluster))[0].benchmark is not None


async def test_a_job_that_is_deleted_meanwhile_is_told() -> None:
    cluster = Cluster(ended("Ready", "False"))
    cluster.work = lambda job: cluster.objects.pop(("TrainingJob", PLANNED.name))  # type: ignore[method-assign]
    assert (await ran(cluster))[0].why == "somebody has deleted the job while it ran"


async def test_a_job_of_somebody_else_under_that_name_is_left_alone() -> None:
    cluster = Cluster(SUCCEEDED)
    cluster.put(make_training_job(PLANNED.name))
    assert "is none of hostler bench" in (await ran(cluster))[0].why
    assert ("TrainingJob", PLANNED.name) in cluster.names()


async def test_other_data_under_that_name_is_told() -> None:
    cluster = Cluster(SUCCEEDED)
    cluster.put(PLANNED.config_map(namespace="team-a") | {"binaryData": {"data.jsonl": "e30K"}})
    with pytest.raises(Exception, match="has other data than the standard load"):
        await ran(cluster)


@table(
    ("status", "text"),
    {
        "nothing yet": ({}, "Submitted"),
        "in line": ({"conditions": [{"type": "Ready", "reason": "WaitingForCapacity"}]}, "WaitingForCapacity"),
        "under way": (
            {"progress": {"step": 5, "totalSteps": 60, "speed": {"value": "1234", "unit": "tokens/s"}}},
            "step 5 of 60, 1,234 tokens/s",
        ),
    },
)
def test_the_live_line_says_what_it_does(status: Object, text: str) -> None:
    assert doing({"status": status}) == text


def run(kube: KubeServer, *arguments: str) -> Any:
    kube.put(pool(), pool("empty", capacity=0), plurals="acceleratorpools")
    return CliRunner().invoke(main, ["bench", *arguments])


def test_a_dry_run_lets_the_server_check_and_keeps_nothing(kube: KubeServer) -> None:
    result = run(kube, "--family", "bert", "--packing", "packed", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "would run bert-small-packed on pool gpu as TrainingJob benchmark-bert-small-packed-gpu" in result.output
    assert "empty: bert is not run: it has 0 accelerators" in result.output
    ((method, path, query, body),) = [request for request in kube.requests if request[0] != "GET"]
    assert (method, query["dryRun"]) == ("POST", "All")
    assert path.endswith("/namespaces/team-a/trainingjobs")
    assert body["spec"]["accelerators"] == {"pool": "gpu", "perPod": 1}


def test_who_stops_the_command_is_told_that_jobs_go_on(kube: KubeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_all", interrupted)
    result = run(kube, "--family", "bert")
    assert result.exit_code == 1
    assert "the jobs go on, and the same command waits for them again" in result.output


@table(
    ("arguments", "code", "message"),
    {
        "a family without a load": (("--family", "custom"), 2, "'custom' has no standard load; there are bert, chat"),
        "a pool that is not there": (("--pool", "gqu"), 1, "there is no pool gqu; there are empty, gpu"),
        "a pool that holds none": (("--pool", "empty"), 1, "No pool can hold any of the loads."),
    },
)
def test_what_cannot_be_run_is_told(kube: KubeServer, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(kube, *arguments)
    assert (result.exit_code, message in " ".join(result.output.split())) == (code, True), result.output

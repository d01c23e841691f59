"""Pools count what nodes offer, models look for their claim."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_cluster_model, make_model, make_pool
from tables import table
from world import submitted

from hostler.cluster.store import Change
from hostler.controllers.ports import Key

Spec = dict[str, Any]
LABELS = {"hostler.dev/pool": "gpu"}


async def test_a_pool_counts_every_pod_that_holds_devices(bench: Bench) -> None:
    bench.cluster.node("gpu-2", labels=LABELS, devices={GPU: 8})
    bench.cluster.stranger("one", node="gpu-1", requests={GPU: "3"})
    bench.cluster.stranger("two", node="gpu-2", requests={GPU: "2"})
    ended = bench.cluster.stranger("ended", node="gpu-2", requests={GPU: "4"})
    bench.cluster.set_status(ended, phase="Succeeded")
    await bench.settle()
    status = bench.status("AcceleratorPool", "gpu")
    figures = ("nodes", "capacity", "allocatable", "inUse", "unhealthy", "largestFreeBlock")
    assert [status[name] for name in figures] == [2, 12, 12, 5, 0, 6]
    assert bench.condition("AcceleratorPool", "gpu", "Ready") == (
        "True",
        "DevicesAvailable",
        f"12 {GPU} on 2 nodes.",
    )


@table(
    ("node", "pool", "want_reason", "want_words", "want_figures"),
    {
        "a node that is not ready takes its devices away": (
            {"devices": {GPU: 4}, "ready": False},
            {},
            "NodesNotReady",
            "Takes no pods: node gpu-1 is not ready.",
            (4, 0, 4),
        ),
        "a cordoned node": (
            {"devices": {GPU: 4}, "unschedulable": True},
            {},
            "NodesNotReady",
            "Takes no pods: node gpu-1 is cordoned.",
            (4, 0, 4),
        ),
        "a taint that nobody tolerates": (
            {"devices": {GPU: 4}, "taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]},
            {},
            "NodesNotReady",
            "node gpu-1 has the taint team:NoSchedule, which the pool does not tolerate.",
            (4, 0, 4),
        ),
        "a taint that the pool tolerates": (
            {"devices": {GPU: 4}, "taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]},
            {"tolerations": [{"key": "team", "operator": "Equal", "value": "a"}]},
            "DevicesAvailable",
            "4 nvidia.com/gpu",
            (4, 4, 0),
        ),
        "a taint that the type usually carries": (
            {"devices": {GPU: 4}, "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
            {},
            "DevicesAvailable",
            "4 nvidia.com/gpu",
            (4, 4, 0),
        ),
        "devices that are there and not healthy": (
            {"devices": {GPU: 4}, "healthy": {GPU: 3}},
            {},
            "DevicesUnhealthy",
            "nvidia.com/gpu not healthy: 1 on node gpu-1.",
            (4, 3, 1),
        ),
        "a node that advertises nothing": (
            {},
            {},
            "DevicesMissing",
            "1 node advertises no nvidia.com/gpu: gpu-1. Does the device plugin run there?",
            (0, 0, 0),
        ),
        "fewer devices than promised": (
            {"devices": {GPU: 4}},
            {"expectedAccelerators": 8},
            "DevicesMissing",
            "4 of 8 expected nvidia.com/gpu are there, on 1 node: add nodes, or lower spec.expectedAccelerators.",
            (4, 4, 0),
        ),
        "a selector that no node matches": (
            {"devices": {GPU: 4}},
            {"nodeSelector": {"hostler.dev/pool": "elsewhere"}},
            "NoMatchingNodes",
            "No node carries hostler.dev/pool=elsewhere: label nodes so, or change spec.nodeSelector.",
            (0, 0, 0),
        ),
        "a type that nobody knows": (
            {"devices": {GPU: 4}},
            {"acceleratorType": "nvidia-a100-8"},
            "UnknownAcceleratorType",
            "did you mean",
            (0, 0, 0),
        ),
        "a type whose resource depends on the installation": (
            {"devices": {GPU: 4}},
            {"acceleratorType": "amd-alveo-v70"},
            "ResourceNameRequired",
            "spec.resourceName: amd-alveo-v70 has no fixed resource name",
            (0, 0, 0),
        ),
    },
)
async def test_a_pool_says_what_is_wrong_with_its_devices(
    bench: Bench, node: Spec, pool: Spec, want_reason: str, want_words: str, want_figures: tuple[int, int, int]
) -> None:
    bench.cluster.node("gpu-1", labels=LABELS, **node)
    bench.cluster.put(make_pool("gpu", **pool))
    await bench.settle()
    status, reason, message = bench.condition("AcceleratorPool", "gpu", "Ready")
    assert (status, reason) == ("True" if want_reason == "DevicesAvailable" else "False", want_reason)
    assert want_words in message
    found = bench.status("AcceleratorPool", "gpu")
    assert (found["capacity"], found["allocatable"], found["unhealthy"]) == want_figures


async def test_a_cpu_pool_counts_cores_that_nodes_offer(bench: Bench) -> None:
    bench.cluster.node("cpu-1", labels={"hostler.dev/pool": "cpu"}, cpu="3900m", memory="8Gi")
    bench.cluster.put(make_pool("cpu", acceleratorType="cpu"))
    bench.cluster.stranger("small", node="cpu-1", requests={"cpu": "100m"})
    await bench.settle()
    status = bench.status("AcceleratorPool", "cpu")
    assert [status[name] for name in ("capacity", "inUse", "largestFreeBlock", "unhealthy")] == [3, 1, 3, 0]
    assert "resourceName" not in status


async def test_a_pool_follows_its_nodes_and_their_pods(bench: Bench) -> None:
    bench.moved.clear()
    bench.cluster.stranger("one", node="gpu-1", requests={GPU: "1"})
    assert bench.moved == {"gpu"}
    bench.moved.clear()
    bench.cluster.node("gpu-1", labels={"hostler.dev/pool": "ipu"})
    assert bench.moved == {"gpu", "ipu"}, "a node has left a pool"


async def test_a_pools_status_is_no_news_of_its_nodes(bench: Bench) -> None:
    """One write of it once woke every job and service on it, finished ones too."""
    await submitted(bench)
    bench.moved.clear()
    pool = bench.cluster.object("AcceleratorPool", "gpu")
    again = {**pool, "status": {**pool["status"], "inUse": 3}}
    woken = [key for each in bench.controllers.values() for key in each.affected(Change(pool["kind"], pool, again))]
    assert woken == [Key("AcceleratorPool", "", "gpu")] * 2
    assert bench.moved == set()


async def test_a_model_is_ready_when_its_claim_is_there(bench: Bench) -> None:
    model = bench.cluster.put(make_model("tiny"))
    await bench.settle()
    assert bench.condition("Model", "tiny", "Ready") == (
        "False",
        "ArtifactsMissing",
        "There is no claim tiny in namespace default: create or restore it.",
    )
    claim = bench.cluster.claim("tiny")
    assert [key.name for key in bench.controllers["Model"].affected(Change("PersistentVolumeClaim", None, claim))] == [
        "tiny"
    ]
    await bench.settle()
    assert bench.condition("Model", "tiny", "Ready") == (
        "True",
        "ArtifactsAvailable",
        "The artifacts are on claim tiny, artifacts.",
    )
    assert model["kind"] == "Model"


async def test_a_catalog_entry_of_a_config_map_says_that_nothing_can_serve_it(bench: Bench) -> None:
    source = {"configMap": {"name": "models", "key": "tiny"}}
    bench.cluster.put(make_cluster_model("catalog", artifacts={"source": source}))
    await bench.settle()
    assert bench.condition("ClusterModel", "catalog", "Ready") == (
        "False",
        "SourceNotSupported",
        "spec.artifacts.source.configMap: this release serves from pvc or hf or http or s3 or oci only.",
    )


async def test_fifty_resyncs_write_nothing(bench: Bench) -> None:
    bench.cluster.put(make_model("tiny"))
    await bench.settle()
    before = list(bench.writer.writes)
    for _ in range(50):
        bench.cluster.clock.advance(30)
        await bench.settle()
    assert bench.writer.writes == before

"""Pods go to nodes that can mount the volumes of all claims that they mount."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench, make_bench
from builders import make_inference_service, make_model, make_training_job
from tables import table
from world import failed, running, states

from hostler.api.common import MOST_PODS
from hostler.api.placement import NodeSeats, Placement

Object = dict[str, Any]


def two_nodes() -> Bench:
    """``gpu-0`` is the tighter fit; the disk is on ``gpu-1``."""
    bench = make_bench()
    bench.cluster.node("gpu-0", labels={"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}, devices={GPU: 2})
    return bench


def on_disk(bench: Bench, claim: str, *, node: str = "gpu-1", bound: bool = True) -> None:
    """A claim, with a volume on a disk of one node."""
    term = {"matchExpressions": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    fields = {"matchFields": term["matchExpressions"]}
    bench.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"disk-of-{claim}"},
            "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [fields]}}},
        }
    )
    found = bench.cluster.claim(claim)
    spec = {"accessModes": ["ReadWriteMany"]} | ({"volumeName": f"disk-of-{claim}"} if bound else {})
    bench.cluster.put(found | {"spec": spec, "status": {"phase": "Bound" if bound else "Pending"}})


def nodes(bench: Bench, kind: str, name: str = "tiny") -> list[str]:
    return [seat["name"] for seat in bench.status(kind, name).get("placement", {}).get("nodes", [])]


async def test_without_a_disk_the_tighter_node_is_taken() -> None:
    bench = two_nodes()
    bench.cluster.put(make_training_job("job", storage={"claimName": "work"}))
    bench.cluster.claim("work")
    await bench.settle()
    assert nodes(bench, "TrainingJob", "job") == ["gpu-0"]


@table(
    ("claim", "spec"),
    {
        "the workspace": ("work", {"storage": {"claimName": "work"}}),
        "the data": ("data", {"dataset": {"source": {"pvc": {"claimName": "data"}}, "format": "text"}}),
        "the claim of an earlier attempt, whoever made it": ("job", {}),
    },
)
async def test_a_job_goes_where_its_disk_is(claim: str, spec: Object) -> None:
    bench = two_nodes()
    job = bench.cluster.put(make_training_job("job", **spec))
    on_disk(bench, claim)
    if claim == "job":
        found = bench.cluster.object("PersistentVolumeClaim", "job")
        owner = {"kind": "TrainingJob", "name": "job", "uid": job["metadata"]["uid"], "controller": True}
        bench.cluster.put(found | {"metadata": found["metadata"] | {"ownerReferences": [owner]}})
    await bench.settle()
    assert nodes(bench, "TrainingJob", "job") == ["gpu-1"]


async def test_a_job_that_starts_from_anothers_checkpoints_goes_where_those_are() -> None:
    bench = two_nodes()
    bench.cluster.put(make_training_job("first", suspend=True, storage={"claimName": "work"}))
    on_disk(bench, "work")
    await bench.settle()
    bench.cluster.put(make_training_job("second", resumeFrom={"trainingJob": "first"}))
    await bench.settle()
    assert nodes(bench, "TrainingJob", "second") == ["gpu-1"]


async def test_a_claim_without_a_volume_ties_nobody_until_it_has_one() -> None:
    bench = two_nodes()
    on_disk(bench, "work", bound=False)
    await running(bench, storage={"claimName": "work"})
    assert nodes(bench, "TrainingJob") == ["gpu-0"]
    on_disk(bench, "work")
    await failed(bench, result=None)
    assert nodes(bench, "TrainingJob") == ["gpu-1"], "the next attempt moves to where the volume is now"


async def test_who_cannot_reach_its_disk_waits_beside_free_devices_and_says_so() -> None:
    bench = two_nodes()
    on_disk(bench, "work", node="gpu-9")
    bench.cluster.put(make_training_job("job", storage={"claimName": "work"}))
    await bench.settle()
    assert states(bench, "job")["Admitted"] == ("False", "WaitingForCapacity")
    message = bench.condition("TrainingJob", "job", "Admitted")[2]
    assert "the volumes of the job's claims can be mounted on 0 nodes of it only" in message
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-9", labels=labels, devices={GPU: 4})
    await bench.settle()
    assert nodes(bench, "TrainingJob", "job") == ["gpu-9"]


async def test_replicas_are_where_their_model_is() -> None:
    bench = two_nodes()
    on_disk(bench, "tiny")
    bench.cluster.put(make_model("tiny"))
    bench.cluster.put(make_inference_service("tiny", accelerators={"pool": "gpu"}, pods={"min": 2, "max": 2}))
    await bench.settle()
    assert nodes(bench, "InferenceService") == ["gpu-1"]


def test_a_placement_has_room_for_every_replica_on_a_node_of_its_own_and_the_one_that_replaces_the_first() -> None:
    seats = [NodeSeats(name=f"node-{number}", pods=1) for number in range(MOST_PODS + 1)]
    placement = Placement(pool="gpu", accelerator_type="nvidia-a100-80", pods=len(seats), per_pod=1, nodes=tuple(seats))
    assert len(placement.nodes) == 1025

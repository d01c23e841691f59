"""Two operators, one after the other or for a moment both: a seat that one of them wrote down is not given away by the
other, whenever the news of it comes."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_training_job
from tables import table
from world import jobs, states

Object = dict[str, Any]

NODES = ("gpu-1", "gpu-2")


def second_node(bench: Bench) -> None:
    labels = {"hostler.dev/pool": "gpu", "hostler.dev/simulated": "true"}
    bench.cluster.node("gpu-2", labels=labels, devices={GPU: 4})


def written_by_another(bench: Bench, name: str, node: str) -> None:
    """The status of a job to which an operator before this one has given all of a node."""
    requests = {"cpu": "1000m", "memory": "1073741824", "pods": "1", GPU: "4"}
    placement = {
        "pool": "gpu", "acceleratorType": "nvidia-a100-80", "pods": 1, "perPod": 4,
        "nodes": [{"name": node, "pods": 1}], "requests": requests, "deadline": "2026-01-01T00:05:00Z",
    }  # fmt: skip
    bench.cluster.set_status(bench.cluster.object("TrainingJob", name), placement=placement)


async def asked(bench: Bench, name: str) -> None:
    await bench.reconcile("TrainingJob", name)


@table(
    "answered",
    {
        "before the first answer": False,
        "after an answer that nobody has written down": True,
    },
)
async def test_a_seat_of_an_earlier_leader_counts_whenever_it_becomes_known(bench: Bench, *, answered: bool) -> None:
    second_node(bench)
    whole = {"accelerators": {"pool": "gpu", "perPod": 4}}
    bench.cluster.put(make_training_job("first", **whole))
    await asked(bench, "first")
    if answered:
        bench.admitter.run_pass()
    written_by_another(bench, "first", "gpu-2")
    for name in ("second", "third"):
        bench.cluster.put(make_training_job(name, **whole))
        await asked(bench, name)
    await bench.settle()
    held = {
        job["metadata"]["name"]: job["status"]["placement"]["nodes"][0]["name"]
        for job in bench.cluster.all("TrainingJob")
        if "placement" in job["status"]
    }
    assert held == {"first": "gpu-2", "second": "gpu-1"}, "what was written stands, and each node has one job"
    assert states(bench, "third")["Admitted"] == ("False", "WaitingForCapacity")
    assert jobs(bench) == ["first-0", "second-0"]


async def test_what_an_operator_writes_itself_is_no_news_to_it(bench: Bench) -> None:
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 2}))
    await bench.settle()
    admitted = bench.status("TrainingJob", "first")["placement"]
    bench.cluster.put(make_training_job("second", accelerators={"pool": "gpu", "perPod": 2}))
    await bench.settle()
    assert bench.status("TrainingJob", "first")["placement"] == admitted
    assert jobs(bench) == ["first-0", "second-0"]

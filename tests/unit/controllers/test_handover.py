"""Two operators, one after the other or for a moment both: a seat that one of them wrote down is not given away by the
other, whenever the news of it comes."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_training_job
from tables import table
from world import jobs, states

from hostler.controllers.heldseats import WRITE_SECONDS

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


@table(
    ("loss", "change"),
    {
        "a stranger sits down on one of its seats": (
            "SeatTaken", lambda cluster: cluster.stranger("s", node="gpu-1", requests={GPU: "1"}),
        ),
        "one of its nodes goes": ("NodeGone", lambda cluster: cluster.remove(cluster.object("Node", "gpu-1"))),
        "nobody hears of it for a minute": ("PodsDidNotCome", lambda cluster: cluster.clock.advance(WRITE_SECONDS + 1)),
    },
)  # fmt: skip
async def test_a_seat_that_is_just_being_written_down_is_held_though_it_is_lost(
    bench: Bench, loss: str, change: Any
) -> None:
    """The write is on its way when the loss is noticed: whoever was given the rest of its seats would be the second."""
    second_node(bench)
    gang = {"accelerators": {"pool": "gpu", "perPod": 4}, "pods": {"min": 2, "max": 2}}
    bench.cluster.put(make_training_job("first", **gang))
    await asked(bench, "first")
    bench.admitter.run_pass()
    bench.cluster.put(make_training_job("other", accelerators={"pool": "gpu", "perPod": 4}))
    await asked(bench, "other")
    on_its_way = bench.writer.patch_status

    async def slow(kind: str, **what: Any) -> bool:
        bench.writer.patch_status = on_its_way  # type: ignore[method-assign]
        change(bench.cluster)
        for _ in range(3):
            bench.admitter.run_pass()
            await asked(bench, "other")
        assert jobs(bench) == [], f"{loss}: its seats may be written down by now"
        return await on_its_way(kind, **what)

    bench.writer.patch_status = slow  # type: ignore[method-assign]
    await asked(bench, "first")
    await bench.settle()
    if loss == "PodsDidNotCome":
        assert jobs(bench) == ["first-0"], "its minute was for writing, and it has written"
    else:
        assert jobs(bench) == ["other-0"], "what is lost goes to the next one, once it is given up"


async def test_a_grant_that_is_lost_before_it_was_told_is_free_at_once(bench: Bench) -> None:
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 2}))
    await asked(bench, "first")
    bench.admitter.run_pass()
    bench.cluster.clock.advance(WRITE_SECONDS + 1)
    bench.admitter.run_pass()
    bench.cluster.put(make_training_job("second", accelerators={"pool": "gpu", "perPod": 4}))
    await asked(bench, "second")
    bench.admitter.run_pass()
    await asked(bench, "second")
    assert jobs(bench) == ["second-0"]


@table(
    ("change", "want"),
    {
        "nobody has written it down in time": (
            lambda cluster: cluster.clock.advance(WRITE_SECONDS + 1),
            "NotWritten",
        ),
        "a stranger sits there now": (
            lambda cluster: cluster.stranger("s", node="gpu-1", requests={GPU: "4"}),
            "SeatTaken",
        ),
        "its node is gone": (lambda cluster: cluster.remove(cluster.object("Node", "gpu-1")), "NodeGone"),
    },
)
async def test_a_grant_that_is_lost_is_counted_once_and_under_its_cause(bench: Bench, change: Any, want: str) -> None:
    """The runbook is read by this reason, and the next passes find the grant lost as well, until its workload comes."""
    bench.cluster.put(make_training_job("first", accelerators={"pool": "gpu", "perPod": 4}))
    on_its_way = bench.writer.patch_status

    async def slow(kind: str, **what: Any) -> bool:
        bench.writer.patch_status = on_its_way  # type: ignore[method-assign]
        change(bench.cluster)
        for number in range(3):
            bench.cluster.put(make_training_job(f"behind-{number}", accelerators={"pool": "gpu"}))
            await asked(bench, f"behind-{number}")
            bench.admitter.run_pass()
        return False

    await asked(bench, "first")
    bench.admitter.run_pass()
    bench.writer.patch_status = slow  # type: ignore[method-assign]
    await asked(bench, "first")
    lost = {
        sample.labels["reason"]: sample.value
        for metric in bench.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "hostler_admission_seats_lost_total" and sample.value
    }
    assert lost == {want: 1}

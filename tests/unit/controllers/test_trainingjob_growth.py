"""A job on a pool that grows: its pods show an autoscaler what is wanted, and the nodes that come are its own."""

from __future__ import annotations

from typing import Any

from bench import GPU, Bench
from builders import make_pool
from world import due, jobs, states, submitted

from hostler.planning.seats import GATE

LABELS = {"hostler.dev/pool": "elastic", "hostler.dev/simulated": "true"}
GANG = {"accelerators": {"pool": "elastic", "perPod": 4}, "pods": {"min": 2, "max": 2}}


def grows(bench: Bench, **fields: Any) -> None:
    """A pool of up to two nodes of four devices, of which none is there."""
    shape = {"accelerators": 4, "cpu": "8", "memory": "32Gi"}
    scaling = {"maxNodes": 2, "nodeShape": shape, "startupTime": "5m"} | fields
    bench.cluster.put(make_pool("elastic", nodeSelector=LABELS, scaling=scaling))


def comes(bench: Bench, name: str) -> None:
    """A node that the autoscaler has added."""
    bench.cluster.node(name, labels=LABELS, devices={GPU: 4})


def bind(bench: Bench, pod: Any, node: str) -> Any:
    """What the scheduler does with a pod that may go anywhere in the pool."""
    return bench.cluster.put({**pod, "spec": {**pod["spec"], "nodeName": node}})


def seats(bench: Bench, name: str = "tiny") -> dict[str, int]:
    """As status has them."""
    placement = bench.status("TrainingJob", name).get("placement") or {}
    return {each["name"]: each["pods"] for each in placement.get("nodes", ())}


async def test_pods_are_made_for_an_autoscaler_to_see_and_the_job_says_what_it_waits_for(bench: Bench) -> None:
    grows(bench)
    await submitted(bench, **GANG)
    assert jobs(bench) == ["tiny-0"]
    spec = bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == LABELS
    assert "affinity" not in spec, "a pod that names a node fits on no other"
    assert GATE not in str(spec), "an autoscaler does not look at pods with gates"
    assert seats(bench) == {"+1": 1, "+2": 1}
    assert bench.condition("TrainingJob", "tiny", "Admitted") == (
        "False",
        "WaitingForNodes",
        "2 pods of 2 wait for nodes that an autoscaler adds to pool elastic, usually within 5m; given up after 15m00s "
        "at the soonest.",
    )


async def test_a_pod_that_fits_nowhere_meanwhile_is_no_obstacle(bench: Bench) -> None:
    grows(bench)
    await submitted(bench, **GANG)
    for pod in bench.cluster.make_pods("tiny-0"):
        unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/0 nodes"}
        bench.cluster.set_status(pod, phase="Pending", conditions=[unschedulable])
    await bench.settle()
    bench.cluster.clock.advance(700)
    await bench.settle()
    assert jobs(bench) == ["tiny-0"]
    assert states(bench)["Admitted"] == ("False", "WaitingForNodes")


async def test_nodes_are_learned_when_all_pods_are_bound_and_a_restart_forgets_nothing(bench: Bench) -> None:
    grows(bench)
    await submitted(bench, **GANG)
    first, second = bench.cluster.make_pods("tiny-0")
    comes(bench, "new-a")
    bench.cluster.run(bind(bench, first, "new-a"))
    await bench.settle()
    assert bench.condition("TrainingJob", "tiny", "Admitted")[2].startswith("1 pod of 2 waits")
    bench.restart()
    comes(bench, "new-b")
    await submitted(bench, "late", accelerators={"pool": "elastic", "perPod": 4})
    assert jobs(bench) == ["tiny-0"], "the second node is for whom it was asked for"
    bench.cluster.run(bind(bench, second, "new-b"))
    await bench.settle()
    assert seats(bench) == {"new-a": 1, "new-b": 1}
    assert states(bench)["Admitted"] == ("True", "Placed")


async def test_two_jobs_are_not_promised_the_same_node(bench: Bench) -> None:
    grows(bench)
    await submitted(bench, **GANG)
    await submitted(bench, "second", accelerators={"pool": "elastic", "perPod": 1})
    assert jobs(bench) == ["tiny-0"]
    assert states(bench, "second")["Admitted"] == ("False", "WaitingForCapacity")


async def test_what_does_not_come_in_time_is_given_up_with_the_reason_and_tried_again_later(bench: Bench) -> None:
    grows(bench)
    await submitted(bench, **GANG)
    bench.cluster.make_pods("tiny-0")
    bench.cluster.clock.advance(5 * 60 * 3 + 3600)
    await bench.settle()
    message = bench.condition("TrainingJob", "tiny", "Ready")[2]
    assert "The pool has not grown in time: 2 more nodes did not come." in message
    assert states(bench)["Admitted"][1] != "WaitingForNodes"
    for pod in bench.cluster.all("Pod"):
        bench.cluster.remove(pod)
    await due(bench)
    assert jobs(bench)[-1] == "tiny-1", "the autoscaler is asked again after a while"
    assert states(bench)["Admitted"] == ("False", "WaitingForNodes")


async def test_a_pool_without_a_node_is_ready_where_it_grows(bench: Bench) -> None:
    grows(bench)
    await bench.settle()
    want = "No node now; an autoscaler adds up to 2 nodes for work that waits."
    assert bench.condition("AcceleratorPool", "elastic", "Ready") == ("True", "ScaledToZero", want)


async def test_a_job_for_which_no_image_is_there_is_refused_before_the_first_node_is_asked_for(bench: Bench) -> None:
    """Nothing says that the devices will be simulated, so that they will not be."""
    grows(bench)
    pool = bench.cluster.object("AcceleratorPool", "elastic", namespace="")
    bench.cluster.put({**pool, "spec": {**pool["spec"], "nodeSelector": {"hostler.dev/pool": "elastic"}}})
    await submitted(bench, **GANG)
    assert states(bench)["Accepted"] == ("False", "ImageNotConfigured")
    assert jobs(bench) == []

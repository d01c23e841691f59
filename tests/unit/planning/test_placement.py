"""How many pods fit where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from builders import make_pool
from fakes import FakeCluster
from tables import table

from hostler.api.pool import AcceleratorPoolSpec
from hostler.planning.amounts import Amount
from hostler.planning.demand import Demand, of_deployment, of_job
from hostler.planning.nodes import tolerates
from hostler.planning.placement import Ask, Obstacle, Placed, Waiting, place
from hostler.planning.pools import PoolView, promise, read_pool, see

GPU = "nvidia.com/gpu"
ONE = Amount(devices=1, milli_cpu=1000, memory=2**30)
Object = dict[str, Any]


def pool(*devices: int, used: tuple[int, ...] = (), **spec: Any) -> PoolView:
    """One node for each count, with so many of its devices in use."""
    cluster = FakeCluster()
    for number, count in enumerate(devices):
        cluster.node(f"n{number}", labels={"hostler.dev/pool": "gpu"}, devices={GPU: count}, cpu="16", memory="64Gi")
    for number, count in enumerate(used):
        cluster.stranger(f"s{number}", node=f"n{number}", requests={GPU: str(count)})
    found = read_pool("gpu", AcceleratorPoolSpec.model_validate(make_pool("gpu", **spec)["spec"]))
    return see(found, nodes=cluster.all("Node"), pods=cluster.all("Pod"))


def ask(least: int, most: int, *, devices: int = 1) -> Ask:
    return Ask(who="the job", least=least, most=most, need=replace(ONE, devices=devices))


@table(
    ("view", "wanted", "want"),
    {
        "all that it can use": (pool(4, 4), ask(1, 3), Placed(pods=3)),
        "fewer where fewer fit": (pool(4, 4, used=(3, 2)), ask(1, 8), Placed(pods=3)),
        "a pod never spans two nodes": (pool(4, 4, used=(2, 2)), ask(1, 4, devices=2), Placed(pods=2)),
        "the quota takes its share": (pool(4, 4, quota={"accelerators": 5}), ask(1, 8, devices=2), Placed(pods=2)),
    },
)
def test_the_most_pods_that_fit_are_taken(view: PoolView, wanted: Ask, want: Placed) -> None:
    assert place(view, wanted) == want


@table(
    ("view", "wanted", "want"),
    {
        "free devices lie apart": (pool(4, 4, used=(3, 3)), ask(1, 1, devices=2), Obstacle.WAITING_FOR_CAPACITY),
        "one pod too few": (pool(4, used=(2,)), ask(3, 3), Obstacle.WAITING_FOR_CAPACITY),
        "the quota is in the way although devices are free": (
            pool(8, quota={"accelerators": 2}),
            ask(3, 3),
            Obstacle.QUOTA_EXCEEDED,
        ),
        "no device at all": (pool(0), ask(1, 1), Obstacle.POOL_NOT_READY),
        "no node at all": (pool(), ask(1, 1), Obstacle.POOL_NOT_READY),
    },
)
def test_what_does_not_fit_waits_for_a_reason(view: PoolView, wanted: Ask, want: Obstacle) -> None:
    found = place(view, wanted)
    assert isinstance(found, Waiting)
    assert found.obstacle is want
    assert found.message.startswith(("Pool gpu", "The quota of pool gpu"))


def test_promises_take_devices_before_any_node_shows_them() -> None:
    demand = Demand(owner="default/other-0", pool="gpu", pods=2, need=replace(ONE, devices=3))
    view = promise(pool(4, 4), [demand])
    assert view.free == 2
    assert view.largest_free_block == 1
    assert view.held == 6


def test_a_promise_that_fits_nowhere_counts_for_the_quota_only() -> None:
    demand = Demand(owner="default/other-0", pool="gpu", pods=1, need=replace(ONE, devices=9))
    view = promise(pool(4), [demand])
    assert (view.free, view.held) == (4, 9)


def workload(kind: str, **spec: Any) -> Object:
    container = {"resources": {"limits": {GPU: "1"}}}
    template = {"spec": {"containers": [container]}}
    return {"kind": kind, "metadata": {"namespace": "default", "name": "w"}, "spec": {"template": template, **spec}}


def bound(*, phase: str = "Running", node: str | None = "n0", **metadata: Any) -> Object:
    spec = {"nodeName": node} if node else {}
    return {"metadata": {"name": "p", **metadata}, "spec": spec, "status": {"phase": phase}}


@table(
    ("job", "pods", "want"),
    {
        "no pod exists yet": (workload("Job", parallelism=2), [], 2),
        "one is bound": (workload("Job", parallelism=2), [bound(), bound(node=None, phase="Pending")], 1),
        "one has ended, and is not replaced": (workload("Job", parallelism=2), [bound(phase="Succeeded")], 1),
        "the Job is over": (
            workload("Job", parallelism=2) | {"status": {"conditions": [{"type": "Failed", "status": "True"}]}},
            [],
            0,
        ),
        "the Job is suspended": (workload("Job", parallelism=2, suspend=True), [], 0),
    },
)
def test_what_a_job_still_wants(job: Object, pods: list[Object], want: int) -> None:
    assert of_job(job, pods, pool="gpu", resource=GPU).pods == want


@table(
    ("deployment", "pods", "want"),
    {
        "no pod exists yet": (workload("Deployment", replicas=2), [], 2),
        "one is bound": (workload("Deployment", replicas=2), [bound()], 1),
        "one that ends will be replaced": (workload("Deployment", replicas=1), [bound(deletionTimestamp="now")], 1),
        "more than wanted, in the middle of an update": (workload("Deployment", replicas=1), [bound(), bound()], 0),
        "none are wanted": (workload("Deployment", replicas=0), [], 0),
        "replicas left to the default": (workload("Deployment"), [], 1),
    },
)
def test_what_a_deployment_still_wants(deployment: Object, pods: list[Object], want: int) -> None:
    assert of_deployment(deployment, pods, pool="gpu", resource=GPU).pods == want


TAINT = {"key": "team", "value": "a", "effect": "NoSchedule"}


@table(
    ("toleration", "want"),
    {
        "the same key exists": ({"key": "team", "operator": "Exists"}, "tolerated"),
        "the same value": ({"key": "team", "operator": "Equal", "value": "a"}, "tolerated"),
        "another value": ({"key": "team", "operator": "Equal", "value": "b"}, "repelled"),
        "another effect": ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, "repelled"),
        "another key": ({"key": "other", "operator": "Exists"}, "repelled"),
        "everything": ({"operator": "Exists"}, "tolerated"),
    },
)
def test_taints_are_judged_as_the_scheduler_does(toleration: Object, want: str) -> None:
    assert ("tolerated" if tolerates([toleration], TAINT) else "repelled") == want

"""What can never be admitted is refused with the way out: quotas, topologies, pools that grow too little."""

from __future__ import annotations

from typing import Any

from builders import make_inference_service, make_model, make_pool, make_training_job
from fakes import FakeCluster
from tables import table

from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.acceptance import PoolChoice, Rejection
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.pools import read_pool
from hostler.planning.serviceacceptance import reject_service
from hostler.planning.usage import PoolUsage

GPU = "nvidia.com/gpu"
RACK = "topology.kubernetes.io/rack"


def choice(*, nodes: int = 2, racks: str = "", healthy: int = 8, **spec: Any) -> PoolChoice:
    """A pool ``gpu`` of nodes with eight devices each, of which so many are healthy; ``racks`` has a letter for the
    rack of each node, or a blank."""
    cluster, usage = FakeCluster(), PoolUsage()
    for number in range(max(nodes, len(racks))):
        rack = racks[number : number + 1].strip()
        labels = {"hostler.dev/pool": "gpu"} | ({RACK: rack} if rack else {})
        node = cluster.node(f"n{number}", labels=labels, devices={GPU: 8})
        node["status"]["allocatable"][GPU] = str(healthy)
        usage.put_node(node)
    usage.put_pool(read_pool("gpu", AcceleratorPoolSpec.model_validate(make_pool(**spec)["spec"])))
    return PoolChoice(view=usage.shape("gpu"))


def of_job(chosen: PoolChoice, *, namespace: str = "team-a", **spec: Any) -> Rejection | None:
    job = TrainingJobSpec.model_validate(make_training_job(**spec)["spec"])
    return reject_job(job, choice=chosen, facts=TrainingFacts(namespace=namespace), has_image=lambda *_: True)


def of_service(chosen: PoolChoice, *, namespace: str = "team-a", **spec: Any) -> Rejection | None:
    service = InferenceServiceSpec.model_validate(make_inference_service(**spec)["spec"])
    model = ModelSpec.model_validate(make_model()["spec"])
    return reject_service(
        service, model=model, choice=chosen, has_image=lambda *_: True, namespace=namespace, classes=()
    )


def quota(nominal: int, **fields: Any) -> dict[str, Any]:
    return {"quotas": [{"namespaces": ["team-a"], "nominal": nominal, **fields}]}


def gang(pods: int) -> dict[str, Any]:
    """So many pods, and sequences enough for them."""
    return {"pods": {"min": pods, "max": pods}, "training": {"steps": 1, "batchSize": 64}}


EIGHT = {"pool": "gpu", "perPod": 8}


@table(
    ("policy", "namespace", "want"),
    {
        "what is theirs is enough": (quota(8, borrowingLimit=0), "team-a", ""),
        "with what they may borrow it is": (quota(4, borrowingLimit=4), "team-a", ""),
        "borrowing without a limit": (quota(0), "team-a", ""),
        "no quota is theirs": (quota(1, borrowingLimit=0), "team-b", ""),
        "even borrowed it is not": (
            quota(4, borrowingLimit=2),
            "team-a",
            "spec.accelerators: namespace team-a may hold 6 nvidia.com/gpu of pool gpu (nominal 4, borrowingLimit 2), "
            "and {who} needs 8: ask for less, or have an administrator raise the pool's spec.queue.quotas.",
        ),
    },
)
def test_what_is_more_than_the_namespace_may_ever_hold(policy: dict, namespace: str, want: str) -> None:
    chosen = choice(queue=policy)
    for who, found in (
        ("the job", of_job(chosen, namespace=namespace, accelerators=EIGHT)),
        ("the service", of_service(chosen, namespace=namespace, accelerators=EIGHT)),
    ):
        assert (found.message if found else "") == want.format(who=who)
        assert found is None or found.reason == "QuotaTooSmall"


def test_the_least_that_a_gang_can_do_with_counts_not_the_most() -> None:
    chosen = choice(queue=quota(8, borrowingLimit=0))
    assert of_job(chosen, accelerators=EIGHT, pods={"min": 1, "max": 2}, training={"steps": 1, "batchSize": 16}) is None


@table(
    ("key", "topology", "want"),
    {
        "required, and the pool has no domains": (None, "required", "TopologyNotConfigured"),
        "preferred: nodes are looked at alone": (None, "preferred", ""),
        "required, and it has": (RACK, "required", ""),
        "nothing is asked": (None, None, ""),
    },
)
def test_a_domain_can_only_be_required_where_there_are_some(key: str | None, topology: str | None, want: str) -> None:
    chosen = choice(**({"topologyKey": key} if key else {}))
    accelerators = {"pool": "gpu", **({"topology": topology} if topology else {})}
    for found in (of_job(chosen, accelerators=accelerators), of_service(chosen, accelerators=accelerators)):
        assert (found.reason if found else "") == want
        assert found is None or found.message == (
            "spec.accelerators.topology: pool gpu has no topologyKey, so nobody knows its domains: remove topology or "
            "say preferred, or have an administrator set the pool's spec.topologyKey to a label of its nodes."
        )


def test_a_gang_that_no_domain_could_ever_hold_is_refused_with_the_sum() -> None:
    chosen = choice(racks="aab", topologyKey=RACK)
    found = of_job(chosen, accelerators={**EIGHT, "topology": "required"}, **gang(3))
    assert found is not None
    assert found.reason == "PoolTooSmall"
    assert found.message == (
        "spec.accelerators.topology: the largest domain of pool gpu by topology.kubernetes.io/rack is a, with 16 "
        "nvidia.com/gpu on 2 nodes, which could hold 2 pods of this size; the job needs 3 pods with 8 each in one "
        "domain: say preferred, ask for less, or have an administrator add nodes to a domain."
    )


@table(
    ("racks", "spec", "pods", "want"),
    {
        "a domain holds them all": ("aab", {}, 2, ""),
        "one that is sick now counts as it is when it is well": ("aab", {"healthy": 0}, 2, ""),
        "no domain does": ("aabb", {}, 3, "2 pods of this size;"),
        "of nodes without the label each is a domain": ("   ", {}, 2, "is n0, with 8 nvidia.com/gpu on 1 node,"),
        "nodes are promised that are not there yet": ("ab", {"expectedAccelerators": 24}, 2, ""),
        "there is no node at all, which is the pool's own trouble": ("", {"nodes": 0}, 8, ""),
        "it may grow, and all new nodes may come into one": ("ab", {"grows": 4}, 3, ""),
        "it may grow, and even so no domain is enough": ("ab", {"grows": 4}, 4, "and 3 pods if all nodes that may be"),
    },
)
def test_when_no_domain_could_ever_be_enough(racks: str, spec: dict, pods: int, want: str) -> None:
    given = dict(spec)
    if most := given.pop("grows", 0):
        given["scaling"] = {"maxNodes": most, "nodeShape": SHAPE}
    chosen = choice(racks=racks, topologyKey=RACK, **({"nodes": 0} | given))
    accelerators = {**EIGHT, "topology": "required"}
    for found in (
        of_job(chosen, accelerators=accelerators, **gang(pods)),
        of_service(chosen, accelerators=accelerators, pods={"min": pods, "max": pods}),
    ):
        assert (found.reason if found else "") == ("PoolTooSmall" if want else "")
        assert found is None or want in found.message
        assert found is None or found.message.startswith("spec.accelerators.topology: ")


def test_a_node_that_gets_the_label_of_a_domain_makes_it_larger() -> None:
    cluster, usage = FakeCluster(), PoolUsage()
    for name, rack in (("n0", "a"), ("n1", "b")):
        usage.put_node(cluster.node(name, labels={"hostler.dev/pool": "gpu", RACK: rack}, devices={GPU: 8}))
    usage.put_pool(read_pool("gpu", AcceleratorPoolSpec.model_validate(make_pool(topologyKey=RACK)["spec"])))
    required = {**EIGHT, "topology": "required"}
    assert of_job(PoolChoice(view=usage.shape("gpu")), accelerators=required, **gang(2)) is not None
    usage.put_node(cluster.node("n1", labels={"hostler.dev/pool": "gpu", RACK: "a"}, devices={GPU: 8}))
    assert of_job(PoolChoice(view=usage.shape("gpu")), accelerators=required, **gang(2)) is None


def test_where_one_domain_is_only_preferred_several_will_do() -> None:
    chosen = choice(racks="ab", topologyKey=RACK)
    assert of_job(chosen, accelerators={**EIGHT, "topology": "preferred"}, **gang(2)) is None


SHAPE = {"accelerators": 8, "cpu": "8", "memory": "64Gi"}


@table(
    ("nodes", "most", "pods", "want"),
    {
        "it grows to enough": (0, 4, 4, ""),
        "the nodes that there are count as well": (2, 4, 4, ""),
        "it never grows to enough": (0, 4, 5, "4 nodes"),
        "nor with what there is": (2, 4, 5, "4 nodes"),
    },
)
def test_a_pool_that_grows_is_too_small_only_at_its_largest(nodes: int, most: int, pods: int, want: str) -> None:
    chosen = choice(nodes=nodes, scaling={"maxNodes": most, "nodeShape": SHAPE})
    found = of_job(chosen, accelerators=EIGHT, **gang(pods))
    assert (found.reason if found else "") == ("PoolTooSmall" if want else "")
    assert found is None or f"grows to {want} of 8 nvidia.com/gpu, 8 cores and 64Gi of memory" in found.message
    assert found is None or found.message.endswith("raise the pool's spec.scaling.maxNodes.")


def test_a_pod_that_no_new_node_could_hold_is_refused_though_the_pool_grows() -> None:
    chosen = choice(nodes=0, scaling={"maxNodes": 4, "nodeShape": SHAPE})
    found = of_job(chosen, resources={"memory": "65Gi"})
    assert found is not None
    assert "which could hold no pod of this size" in found.message

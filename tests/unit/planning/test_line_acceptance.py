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


def choice(*, nodes: int = 2, **spec: Any) -> PoolChoice:
    """A pool ``gpu`` of nodes with eight devices each."""
    cluster, usage = FakeCluster(), PoolUsage()
    for number in range(nodes):
        usage.put_node(cluster.node(f"n{number}", labels={"hostler.dev/pool": "gpu"}, devices={GPU: 8}))
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
        "required, and it has": ("topology.kubernetes.io/rack", "required", ""),
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
    spec = {"pods": {"min": pods, "max": pods}, "training": {"steps": 1, "batchSize": 64}}
    found = of_job(chosen, accelerators=EIGHT, **spec)
    assert (found.reason if found else "") == ("PoolTooSmall" if want else "")
    assert found is None or f"grows to {want} of 8 nvidia.com/gpu, 8 cores and 64Gi of memory" in found.message
    assert found is None or found.message.endswith("raise the pool's spec.scaling.maxNodes.")


def test_a_pod_that_no_new_node_could_hold_is_refused_though_the_pool_grows() -> None:
    chosen = choice(nodes=0, scaling={"maxNodes": 4, "nodeShape": SHAPE})
    found = of_job(chosen, resources={"memory": "65Gi"})
    assert found is not None
    assert "which could hold no pod of this size" in found.message

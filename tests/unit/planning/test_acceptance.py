"""Whether the installation has an image that drives what the pool has."""

from __future__ import annotations

from builders import make_inference_service, make_model, make_pool, make_training_job
from fakes import FakeCluster
from tables import table

from hostler.accelerators import Verb
from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.acceptance import PoolChoice, Rejection
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.serviceacceptance import reject_service
from hostler.planning.usage import PoolUsage

RESOURCES = {"nvidia-a100-80": "nvidia.com/gpu", "amd-mi300x": "amd.com/gpu", "cpu": None}


def pool(kind: str, *, simulated: str = "", nodes: int = 1) -> PoolView:
    """Nodes with eight devices each."""
    cluster, resource, usage = FakeCluster(), RESOURCES[kind], PoolUsage()
    labels = {"hostler.dev/pool": "pool", **({"hostler.dev/simulated": simulated} if simulated else {})}
    for number in range(nodes):
        usage.put_node(cluster.node(f"n{number}", labels=labels, devices={resource: 8} if resource else {}))
    spec = AcceleratorPoolSpec.model_validate(make_pool("pool", acceleratorType=kind)["spec"])
    usage.put_pool(read_pool("pool", spec))
    found = usage.shape("pool")
    assert found is not None
    return found


def verdict(view: PoolView, verb: Verb, images: set[str]) -> Rejection | None:
    """A small workload on the pool, where the installation has these images."""

    def has_image(asked: Verb, variant: str) -> bool:
        return f"{asked.value}-{variant}" in images

    choice = PoolChoice(view=view)
    if verb is Verb.TRAIN:
        job = TrainingJobSpec.model_validate(make_training_job()["spec"])
        return reject_job(job, choice=choice, facts=TrainingFacts(), has_image=has_image)
    service = InferenceServiceSpec.model_validate(make_inference_service()["spec"])
    model = ModelSpec.model_validate(make_model()["spec"])
    return reject_service(service, model=model, choice=choice, has_image=has_image)


BUNDLED = {"train-cpu", "serve-cpu"}


@table(
    ("view", "verb", "images", "want"),
    {
        "cores, with the images of this repository": (pool("cpu"), Verb.TRAIN, BUNDLED, ""),
        "cores, where the images drive GPUs only": (pool("cpu"), Verb.SERVE, {"serve-cuda"}, "serve-cpu"),
        "GPUs, with an image for them": (pool("nvidia-a100-80"), Verb.TRAIN, BUNDLED | {"train-cuda"}, ""),
        "GPUs, without": (pool("nvidia-a100-80"), Verb.TRAIN, BUNDLED, "train-cuda"),
        "an image that serves does not train": (pool("amd-mi300x"), Verb.TRAIN, {"serve-rocm"}, "train-rocm"),
        "and the other way round": (pool("amd-mi300x"), Verb.SERVE, {"train-rocm"}, "serve-rocm"),
        "simulated GPUs compute on cores": (pool("nvidia-a100-80", simulated="true"), Verb.TRAIN, BUNDLED, ""),
        "no node says yet whether it is simulated": (pool("nvidia-a100-80", nodes=0), Verb.TRAIN, BUNDLED, ""),
    },
)
def test_an_image_of_the_variant_is_needed(view: PoolView, verb: Verb, images: set[str], want: str) -> None:
    found = verdict(view, verb, images)
    assert (found.reason if found else "") == ("ImageNotConfigured" if want else "")
    assert found is None or f"images.variants.{want} " in found.message


def test_the_sentence_names_type_variant_and_way_out() -> None:
    found = verdict(pool("nvidia-a100-80"), Verb.TRAIN, BUNDLED)
    assert found is not None
    assert found.message == (
        "spec.accelerators.pool: no runtime image of variant cuda is configured for training on nvidia-a100-80: build "
        "one and set images.variants.train-cuda in the chart's values (--variant-image train-cuda=...)."
    )

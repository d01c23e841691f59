"""Networks that no number of the allowed pods could hold are refused with the sum; what could fit never is."""

from __future__ import annotations

from typing import Any

from builders import make_family_job, make_imported_model, make_inference_service, make_model, make_pool
from fakes import FakeCluster
from tables import table

from hostler.api.common import ModelReference
from hostler.api.inferenceservice import InferenceServiceSpec
from hostler.api.model import ModelSpec, ModelStatus
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.acceptance import PoolChoice
from hostler.planning.imports import resolved, source_hash
from hostler.planning.jobacceptance import TrainingFacts, reject_job
from hostler.planning.models import NamedModel
from hostler.planning.pools import read_pool
from hostler.planning.rejection import Rejection
from hostler.planning.serviceacceptance import reject_service
from hostler.planning.usage import PoolUsage

BILLIONS_8: dict[str, Any] = {
    "architecture": {"parameters": 8_030_000_000, "contextLength": 131_072, "vocabularySize": 128_256},
    "memory": {"weightsBytes": 16_060_000_000, "kvBytesPerToken": 131_072},
}
"""Llama 3.1 8B, as its files say: bf16, 32 layers with 8 key-value heads of 128."""
ROUNDED = {"architecture": BILLIONS_8["architecture"] | {"quantization": "int8-weight-only"}}
ONE_BILLION: dict[str, Any] = {
    "architecture": {"parameters": 1_000_000_000, "vocabularySize": 128_256},
    "memory": {"weightsBytes": 2_000_000_000, "kvBytesPerToken": 32_768},
}
BILLIONS_13: dict[str, Any] = {
    "architecture": {"parameters": 13_000_000_000, "vocabularySize": 32_000},
    "memory": {"weightsBytes": 26_000_000_000, "kvBytesPerToken": 819_200},
}
IN_FP32 = {"memory": {"weightsBytes": 32_120_000_000}}
SIX_BILLIONS: dict[str, Any] = {"architecture": {"parameters": 6_000_000_000}}
CLAIM = {"metadata": {"name": "tiny"}}


def choice(kind: str, resource: str | None) -> PoolChoice:
    """A pool of one node with eight devices, or of cores."""
    usage = PoolUsage()
    labels = {"hostler.dev/pool": "pool"}
    usage.put_node(FakeCluster().node("n", labels=labels, devices={resource: 8} if resource else {}))
    spec = make_pool("pool", acceleratorType=kind)["spec"]
    usage.put_pool(read_pool("pool", AcceleratorPoolSpec.model_validate(spec)))
    return PoolChoice(view=usage.shape("pool"))


A10 = choice("nvidia-a10", "nvidia.com/gpu")
A100, T4 = choice("nvidia-a100-80", "nvidia.com/gpu"), choice("nvidia-t4", "nvidia.com/gpu")
IPU, CORES = choice("graphcore-c600", "graphcore.ai/ipu"), choice("cpu", None)
SHARDED_OVER_8 = {
    "training": {"steps": 9, "parallelism": "sharded"},
    "accelerators": {"pool": "pool", "perPod": 8},
}


def of_job(pool: PoolChoice, base: dict[str, Any] | None, family: str = "chat", **spec: Any) -> Rejection | None:
    """The verdict about a job, with a base of these facts or without one."""
    given = {"objective": "finetune", "output": {}} if base is not None and "objective" not in spec else {}
    reference = {"base": {"name": "large"}} if base is not None else {}
    accelerators = {"accelerators": {"pool": "pool"}, "training": {"steps": 9}}
    job = make_family_job(family, **(accelerators | given | reference | spec))
    inputs = ()
    if base is not None:
        model = ModelSpec.model_validate(make_model(family=family, **base)["spec"])
        reference = ModelReference(name="large")
        inputs = (NamedModel(path="spec.base", reference=reference, model=model, claim=CLAIM, namespace="default"),)
    return reject_job(
        TrainingJobSpec.model_validate(job["spec"]),
        choice=pool,
        facts=TrainingFacts(inputs=inputs),
        has_image=lambda verb, variant: True,
    )


def training(**options: Any) -> dict[str, Any]:
    return {"training": {"steps": 9, **options}}


@table(
    ("found", "words"),
    {
        "all weights of eight billion learn on one device": (
            of_job(A100, BILLIONS_8),
            [
                "spec.base: Model large does not fit: it needs at least 119.7Gi weights, gradients and optimizer "
                "state, and one nvidia-a100-80 of pool pool has 80Gi",
                "train an adapter with spec.lora, for which 15Gi are enough",
                "set training.parallelism to sharded with 2 processes (pods.max times perPod)",
                "take a pool whose accelerators have more than 119.7Gi",
            ],
        ),
        "and replicas hold all of them on each of eight": (
            of_job(A100, BILLIONS_8, accelerators={"pool": "pool", "perPod": 8}),
            ["119.7Gi weights", "sharded with 2 processes"],
        ),
        "shards over eight fit": (of_job(A100, BILLIONS_8, **SHARDED_OVER_8), []),
        "shards over two of a smaller device do not": (
            of_job(A10, SIX_BILLIONS, **SHARDED_OVER_8 | {"accelerators": {"pool": "pool", "perPod": 2}}),
            ["44.7Gi weights, gradients and optimizer state", "has 24Gi: ", "take 4 processes (pods.max times perPod)"],
        ),
        "shards do not help where the whole does not fit before them": (
            of_job(T4, BILLIONS_8, **SHARDED_OVER_8),
            [
                "it needs at least 29.9Gi weights, which each process holds whole before they are shared out, and one "
                "nvidia-t4 of pool pool has 16Gi: train an adapter with spec.lora, for which 15Gi are enough; or take "
                "a pool whose accelerators have more than 29.9Gi; or start from a smaller base."
            ],
        ),
        "more pods than the least count as well": (
            of_job(A100, BILLIONS_8, pods={"min": 1, "max": 2}, training=SHARDED_OVER_8["training"]),
            [],
        ),
        "an adapter fits, because what is frozen is held as it is stored": (of_job(T4, BILLIONS_8, lora={}), []),
        "an adapter does not fit on a smaller device": (
            of_job(T4, BILLIONS_13, lora={}),
            ["24.2Gi weights, and", "has 16Gi: take a pool whose accelerators have more than 24.2Gi"],
        ),
        "which may be in fp32": (of_job(T4, BILLIONS_8 | IN_FP32, lora={}), ["29.9Gi weights, and"]),
        "where products are computed in fp32 it is widened": (
            of_job(T4, BILLIONS_8, lora={}, **training(precision="fp32")),
            ["29.9Gi weights, and"],
        ),
        "shards of an adapter's base are shared out of halves": (
            of_job(T4, BILLIONS_13, lora={}, **SHARDED_OVER_8),
            ["24.2Gi weights, which each process holds whole before they are shared out"],
        ),
        "cores read it in fp32 before they hold it in halves": (
            of_job(CORES, ONE_BILLION, lora={}, resources={"memory": "3Gi"}, **training(precision="bf16")),
            ["3.7Gi weights, and a pod has spec.resources.memory, 3Gi"],
        ),
        "what the data may make shorter is not held against a job": (
            of_job(A100, ONE_BILLION, **training(batchSize=64)),
            [],
        ),
        "logits of the rows that the job asks for": (
            of_job(A100, ONE_BILLION, **training(batchSize=64, contextLength=4096)),
            [
                "14.9Gi weights, gradients and optimizer state + 250.5Gi logits and their gradients = 265.4Gi",
                "raise training.gradientAccumulation, so that fewer sequences are computed at once",
                "set training.contextLength to 1,064 at most",
            ],
        ),
        "which is halved as often as it takes where the job says so": (
            of_job(A100, ONE_BILLION, **training(batchSize=64, contextLength=4096, onOutOfMemory="shrink")),
            [],
        ),
        "parts of a step": (
            of_job(A100, ONE_BILLION, **training(batchSize=64, contextLength=4096, gradientAccumulation=16)),
            [],
        ),
        "preferences need the base beside what learns": (
            of_job(A100, BILLIONS_8, objective="preference", output={}, **SHARDED_OVER_8),
            [],
        ),
        "with their sum where that is too much": (
            of_job(A100, BILLIONS_8, objective="preference", output={}),
            ["119.7Gi weights, gradients and optimizer state + 15Gi weights of the reference = 134.6Gi"],
        ),
        "a teacher is held whole by each process": (
            of_job(T4, BILLIONS_13, objective="distill", **SHARDED_OVER_8),
            ["24.2Gi the teacher's weights", "take a pool whose accelerators have more than"],
        ),
        "a quantized teacher is as large as its files": (
            of_job(T4, BILLIONS_8 | ROUNDED | {"memory": {"weightsBytes": 8_000_000_000}}, objective="distill"),
            [],
        ),
        "weights that are only rounded": (
            of_job(A100, BILLIONS_8, objective="quantize", output={}, training={"steps": 0}),
            [],
        ),
        "channels that are pruned do not learn": (
            of_job(A100, BILLIONS_8, objective="prune", output={}, prune={"method": "structured", "sparsity": "0.5"}),
            [],
        ),
        "weights that are zeroed do": (of_job(A100, BILLIONS_8, objective="prune", output={}), ["119.7Gi weights"]),
        "an encoder has no logits of every position": (
            of_job(A100, ONE_BILLION, "bert", **training(batchSize=64, contextLength=4096)),
            [],
        ),
        "a pipeline, of which only a part learns": (of_job(T4, BILLIONS_8, "text-to-image"), []),
        "a base of which nobody knows the size": (of_job(T4, {}), []),
        "a pool of which nobody knows the memory": (of_job(IPU, BILLIONS_8), []),
        "cores compute in the pod's memory": (
            of_job(CORES, ONE_BILLION, resources={"memory": "8Gi"}),
            ["a pod has spec.resources.memory, 8Gi", "raise spec.resources.memory above 14.9Gi"],
        ),
        "sizes without a base": (
            of_job(
                T4,
                None,
                output={
                    "transformer": {
                        "architecture": "llama",
                        "layers": 32,
                        "hiddenSize": 4096,
                        "heads": 32,
                        "contextLength": 4096,
                        "vocabularySize": 32_000,
                    }
                },
            ),
            [
                "spec.output: such a network does not fit: it needs at least 96.1Gi weights, gradients and optimizer "
                "state",
                "take smaller sizes",
            ],
        ),
        "a vocabulary may turn out smaller than the job allows": (
            of_job(
                T4,
                None,
                output={
                    "transformer": {
                        "layers": 2,
                        "hiddenSize": 2048,
                        "heads": 8,
                        "contextLength": 64,
                        "vocabularySize": 1_000_000,
                    }
                },
            ),
            [],
        ),
    },
)
def test_a_network_that_cannot_be_trained_on_the_devices_is_refused_with_the_sum(
    found: Rejection | None, words: list[str]
) -> None:
    assert (found.reason if found else "") == ("ModelTooLarge" if words else ""), found
    assert [word for word in words if found is None or word not in found.message] == [], found


def of_service(pool: PoolChoice, facts: dict[str, Any], **spec: Any) -> Rejection | None:
    """The verdict about a service of a model with these facts."""
    service = make_inference_service(accelerators={"pool": "pool"}, **spec)
    return reject_service(
        InferenceServiceSpec.model_validate(service["spec"]),
        model=ModelSpec.model_validate(make_model(**facts)["spec"]),
        choice=pool,
        has_image=lambda verb, variant: True,
    )


LONGEST = {"serving": {"maxNewTokens": 16_384}}


@table(
    ("found", "words"),
    {
        "weights that fit": (of_service(T4, BILLIONS_8), []),
        "with the longest answer that the service gives": (
            of_service(T4, BILLIONS_8, **LONGEST),
            [
                "spec.modelRef: Model tiny does not fit: it needs at least 15Gi weights + 2Gi key-value cache of one "
                "longest answer = 17Gi, and one nvidia-t4 of pool pool has 16Gi",
                "lower serving.maxNewTokens; or take a pool whose accelerators have more than 17Gi",
            ],
        ),
        "no answer is longer than the context": (
            of_service(T4, BILLIONS_8 | {"architecture": {"contextLength": 4096}}, **LONGEST),
            [],
        ),
        "weights that do not fit": (
            of_service(T4, BILLIONS_8 | {"memory": {"weightsBytes": 32_000_000_000}}),
            ["29.8Gi weights, and", "serve a quantized Model of it"],
        ),
        "several devices do not help, because a replica computes on one": (
            of_service(T4, {"memory": {"weightsBytes": 32_000_000_000}}),
            ["29.8Gi weights"],
        ),
        "a quantized one that does not": (
            of_service(T4, ROUNDED | {"memory": {"weightsBytes": 32_000_000_000}}),
            ["take a pool whose accelerators have more than 29.8Gi."],
        ),
        "cores hold half precision in full": (
            of_service(CORES, ONE_BILLION, resources={"memory": "2Gi"}),
            ["3.7Gi weights in fp32, in which cores compute", "raise spec.resources.memory above 3.7Gi"],
        ),
        "and map what needs no change": (
            of_service(CORES, ONE_BILLION | {"memory": {"weightsBytes": 4_000_000_000}}, resources={"memory": "2Gi"}),
            [],
        ),
        "a model of which nobody knows the size": (of_service(T4, {}), []),
    },
)
def test_a_model_that_one_device_cannot_hold_is_refused_with_the_sum(found: Rejection | None, words: list[str]) -> None:
    assert (found.reason if found else "") == ("ModelTooLarge" if words else ""), found
    assert [word for word in words if found is None or word not in found.message] == [], found


def test_an_imported_model_is_weighed_by_what_its_files_say() -> None:
    spec = ModelSpec.model_validate(make_imported_model()["spec"])
    facts = {"family": "chat", "parameters": 8_030_000_000, "weightsBytes": 32_120_000_000, "quantization": "torchao"}
    imported = {"source": source_hash(spec.artifacts.source), "claimName": "tiny", "facts": facts}
    model = resolved(spec, ModelStatus.model_validate({"import": imported}))

    found = reject_service(
        InferenceServiceSpec.model_validate(make_inference_service(accelerators={"pool": "pool"})["spec"]),
        model=model,
        choice=T4,
        has_image=lambda verb, variant: True,
    )
    assert found is not None
    assert "29.9Gi weights" in found.message
    assert "quantized" not in found.message

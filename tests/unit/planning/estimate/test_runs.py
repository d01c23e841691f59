"""The network of a job and how one device computes it, and what of its memory is told."""

from __future__ import annotations

import random
from typing import Any

import pytest
from builders import make_model, make_pool, make_training_job
from fakes import FakeCluster
from tables import table

from hostler.api.common import ModelReference
from hostler.api.model import ModelSpec
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.acceptance import PoolChoice
from hostler.planning.devicememory import certain_terms, reject_memory_of_job
from hostler.planning.estimate.estimate import Subject, estimate_job
from hostler.planning.estimate.operations import training_operations
from hostler.planning.estimate.result import Memory
from hostler.planning.estimate.runs import adapter_parameters, memory_of_job, network_of, run_of
from hostler.planning.estimate.shapes import Sharding
from hostler.planning.models import NamedModel
from hostler.planning.pools import PoolView, read_pool
from hostler.planning.usage import PoolUsage

GIB = 2**30
SIZES = {
    "layers": 32, "hiddenSize": 4096, "heads": 32, "kvHeads": 8, "headSize": 128, "intermediateSize": 14_336,
    "gated": True, "causal": True,
}  # fmt: skip
LLAMA_8B: dict[str, Any] = {
    "architecture": {
        "parameters": 8_030_261_248, "contextLength": 8192, "vocabularySize": 128_256, "sizes": SIZES,
    },
    "memory": {"weightsBytes": 16_060_522_496},
}  # fmt: skip
"""Llama 3.1 8B, as its files say."""
LORA = {"lora": {"rank": 16}}


def view(kind: str = "nvidia-a100-80", resource: str | None = "nvidia.com/gpu") -> PoolView:
    """A pool of one node with eight devices, or of cores."""
    usage = PoolUsage()
    devices = {resource: 8} if resource else {}
    usage.put_node(FakeCluster().node("n", labels={"hostler.dev/pool": "pool"}, devices=devices, cpu="64"))
    spec = make_pool("pool", acceleratorType=kind)["spec"]
    usage.put_pool(read_pool("pool", AcceleratorPoolSpec.model_validate(spec)))
    found = usage.shape("pool")
    assert found is not None
    return found


def named(model: dict[str, Any] | None) -> NamedModel | None:
    """A base of these facts."""
    if model is None:
        return None
    spec = ModelSpec.model_validate(make_model("large", **model)["spec"])
    return NamedModel(path="spec.base", reference=ModelReference(name="large"), model=spec, claim={"metadata": {}})


def job(**spec: Any) -> TrainingJobSpec:
    """A job; of a base where it is a fine-tuning."""
    given = {"output": {}, "base": {"name": "large"}} if spec.get("objective") == "finetune" else {}
    training = {"steps": 9, "contextLength": 2048, "batchSize": 8, "packing": {"mode": "off"}}
    made = make_training_job(**({"accelerators": {"pool": "pool"}} | given | spec))
    made["spec"]["training"] = training | spec.get("training", {})
    return TrainingJobSpec.model_validate(made["spec"])


def memory(
    spec: TrainingJobSpec, base: dict[str, Any] | None = None, pool: PoolView | None = None, **more: Any
) -> Memory:
    """What is expected of it; it must be known."""
    found = memory_of_job(spec, base=named(base), view=pool or view(), processes=more.get("processes", 1))
    assert found is not None
    return found


FINETUNE = {"objective": "finetune"}


@table(
    ("spec", "base", "processes", "want"),
    {
        "every weight learns, in fp32 with its gradient and two moments": (
            job(**FINETUNE), LLAMA_8B, 1, {"weights": 8_030_261_248 * 4, "optimizer state": 8_030_261_248 * 8},
        ),
        "shared out over eight": (
            job(**FINETUNE, training={"parallelism": "sharded"}), LLAMA_8B, 8,
            {"weights": 8_030_261_248 * 4 // 8, "optimizer state": 8_030_261_248},
        ),
        "an adapter beside a base in half precision": (
            job(**FINETUNE, **LORA), LLAMA_8B, 1,
            {"weights that do not learn": 8_030_261_248 * 2, "weights": 41_943_040 * 4},
        ),
    },
)  # fmt: skip
def test_the_terms_of_a_job(spec: TrainingJobSpec, base: dict[str, Any], processes: int, want: dict[str, int]) -> None:
    terms = dict(memory(spec, base, processes=processes).terms)
    assert {name: terms[name] for name in want} == want


def test_an_adapter_of_llama_has_as_many_weights_as_peft_counts() -> None:
    """Rank 16 on all seven matrices of Llama 3 8B: 41,943,040, as peft prints it."""
    network = network_of(job(**FINETUNE, **LORA), named(LLAMA_8B))
    assert network is not None
    assert adapter_parameters(network, rank=16) == 41_943_040


@table(
    ("training", "want"),
    {
        "rows that fit need nothing": ({"batchSize": 1}, ""),
        "fewer at a time": ({"batchSize": 64}, "fit: set training.gradientAccumulation to"),
        "the trainer takes fewer by itself": (
            {"batchSize": 64, "onOutOfMemory": "shrink"}, "fit: the trainer takes as many as it finds room for",
        ),
        "rows that share sequences are counted by nobody before the data is read": (
            {"batchSize": 64, "packing": {"mode": "auto"}}, "",
        ),
    },
)  # fmt: skip
def test_what_is_to_be_done(training: dict[str, Any], want: str) -> None:
    note = memory(job(**FINETUNE, **LORA, training=training), LLAMA_8B).note
    assert want in note
    assert bool(note) == bool(want)


def test_as_many_parts_as_are_told_do_fit() -> None:
    spec = job(**FINETUNE, **LORA, training={"batchSize": 64})
    parts = int(memory(spec, LLAMA_8B).note.rpartition(" ")[2])
    again = job(**FINETUNE, **LORA, training={"batchSize": 64, "gradientAccumulation": parts})
    assert memory(again, LLAMA_8B).fits


def test_not_even_one_row_fits() -> None:
    found = memory(job(**FINETUNE, training={"batchSize": 8}), LLAMA_8B)
    assert (found.fits, found.largest_rows) == (False, 0)
    assert found.note.startswith("one row at a time is expected to take more than there is")


@table(
    ("spec", "base"),
    {
        "a base whose sizes nobody knows": (job(**FINETUNE), {"architecture": {"parameters": 10**9}}),
        "an objective with a second network": (
            job(objective="distill", base={"name": "large"}), LLAMA_8B,
        ),
        "a base that is quantized": (
            job(**FINETUNE, **LORA),
            LLAMA_8B | {"architecture": LLAMA_8B["architecture"] | {"quantization": "int8-weight-only"}},
        ),
    },
)  # fmt: skip
def test_nothing_is_told_where_nobody_knows(spec: TrainingJobSpec, base: dict[str, Any]) -> None:
    assert memory_of_job(spec, base=named(base), view=view(), processes=1) is None


def test_cores_compute_in_fp32_in_the_memory_of_their_pod() -> None:
    spec = job(resources={"cpu": "8", "memory": "64Gi"})
    found = memory(spec, pool=view("cpu", None))
    assert found.device == 64 * GIB
    network = network_of(spec, None)
    assert network is not None
    run = run_of(spec, network, base=None, view=view("cpu", None), processes=1)
    assert run is not None
    assert run.precision == "fp32"


def test_what_is_expected_is_never_below_what_is_certain() -> None:
    """Else a job that is refused for certain would be told to fit."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(200):
        processes, batch = chance.choice((1, 2, 8)), chance.choice((8, 16, 64))
        parallelism = chance.choice(("replicated", "sharded"))
        length = chance.choice((512, 2048, 8192))
        training = {"batchSize": batch, "parallelism": parallelism, "contextLength": length}
        spec = job(**FINETUNE, **(LORA if chance.random() < 0.5 else {}), training=training)
        base = named(LLAMA_8B)
        assert base is not None
        least = sum(certain_terms(spec, base=base.model, view=view(), processes=processes).values())
        assert memory(spec, LLAMA_8B, processes=processes).peak >= least * 0.999, (processes, training)


def test_who_is_refused_for_certain_is_not_told_to_fit() -> None:
    spec = job(**FINETUNE, training={"batchSize": 8})
    refused = reject_memory_of_job(spec, base=named(LLAMA_8B), choice=PoolChoice(view=view()), processes=1)
    assert refused is not None
    assert memory(spec, LLAMA_8B).fits is False


def test_arithmetic_is_counted_by_the_sizes_of_the_base() -> None:
    spec = job(**FINETUNE, training={"batchSize": 8, "contextLength": 8192})
    base = named(LLAMA_8B)
    estimate = estimate_job(Subject(spec=spec, view=view(), base=base, pods=1))
    network = network_of(spec, base)
    assert estimate is not None
    assert network is not None
    run = run_of(spec, network, base=base, view=view(), processes=1)
    assert run is not None
    assert run.sharding is Sharding.REPLICATED
    assert estimate.operations == pytest.approx(training_operations(network, run) * 9 * 8 * 8192)
    assert estimate.memory is not None

"""The file of an attempt: everything that a spec can say reaches the trainer in the words of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from builders import FAMILY_SIZES, make_family_job, make_pool, make_training_job
from fakes import FakeCluster
from floor import view_of
from tables import table

from hostler.api.hyperparameters import Precision
from hostler.api.pool import AcceleratorPoolSpec
from hostler.api.trainingjob import TrainingJobSpec, TrainingJobStatus
from hostler.controllers.trainingjob.config import job_config, peak_flops
from hostler.controllers.trainingjob.observed import Observed
from hostler.families import family
from hostler.planning.acceptance import PoolChoice
from hostler.planning.pools import PoolView, read_pool
from hostler_contract import JobConfig, ModelConfig

Object = dict[str, Any]
_RESOURCES = {"nvidia-h100-sxm": "nvidia.com/gpu", "nvidia-v100": "nvidia.com/gpu", "cpu": None}


def pool(kind: str = "nvidia-h100-sxm") -> PoolView:
    """A pool of one real node."""
    cluster, resource = FakeCluster(), _RESOURCES[kind]
    node = cluster.node("node", labels={"hostler.dev/pool": "pool"}, devices={resource: 8} if resource else {})
    spec = AcceleratorPoolSpec.model_validate(make_pool("pool", acceleratorType=kind)["spec"])
    return view_of(read_pool("pool", spec), node)


def config(manifest: Object) -> JobConfig:
    """What the first attempt of a job is asked to do; through the wire, as the trainer reads it."""
    view = pool()
    seen = Observed(
        job=manifest,
        spec=TrainingJobSpec.model_validate(manifest["spec"]),
        status=TrainingJobStatus(),
        now="2026-01-01T00:00:00Z",
        pool=PoolChoice(view=view),
        start_grace_seconds=300.0,
    )
    return JobConfig.from_json(job_config(seen, number=0, pods=1, view=view).to_json())


SHORT = {"steps": 1, "contextLength": 16}


def based(objective: str, **spec: Any) -> Object:
    """A chat job that starts from a base."""
    return make_training_job(**{"objective": objective, "base": {"name": "large"}, "output": {}} | spec)


@pytest.mark.parametrize("name", FAMILY_SIZES)
def test_every_family_gets_its_own_block_and_no_other(name: str) -> None:
    found = config(make_family_job(name))
    assert found.family == name
    assert found.model == ModelConfig.model_validate(FAMILY_SIZES[name])
    assert set(found.model.model_dump(exclude_none=True)) == {family(name).block}


def test_shorter_sequences_cost_less_attention_for_each_token() -> None:
    whole, short = (config(make_training_job(training=training)) for training in ({"steps": 1}, SHORT))
    sizes = whole.model.transformer
    assert sizes is not None
    assert whole.flops_per_unit is not None
    assert short.flops_per_unit is not None
    # 12 operations for each layer, channel and position that is not looked at (arXiv 2204.02311, appendix B).
    saved = 12 * sizes.layers * sizes.hidden_size * (sizes.context_length - 16)
    assert whole.flops_per_unit - short.flops_per_unit == saved


@table(
    ("spec", "want"),
    {
        "nothing said": ({}, (None, 1)),
        "shorter sequences, every checkpoint": (
            {"training": {"steps": 9, "contextLength": 48}, "checkpoint": {"keepAfterSuccess": 100}},
            (48, 100),
        ),
        "no checkpoint": ({"checkpoint": {"keepAfterSuccess": 0}}, (None, 0)),
    },
)
def test_lengths_and_what_stays_reach_the_trainer(spec: Object, want: tuple[int | None, int]) -> None:
    found = config(make_training_job(**spec))
    assert (found.hyperparameters.context_length, found.checkpoint.keep_after_success) == want


@table(
    ("manifest", "field", "want"),
    {
        "a fresh start": (make_training_job(), "objective", {"kind": "pretrain"}),
        "an adapter": (
            based("finetune", lora={"rank": 4, "alpha": 32, "dropout": "0.05"}),
            "objective",
            {"kind": "finetune", "lora": {"rank": 4, "alpha": 32, "dropout": 0.05}},
        ),
        "preferences": (
            based("preference", preference={"method": "kto", "beta": "0.2"}),
            "objective",
            {"kind": "preference", "preference": {"method": "kto", "beta": 0.2}},
        ),
        "a pupil": (
            based("distill", distill={"temperature": "3", "teacherWeight": "0.9"}),
            "objective",
            {"kind": "distill", "distill": {"temperature": 3.0, "teacherWeight": 0.9}},
        ),
        "a lighter model": (
            based("prune", prune={"method": "structured", "sparsity": "0.25"}),
            "objective",
            {"kind": "prune", "prune": {"method": "structured", "sparsity": 0.25}},
        ),
        "8-bit weights": (
            based("quantize", quantize={"method": "int8-dynamic"}),
            "objective",
            {"kind": "quantize", "quantize": {"method": "int8-dynamic"}},
        ),
        "pseudo-labels": (
            make_family_job(
                "bert",
                supervision="semi-supervised",
                semiSupervised={"threshold": "0.8", "weight": "0.5", "unlabelledRatio": 3},
            ),
            "objective",
            {
                "kind": "pretrain",
                "supervision": "semi-supervised",
                "semiSupervised": {"threshold": 0.8, "weight": 0.5, "unlabelledRatio": 3},
            },
        ),
        "a base": (based("finetune"), "inputs", {"base": "/inputs/base", "parts": {}}),
        "a part": (
            make_family_job("text-to-image", output={"diffusion": {}}, parts={"autoencoder": {"name": "vae"}}),
            "inputs",
            {"parts": {"autoencoder": "/inputs/parts/autoencoder"}},
        ),
        "packing": (
            make_training_job(training={"steps": 1, "packing": {"mode": "off", "strategy": "spfhp", "maxPerPack": 3}}),
            "packing",
            {"mode": "off", "strategy": "spfhp", "maxPerPack": 3},
        ),
        "a target": (
            make_training_job(evaluation={"everySteps": 5, "stopAt": {"metric": "loss", "max": "2e0"}, "samples": 2}),
            "evaluation",
            {"everySteps": 5, "stopAt": {"metric": "loss", "max": 2.0}, "samples": 2},
        ),
        "columns and a licence": (
            make_training_job(
                dataset={
                    "source": {"pvc": {"claimName": "data", "path": "rows"}},
                    "format": "jsonl",
                    "columns": {"text": "body"},
                    "license": "CC0-1.0",
                }
            ),
            "dataset",
            {
                "source": {"kind": "path", "location": "/data/rows"},
                "format": "jsonl",
                "columns": {"text": "body"},
                "validationPercent": 10,
                "license": "CC0-1.0",
            },
        ),
    },
)
def test_a_section_of_the_spec_reaches_the_trainer(manifest: Object, field: str, want: Object) -> None:
    found = config(manifest).to_dict()[field]
    said = {key: value for key, value in found.items() if key in want}
    assert said == want
    assert set(found) >= set(want)


@table(
    ("source", "want"),
    {
        "all of a bucket": ({"s3": {"bucket": "data"}}, {"kind": "s3", "location": "s3://data"}),
        "a prefix of a store of one's own": (
            {
                "s3": {
                    "bucket": "data",
                    "prefix": "a/b/",
                    "endpoint": "https://minio.example.org",
                    "region": "eu-1",
                    "secretRef": {"name": "keys"},
                }
            },
            {
                "kind": "s3",
                "location": "s3://data/a/b",
                "endpoint": "https://minio.example.org",
                "region": "eu-1",
            },
        ),
        "a repository of a hub": (
            {"hf": {"repository": "org/set"}},
            {"kind": "hf", "location": "hf://datasets/org/set", "revision": "main"},
        ),
        "a directory of a repository without an owner, which is no owner's repository": (
            {"hf": {"repository": "imdb", "path": "plain_text/"}},
            {"kind": "hf", "location": "hf://datasets/imdb", "path": "plain_text", "revision": "main"},
        ),
        "one file of a hub of one's own": (
            {"hf": {"repository": "org/set", "path": "train.parquet", "revision": "v1", "endpoint": "http://hub"}},
            {
                "kind": "hf",
                "location": "hf://datasets/org/set",
                "path": "train.parquet",
                "revision": "v1",
                "endpoint": "http://hub",
            },
        ),
    },
)
def test_a_source_reaches_the_trainer_without_its_credentials(source: Object, want: Object) -> None:
    assert config(make_training_job(dataset={"source": source})).to_dict()["dataset"]["source"] == want


def test_hyperparameters_reach_the_trainer() -> None:
    training = {
        "steps": 7,
        "batchSize": 16,
        "gradientAccumulation": 4,
        "learningRate": "1e-4",
        "warmupSteps": 2,
        "weightDecay": "0",
        "gradientClip": "0.5",
        "seed": 3,
        "precision": "fp8",
        "deterministic": True,
        "parallelism": "sharded",
    }
    found = config(make_training_job(training=training)).to_dict()["hyperparameters"]
    assert found == training | {"learningRate": 1e-4, "weightDecay": 0.0, "gradientClip": 0.5}


@table(
    ("manifest", "want"),
    {
        "from scratch": (make_training_job(), "formula"),
        "all weights of a base, whose sizes are known": (
            based("finetune", output=make_training_job()["spec"]["output"]),
            "formula",
        ),
        "all weights of a base, whose sizes stand in its files": (based("finetune"), "counted"),
        "an adapter needs less": (based("finetune", lora={}, output=FAMILY_SIZES["chat"]), "counted"),
        "a pupil's teacher computes too": (based("distill", output=FAMILY_SIZES["chat"]), "counted"),
        "pseudo-labels need a pass of their own": (make_family_job("bert", supervision="semi-supervised"), "counted"),
        "a family without a formula": (make_family_job("gan"), "counted"),
    },
)
def test_operations_are_given_only_where_the_formula_is_the_truth(manifest: Object, want: str) -> None:
    assert ("counted" if config(manifest).flops_per_unit is None else "formula") == want


@table(
    ("kind", "precision", "want"),
    {
        "bf16 by itself": ("nvidia-h100-sxm", Precision.AUTO, 989.4e12),
        "fp16": ("nvidia-h100-sxm", Precision.FP16, 989.4e12),
        "fp8": ("nvidia-h100-sxm", Precision.FP8, 1979e12),
        "fp32": ("nvidia-h100-sxm", Precision.FP32, 66.9e12),
        "cores have no published peak": ("cpu", Precision.AUTO, None),
    },
)
def test_the_peak_is_that_of_the_precision(kind: str, precision: Precision, want: float | None) -> None:
    assert peak_flops(pool(kind).pool, precision) == (None if want is None else pytest.approx(want))


def test_a_precision_that_the_card_lacks_falls_back_as_in_the_trainer() -> None:
    volta = pool("nvidia-v100").pool
    assert peak_flops(volta, Precision.FP8) == peak_flops(volta, Precision.FP32) == peak_flops(volta, Precision.AUTO)

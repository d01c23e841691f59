"""Models that are made from other models, measured, and held to what was asked of them."""

from __future__ import annotations

from typing import Any

import pytest
from bench import GPU, SETTINGS, Bench
from builders import edited, make_family_job, make_model, make_pool, without
from tables import table
from world import completed, progress, running, states, submitted, success

from hostler.cluster.store import Change
from hostler_contract.result import Comparison, DatasetFacts, Measured, TargetReached

Object = dict[str, Any]
TUNED = {"objective": "finetune", "base": {"name": "large"}, "output": {}}
PRICE = {"amount": "3.6", "currency": "EUR", "source": "contract", "date": "2026-01-31"}


@pytest.fixture
def based(bench: Bench) -> Bench:
    """A bench with a chat model ``large`` and an autoencoder ``vae`` on their claims."""
    for name, family in (("large", "chat"), ("vae", "vae")):
        bench.cluster.claim(name)
        bench.cluster.put(edited(make_model(name, family=family), "spec.artifacts.sha256", name[0].encode().hex() * 32))
    bench.cluster.claim("data")
    return bench


def trainer(bench: Bench) -> Object:
    (container,) = bench.cluster.object("Job", "tiny-0")["spec"]["template"]["spec"]["containers"]
    return container


async def test_a_base_is_mounted_read_only_and_stands_in_the_lineage(based: Bench) -> None:
    await running(based, **TUNED)
    (mount,) = [mount for mount in trainer(based)["volumeMounts"] if mount["mountPath"].startswith("/inputs")]
    assert mount == {"name": "base", "mountPath": "/inputs/base", "readOnly": True, "subPath": "artifacts"}
    config = based.job_config("tiny-0").to_dict()
    assert config["inputs"] == {"base": "/inputs/base", "parts": {}}
    await completed(based)
    lineage = based.cluster.object("Model", "tiny")["spec"]["lineage"]
    assert (lineage["objective"], lineage["base"]) == (
        "finetune",
        {"kind": "Model", "name": "large", "sha256": "6c" * 32},
    )


async def test_parts_are_mounted_and_stand_in_the_lineage(based: Bench) -> None:
    parts = {"autoencoder": {"name": "vae"}}
    based.cluster.put(make_family_job("text-to-image", output={"diffusion": {}}, parts=parts))
    await based.settle()
    await running(based)
    paths = [mount["mountPath"] for mount in trainer(based)["volumeMounts"]]
    assert "/inputs/parts/autoencoder" in paths
    await completed(based)
    model = based.cluster.object("Model", "tiny")["spec"]
    assert model["lineage"]["parts"] == {"autoencoder": {"kind": "Model", "name": "vae", "sha256": "76" * 32}}
    assert model["task"] == "text-to-image"


async def test_a_job_waits_for_its_base_and_starts_when_it_is_there(bench: Bench) -> None:
    await submitted(bench, **TUNED)
    assert states(bench)["Accepted"] == ("False", "ModelNotFound")
    assert states(bench)["Ready"] == ("False", "ModelNotFound")
    model = bench.cluster.put(make_model("large"))
    claim = bench.cluster.claim("large")
    jobs = bench.controllers["TrainingJob"]
    assert [key.name for key in jobs.affected(Change("Model", None, model))] == ["tiny"]
    bench.cluster.put(make_model("large", artifacts={"source": {"pvc": {"claimName": "large"}}}))
    assert [key.name for key in jobs.affected(Change("PersistentVolumeClaim", None, claim))] == ["tiny"]
    await bench.settle()
    assert states(bench)["Accepted"] == ("True", "Valid")


async def test_a_base_that_vanishes_meanwhile_stops_no_running_attempt(based: Bench) -> None:
    await running(based, **TUNED)
    based.cluster.remove(based.cluster.object("Model", "large"))
    await based.settle()
    assert states(based)["Ready"] == ("True", "Training")
    await completed(based)
    assert based.cluster.object("Model", "tiny")["spec"]["lineage"]["base"] == {"kind": "Model", "name": "large"}


async def test_credentials_of_a_store_are_named_and_never_read(based: Bench) -> None:
    source = {"s3": {"bucket": "data", "secretRef": {"name": "keys"}}}
    await submitted(based, dataset={"source": source})
    container = trainer(based)
    named = {entry["name"]: (entry.get("valueFrom") or {}).get("secretKeyRef") for entry in container["env"]}
    assert {name: key for name, key in named.items() if key} == {
        "AWS_ACCESS_KEY_ID": {"name": "keys", "key": "AWS_ACCESS_KEY_ID"},
        "AWS_SECRET_ACCESS_KEY": {"name": "keys", "key": "AWS_SECRET_ACCESS_KEY"},
        "AWS_SESSION_TOKEN": {"name": "keys", "key": "AWS_SESSION_TOKEN", "optional": True},
    }
    assert "envFrom" not in container, "whatever else the Secret holds stays where it is"


@table(
    ("gates", "want_ready"),
    {
        "a figure that passes": ([{"metric": "validation_loss", "max": "3.5"}], ("True", "ArtifactsAvailable")),
        "a figure that misses": ([{"metric": "validation_loss", "max": "3"}], ("False", "GateMissed")),
        "a figure that nobody measured": ([{"metric": "answer_accuracy", "min": "0.1"}], ("False", "GateMissed")),
    },
)
async def test_a_model_that_misses_a_gate_exists_and_is_not_ready(
    based: Bench, gates: list[dict[str, str]], want_ready: tuple[str, str]
) -> None:
    await running(based, evaluation={"gates": gates})
    await completed(based)
    await based.settle()
    assert states(based)["Succeeded"] == ("True", "Succeeded"), "the job did what it could"
    assert based.condition("Model", "tiny", "Ready")[:2] == want_ready


async def test_a_gate_on_what_nobody_measures_is_refused_before_anything_starts(based: Bench) -> None:
    await submitted(based, evaluation={"gates": [{"metric": "acuracy", "min": "0.1"}]})
    assert states(based)["Accepted"] == ("False", "MetricNotMeasured")
    assert based.cluster.all("Job") == []


async def test_the_trainer_is_told_what_gates_wait_for(based: Bench) -> None:
    gates = [{"metric": "answer_accuracy", "min": "0.5"}, {"metric": "validation_loss", "max": "3"}]
    await submitted(based, evaluation={"gates": gates})
    config = based.job_config("tiny-0").to_dict()
    assert config["evaluation"]["gates"] == ["answer_accuracy", "validation_loss"]


async def test_a_quantized_model_says_so_and_is_no_base_for_another(based: Bench) -> None:
    await running(based, objective="quantize", base={"name": "large"}, output={}, quantize={"method": "int8-dynamic"})
    await completed(based)
    assert based.cluster.object("Model", "tiny")["spec"]["architecture"]["quantization"] == "int8-dynamic"
    await submitted(based, "again", **TUNED | {"base": {"name": "tiny"}})
    _, reason, message = based.condition("TrainingJob", "again", "Accepted")
    assert (reason, "start from Model large" in message) == ("IncompatibleModel", True), message


async def test_the_message_of_a_missed_gate_has_the_figure_and_the_bound(based: Bench) -> None:
    await running(based, evaluation={"gates": [{"metric": "validation_loss", "max": "3"}]})
    await completed(based)
    await based.settle()
    assert based.condition("Model", "tiny", "Ready")[2] == (
        "validation_loss is 3.25, and a gate asks for at most 3. Train a better one, or change spec.gates."
    )
    based.cluster.edit("Model", "tiny", gates=[{"metric": "validation_loss", "max": "4"}])
    await based.settle()
    assert based.condition("Model", "tiny", "Ready")[0] == "True"


async def test_status_shows_all_that_rank_0_reports(bench: Bench) -> None:
    await running(bench)
    uid = bench.cluster.object("Pod", "tiny-0-0-xyz")["metadata"]["uid"]
    bench.facts.answers[uid] = progress(
        5,
        loss=1.0,
        losses={"generator": 0.75, "discriminator": 0.25, "Odd Name": 1.0, "broken": float("nan")},
        learning_rate=4e-3,
        gradient_norm=0.51234,
        unit="images",
        units_per_second=41.678,
        packing_factor=2.3712,
        data_wait_ratio=0.01,
        memory_bytes=5 * 2**30,
        metrics={"validation_loss": 3.5},
        training_stage="denoiser",
        model_flops_utilization=0.41,
        notes=["fp8 is not what this device has: bf16 is used."],
    )
    await bench.settle()
    shown = bench.status("TrainingJob", "tiny")["progress"]
    assert shown == {
        "percent": 25,
        "step": 5,
        "totalSteps": 20,
        "loss": "1",
        "losses": [{"name": "discriminator", "value": "0.25"}, {"name": "generator", "value": "0.75"}],
        "learningRate": "0.004",
        "gradientNorm": "0.5123",
        "speed": {"value": "41.7", "unit": "images/s"},
        "modelFlopsUtilization": "0.41",
        "packingFactor": "2.371",
        "dataWait": "0.01",
        "memory": "5Gi",
        "metrics": [{"name": "validation_loss", "value": "3.5"}],
        "trainingStage": "denoiser",
        "stage": "Training",
        "notes": ["fp8 is not what this device has: bf16 is used."],
    }


_MEASURED = Measured(size_bytes=4000, parameters=1000, latency_seconds=0.0031, metrics={"accuracy": 0.9})
_SMALLER = Measured(size_bytes=1000, parameters=1000, latency_seconds=0.00095, metrics={"accuracy": 0.89})


async def test_the_end_says_what_the_objective_changed(based: Bench) -> None:
    await running(based, **TUNED)
    uid = based.cluster.object("Pod", "tiny-0-0-xyz")["metadata"]["uid"]
    based.facts.answers[uid] = progress(19, loss=1.0, units_per_second=41.678)
    await based.settle()
    result = success().model_copy(
        update={
            "comparison": Comparison(before=_MEASURED, after=_SMALLER),
            "dataset": DatasetFacts(sha256="b" * 64, size_bytes=100, packing_factor=2.0),
            "notes": ["said at the end"],
        }
    )
    await completed(based, result=result)
    status = based.status("TrainingJob", "tiny")
    assert status["comparison"] == {
        "before": {
            "sizeBytes": 4000,
            "parameters": 1000,
            "latency": {"value": "3.1", "unit": "ms"},
            "metrics": [{"name": "accuracy", "value": "0.9"}],
        },
        "after": {
            "sizeBytes": 1000,
            "parameters": 1000,
            "latency": {"value": "0.95", "unit": "ms"},
            "metrics": [{"name": "accuracy", "value": "0.89"}],
        },
    }
    ended = status["progress"]
    assert (ended["packingFactor"], ended["notes"], ended["stage"]) == ("2", ["said at the end"], "Finished")
    assert [figure["name"] for figure in ended["metrics"]] == ["validation_loss", "validation_perplexity"]
    assert ended["loss"] == "1", "the last one that was read: a result has none"
    assert not {"speed", "memory", "dataWait"} & set(ended)


async def test_a_pupil_that_forgot_what_its_teacher_knew_is_not_ready(based: Bench) -> None:
    """From 0.9 to 0: no bound of its own would have to be known for that."""
    gates = [{"metric": "answer_accuracy", "minRelative": "0.9"}]
    await running(based, **TUNED, evaluation={"gates": gates})
    before = _MEASURED.model_copy(update={"metrics": {"answer_accuracy": 0.9}})
    after = _SMALLER.model_copy(update={"metrics": {"answer_accuracy": 0.0}})
    result = success().model_copy(
        update={"metrics": {"answer_accuracy": 0.0}, "comparison": Comparison(before=before, after=after)}
    )
    await completed(based, result=result)
    await based.settle()
    assert based.condition("Model", "tiny", "Ready") == (
        "False",
        "GateMissed",
        "answer_accuracy is 0, and a gate asks for at least 0.9 of the base's 0.9. Train a better one, or change "
        "spec.gates.",
    )


@table(
    ("own", "base", "want"),
    {
        "the base's, where the job says nothing": (None, "apache-2.0", "apache-2.0"),
        "the job's own, where it says one": ("MIT", "apache-2.0", "MIT"),
        "nobody knows": (None, None, "unknown"),
    },
)
async def test_a_licence_is_inherited(based: Bench, own: str | None, base: str | None, want: str) -> None:
    if base is not None:
        based.cluster.edit("Model", "large", license=base)
    await running(based, **TUNED | {"output": {"license": own} if own else {}})
    config = based.job_config("tiny-0").to_dict()
    assert config["license"] == want, "the model card has it too"
    await completed(based)
    assert based.cluster.object("Model", "tiny")["spec"]["license"] == want


async def test_a_base_says_all_that_is_to_be_said_of_what_comes_out(based: Bench) -> None:
    job = without(make_family_job("chat", objective="finetune", base={"name": "large"}), "spec.output")
    based.cluster.put(job)
    await based.settle()
    await running(based)
    await completed(based)
    assert based.cluster.object("Model", "tiny")["spec"]["lineage"]["base"]["name"] == "large"


_EARLY = TargetReached(metric="validation_loss", value=2.98765, step=12, seconds=1800.0)


@table(
    ("label", "want"),
    {
        "real cards have power and price": (
            {},
            {"energy": {"value": "0.4", "unit": "kWh"}, "cost": {"amount": "3.60", "currency": "EUR"}},
        ),
        "simulated ones draw nothing, and cost what the pool says": (
            {"hostler.dev/simulated": "true"},
            {"cost": {"amount": "3.60", "currency": "EUR"}},
        ),
    },
)
async def test_a_target_says_what_it_took_until_then(bench: Bench, label: dict[str, str], want: Object) -> None:
    bench.restart(
        settings=SETTINGS.__class__(**vars(SETTINGS) | {"variant_images": {"train-cuda": "registry/train:1"}})
    )
    bench.cluster.node("gpu-1", labels={"hostler.dev/pool": "gpu", **label}, devices={GPU: 4})
    bench.cluster.put(make_pool("gpu", price=PRICE))
    stop = {"everySteps": 5, "stopAt": {"metric": "validation_loss", "max": "3"}}
    await running(bench, evaluation=stop, accelerators={"pool": "gpu", "perPod": 2})
    await completed(bench, result=success().model_copy(update={"target": _EARLY}))
    assert bench.status("TrainingJob", "tiny")["target"] == {
        "metric": "validation_loss",
        "value": "2.988",
        "step": 12,
        "seconds": "1800.0",
        **want,
    }

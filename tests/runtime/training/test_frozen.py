"""Weights that do not learn are held as they are stored, where products are computed in half precision anyway.

What is said to be needed before there are pods is what the trainer then holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import make_family_job, make_model
from runtime.training.harness import Train, make_job
from runtime.training.test_storage import decoder, encoder, recognizer, stored_as
from runtime.training.toyjobs import run_in_processes
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from hostler.api.model import ModelSpec
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.devicememory import Run, training_terms
from hostler_contract import JobConfig
from hostler_runtime import frozen
from hostler_runtime.families import training_half
from hostler_runtime.objectives import with_objective
from hostler_runtime.training import run

LORA: dict[str, Any] = {"kind": "finetune", "lora": {"rank": 2}}
SHARDED = {"hyperparameters__parallelism": "sharded", "topology": {"pods": 1, "processesPerPod": 2}}
PAIRS = "".join(
    json.dumps({"prompt": f"{n} and one", "chosen": f" is {n + 1}", "rejected": " is none"}) + "\n" for n in range(24)
)
STUDENT = {
    "architecture": "llama",
    "layers": 1,
    "hiddenSize": 16,
    "heads": 2,
    "contextLength": 128,
    "vocabularySize": 300,
}


def job_on(root: Path, kind: torch.dtype, **changes: Any) -> JobConfig:
    """Two steps on a Llama that is stored so."""
    given = decoder(root)
    stored_as(root / "base", kind)
    if changes.get("objective", {}).get("kind") == "preference":
        (root / "pairs.jsonl").write_text(PAIRS)
        given |= {"data": root / "pairs.jsonl", "dataset__format": "jsonl"}
    few = {"hyperparameters__steps": 2, "hyperparameters__learningRate": 1e-2, "evaluation": {"samples": 1}}
    return make_job(root / "job", **(few | given | {"inputs": {"base": str(root / "base")}} | changes))


def planned(job: JobConfig, kind: torch.dtype, *, processes: int) -> dict[str, int]:
    """The terms that the operator would name, of a base whose facts are its files'."""
    base = AutoModelForCausalLM.from_pretrained(job.inputs.base)
    weights = sum(weight.numel() for weight in base.parameters())
    facts = {"parameters": weights, "vocabularySize": base.config.vocab_size}
    stored = {"weightsBytes": weights * kind.itemsize}
    objective = job.objective.kind.value
    output = {"output": {"transformer": STUDENT}} if objective == "distill" else {}
    document = make_family_job(
        "chat",
        objective=objective,
        base={"name": "base"},
        lora={"rank": job.objective.lora.rank} if job.objective.lora else None,
        **output,
    )
    return training_terms(
        TrainingJobSpec.model_validate(document["spec"]),
        ModelSpec.model_validate(make_model(architecture=facts, memory=stored)["spec"]),
        Run(
            processes=processes,
            sharded=job.hyperparameters.parallelism == "sharded",
            lora=job.objective.lora is not None,
            halves=job.hyperparameters.precision == "bf16",
            rows=1,
            length=0,
        ),
    )


@pytest.mark.parametrize(
    ("objective", "kind", "precision", "spread"),
    [
        pytest.param({"kind": "finetune"}, torch.bfloat16, "bf16", {}, id="all weights learn, in fp32"),
        pytest.param({"kind": "finetune"}, torch.bfloat16, "bf16", SHARDED, id="all weights, in two shards"),
        pytest.param(LORA, torch.bfloat16, "bf16", {}, id="an adapter on halves"),
        pytest.param(LORA, torch.float16, "bf16", {}, id="an adapter on halves of another kind"),
        pytest.param(LORA, torch.bfloat16, "fp32", {}, id="an adapter, where products need fp32"),
        pytest.param(LORA, torch.float32, "bf16", {}, id="an adapter on a base that is stored in fp32"),
        pytest.param(LORA, torch.bfloat16, "bf16", SHARDED, id="an adapter on halves, in two shards"),
        pytest.param({"kind": "preference"}, torch.bfloat16, "bf16", {}, id="all weights with their reference"),
        pytest.param({"kind": "distill"}, torch.bfloat16, "bf16", {}, id="a student with its teacher"),
    ],
)
def test_the_bytes_that_are_counted_are_those_that_are_held(
    tmp_path: Path, objective: dict[str, Any], kind: torch.dtype, precision: str, spread: dict[str, Any]
) -> None:
    changes: dict[str, Any] = {"model": {"transformer": STUDENT}} if objective["kind"] == "distill" else {}
    job = job_on(tmp_path, kind, objective=objective, hyperparameters__precision=precision, **changes, **spread)
    count = 2 if spread else 1

    run_in_processes(job, count=count, module="runtime.training.heldbytes")

    held = [json.loads((tmp_path / f"held-{rank}.json").read_text()) for rank in range(count)]
    whole = {name: sum(each[name] for each in held) // count for name in held[0]}
    half = with_objective(job, training_half("chat"))
    demand, _ = half.demand(job, None, item_bytes=2 if precision == "bf16" else 4, processes=count)  # type: ignore[attr-defined]
    assert demand.weights == pytest.approx(whole["learning"] + whole["frozen"], rel=0.001)
    assert demand.beside == whole["beside"]
    # The operator knows no shapes: it counts no adapter, and takes norms to be as narrow as matrices.
    known = sum(planned(job, kind, processes=count).values())
    expected = whole["beside"] + whole["frozen"] + (0 if job.objective.lora else whole["learning"])
    if spread:  # each process brings the whole onto its device, before it is shared out
        expected = max(expected, whole["made"])
    assert 0.97 * expected <= known <= 1.001 * expected


@pytest.mark.parametrize(
    ("arrange", "objective", "kind"),
    [
        pytest.param(decoder, LORA, torch.bfloat16, id="a decoder"),
        pytest.param(decoder, LORA, torch.float16, id="a decoder in fp16, computed in bf16"),
        pytest.param(encoder, LORA, torch.bfloat16, id="an encoder"),
        pytest.param(recognizer, LORA, torch.float16, id="a recognizer"),
    ],
)
def test_what_is_learned_is_the_same_bit_by_bit(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, arrange: Callable[[Path], dict[str, Any]],
    objective: dict[str, Any], kind: torch.dtype,
) -> None:  # fmt: skip
    changes = arrange(tmp_path)
    stored_as(tmp_path / "base", kind)
    changes |= {
        "inputs": {"base": str(tmp_path / "base")}, "objective": objective, "hyperparameters__precision": "bf16",
        "hyperparameters__steps": 3, "hyperparameters__learningRate": 1e-2,
    }  # fmt: skip
    narrow = train(make_job(tmp_path / "narrow", **changes))
    monkeypatch.setattr(run, "hold_as_stored", lambda *_, **__: None)
    wide = train(make_job(tmp_path / "wide", **changes))

    assert narrow.result.metrics == wide.result.metrics
    found, wanted, before = (
        load_file(tmp_path / name / "model.safetensors") for name in ("narrow/model", "wide/model", "base")
    )
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    shared = [name for name in wanted if name in before and before[name].shape == wanted[name].shape]
    assert any(not torch.equal(found[name], before[name]) for name in shared), "nothing was learned"


def test_digits_that_a_file_has_are_kept() -> None:
    """Of a base of halves single weights may be stored in fp32."""
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)).requires_grad_(False)
    network[0].weight.data = network[0].weight.data.bfloat16().float()
    before = network[1].weight.data.clone()

    frozen.hold_as_stored(network, torch.bfloat16, precision="bf16")

    assert network[0].weight.dtype == torch.bfloat16
    assert torch.equal(network[1].weight.data, before)


def test_what_learns_stays_in_fp32() -> None:
    network = torch.nn.Sequential(torch.nn.Embedding(4, 4), torch.nn.Linear(4, 4))
    network.load_state_dict({name: each.bfloat16().float() for name, each in network.state_dict().items()})

    frozen.hold_as_stored(network, torch.bfloat16, precision="bf16")

    assert {weight.dtype for weight in network.parameters()} == {torch.float32}

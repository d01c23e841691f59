"""A model that is made from another one is stored as precisely as that one was, whatever it was trained in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.families.speech_jobs import few_recordings, fields, write_openai_whisper
from runtime.serving import tiny_model
from runtime.training.harness import REFERENCE_TEXT, JobFactory, Train, make_job
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from hostler_contract import JobConfig
from hostler_runtime.training.storage import round_weights, store_weights

FINETUNE = {"kind": "finetune"}


def stored_as(base: Path, kind: torch.dtype) -> Path:
    """The same base with its weights in another type, as hubs have most models."""
    weights = {name: tensor.to(kind) for name, tensor in load_file(base / "model.safetensors").items()}
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "dtype": str(kind).removeprefix("torch.")}))
    return base


def decoder(root: Path) -> dict[str, Any]:
    """A Llama and a text."""
    tokenizer = tiny_model.make_tokenizer()
    tiny_model.make_llama(len(tokenizer)).save_pretrained(root / "base")
    tokenizer.save_pretrained(root / "base")
    (root / "few.txt").write_text(REFERENCE_TEXT[:6_000])
    return {"data": root / "few.txt", "model": {}}


def encoder(root: Path) -> dict[str, Any]:
    """A BERT whose head is replaced by a new one."""
    tokenizer = tiny_model.make_tokenizer(template=None)
    marks = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]", "pad_token": "[PAD]"}
    tokenizer.add_special_tokens(marks)
    tokenizer.save_pretrained(root / "base")
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(root / "base")
    rows = [{"text": f"engine {number}", "label": "odd" if number % 2 else "even"} for number in range(20)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = {"layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": 40, "vocabularySize": 400}
    return {
        "family": "bert",
        "data": root / "rows.jsonl",
        "dataset__format": "jsonl",
        "model": {"encoder": {**sizes, "head": "classification"}},
    }


def recognizer(root: Path) -> dict[str, Any]:
    """A Whisper and two dozen recordings."""
    write_openai_whisper(root / "base")
    data = few_recordings(root / "recordings", tasks=[("en", "en")])
    return {**fields(data, None), "data": data}


@pytest.mark.parametrize(
    ("arrange", "kind", "steps"),
    [
        pytest.param(decoder, torch.bfloat16, 0, id="a decoder in bf16, as it is"),
        pytest.param(decoder, torch.float16, 2, id="a decoder in fp16 that is trained first"),
        pytest.param(decoder, torch.float32, 0, id="a decoder in fp32"),
        pytest.param(recognizer, torch.float16, 0, id="a recognizer"),
    ],
)
def test_what_is_not_quantized_is_stored_as_its_base(
    job: JobFactory, train: Train, tmp_path: Path, arrange: Callable[[Path], dict[str, Any]], kind: torch.dtype,
    steps: int,
) -> None:  # fmt: skip
    changes = arrange(tmp_path)
    stored_as(tmp_path / "base", kind)
    changes |= {"inputs": {"base": str(tmp_path / "base")}, "objective": {"kind": "quantize"}}
    given = job(**{**changes, "hyperparameters__steps": steps})

    train(given)

    model = Path(given.workspace) / "model"
    weights = load_file(model / "model.safetensors")
    scales = {name for name in weights if name.endswith("_scale")}
    assert {weights[name].dtype for name in scales} == {torch.float32}
    assert {tensor.dtype for name, tensor in weights.items() if name not in scales} == {torch.int8, kind}
    assert json.loads((model / "config.json").read_text())["dtype"] == str(kind).removeprefix("torch.")
    before = load_file(tmp_path / "base" / "model.safetensors")
    kept = [name for name in weights if name in before]
    assert steps or [name for name in kept if not torch.equal(weights[name], before[name])] == []


@pytest.mark.parametrize(
    ("arrange", "objective", "kind"),
    [
        pytest.param(decoder, FINETUNE, torch.bfloat16, id="a decoder in bf16"),
        pytest.param(decoder, FINETUNE, torch.float16, id="a decoder in fp16"),
        pytest.param(decoder, FINETUNE, torch.float32, id="a decoder in fp32"),
        pytest.param(decoder, {**FINETUNE, "lora": {"rank": 4}}, torch.bfloat16, id="an adapter that is merged"),
        pytest.param(decoder, {"kind": "prune", "prune": {"method": "structured"}}, torch.bfloat16, id="channels gone"),
        pytest.param(encoder, FINETUNE, torch.bfloat16, id="an encoder with a new head"),
        pytest.param(recognizer, FINETUNE, torch.float16, id="a recognizer"),
    ],
)
def test_what_comes_out_is_stored_as_its_base(
    job: JobFactory, train: Train, tmp_path: Path, arrange: Callable[[Path], dict[str, Any]],
    objective: dict[str, Any], kind: torch.dtype,
) -> None:  # fmt: skip
    changes = arrange(tmp_path)
    stored_as(tmp_path / "base", kind)
    changes |= {"inputs": {"base": str(tmp_path / "base")}, "objective": objective}
    given: JobConfig = job(**{"hyperparameters__steps": 2, "hyperparameters__learningRate": 1e-2, **changes})

    comparison = train(given).result.comparison

    model = Path(given.workspace) / "model"
    weights = load_file(model / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {kind}
    assert json.loads((model / "config.json").read_text())["dtype"] == str(kind).removeprefix("torch.")
    before = load_file(tmp_path / "base" / "model.safetensors")
    shared = [name for name in weights if name in before and weights[name].shape == before[name].shape]
    assert any(not torch.equal(weights[name], before[name]) for name in shared), "nothing was learned"
    assert comparison is not None
    assert comparison.after.size_bytes == pytest.approx(comparison.before.size_bytes, rel=0.25)


def test_a_student_is_a_model_of_its_own(job: JobFactory, train: Train, tmp_path: Path) -> None:
    changes = decoder(tmp_path)
    stored_as(tmp_path / "base", torch.bfloat16)
    given = job(**changes, inputs={"base": str(tmp_path / "base")}, objective={"kind": "distill"})
    sizes = make_job(tmp_path / "sizes").model
    given = given.model_copy(update={"model": sizes})

    train(given)

    weights = load_file(Path(given.workspace) / "model" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_what_is_measured_is_what_will_be_read_again() -> None:
    model = torch.nn.Linear(8, 8)

    round_weights(model, torch.bfloat16)

    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert model.weight.dtype == torch.float32, "it goes on computing as before"
    store_weights(model, torch.bfloat16)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.bfloat16}
    assert all(torch.equal(model.state_dict()[name].float(), weights[name]) for name in weights)


def test_a_weight_beyond_the_type_keeps_the_model_as_it_was_trained() -> None:
    """Half precision ends at 65,504; infinity would be served as NaN."""
    model = torch.nn.Linear(8, 8)
    with torch.no_grad():
        model.bias[0] = 1e6

    round_weights(model, torch.float16)
    store_weights(model, torch.float16)

    assert model.bias.dtype == torch.float32
    assert model.bias[0].item() == 1e6

"""Smaller models out of a larger one: distilled, pruned, quantized. Each reports before and after."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.objectives.conftest import SIZES, compared, documents, logits_of, model_of
from runtime.training.harness import Train, make_job
from safetensors.torch import load_file

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families import serving_half
from hostler_runtime.objectives.channels import remove_channels
from hostler_runtime.objectives.distill import softened_divergence
from hostler_runtime.objectives.prune import magnitude_masks, sparsity
from hostler_runtime.objectives.quantize import Quantize
from hostler_runtime.protocols.serving import LoadOptions, Prompt, Sampling

JobMaker = Callable[..., JobConfig]
STUDENT = {"transformer": {**SIZES["transformer"], "layers": 1, "hiddenSize": 32}}


def test_a_student_learns_more_from_its_teacher_than_from_the_data_alone(
    train: Train, job: JobMaker, tmp_path: Path
) -> None:
    # Little data, seen often: the teacher has read much more, and its targets hold what the data does not.
    data = documents(tmp_path / "few", first=0, count=60)
    held = {"data": data, "dataset__validationPercent": 40, "model": STUDENT}
    steps = {"steps": 150, "batchSize": 16, "learningRate": 5e-3}
    taught = job(
        "taught", objective={"kind": "distill", "distill": {"teacherWeight": 0.9}}, hyperparameters=steps, **held
    )
    alone = job(
        "alone", objective={"kind": "distill", "distill": {"teacherWeight": 0.0}}, hyperparameters=steps, **held
    )

    with_teacher, without = train(taught).result, train(alone).result

    teacher, student = compared(with_teacher, "validation_loss")
    # The comparison means something only where the teacher is clearly better.
    assert teacher < without.metrics["validation_loss"] - 0.3
    assert student < without.metrics["validation_loss"] - 0.03
    assert with_teacher.comparison is not None
    assert with_teacher.comparison.after.size_bytes < with_teacher.comparison.before.size_bytes


def test_a_student_without_sizes_is_refused(train: Train, job: JobMaker) -> None:
    with pytest.raises(RuntimeFailure, match=r"model\.transformer must say how large it is") as refused:
        train(job("refused", objective={"kind": "distill"}))

    assert refused.value.reason is ErrorReason.INVALID_CONFIGURATION


def test_soft_targets_pull_towards_the_teacher_and_vanish_when_they_agree() -> None:
    teacher = torch.tensor([[2.0, 0.0, -1.0]])
    student = torch.zeros(1, 3, requires_grad=True)
    softened_divergence(student, teacher, temperature=2.0).backward()

    assert student.grad is not None
    assert int(student.grad.argmin()) == 0
    assert float(softened_divergence(teacher, teacher, temperature=2.0)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("sparse", [pytest.param(0.3, id="a third"), pytest.param(0.6, id="most")])
def test_pruned_weights_are_zero_and_stay_zero_while_the_rest_heals(
    train: Train, job: JobMaker, base: Path, sparse: float
) -> None:
    asked = job("pruned", objective={"kind": "prune", "prune": {"sparsity": sparse}})
    # Training alone improves a model; only a dense one trained as long is a fair judge of what pruning costs.
    dense = train(job("dense", objective={"kind": "finetune"})).result

    result = train(asked).result

    assert result.metrics["sparsity"] == pytest.approx(sparse, abs=0.01)
    weights = load_file(model_of(asked) / "model.safetensors")["model.layers.0.mlp.down_proj.weight"]
    assert float((weights == 0).float().mean()) > sparse / 2
    assert result.comparison is not None
    assert result.comparison.after.parameters < result.comparison.before.parameters
    # Zeros take as much room as other numbers, and the report does not claim otherwise.
    assert result.comparison.after.size_bytes == pytest.approx(result.comparison.before.size_bytes, rel=0.01)
    assert result.metrics["validation_loss"] < dense.metrics["validation_loss"] + 0.6 * sparse


def test_healing_matters(train: Train, job: JobMaker) -> None:
    objective = {"kind": "prune", "prune": {"sparsity": 0.6}}
    healed = train(job("healed", objective=objective)).result
    raw = train(job("raw", objective=objective, hyperparameters__steps=1, hyperparameters__learningRate=1e-9)).result

    assert healed.metrics["validation_loss"] < raw.metrics["validation_loss"] - 0.2


def test_a_resumed_pruning_erases_the_same_weights(train: Train, job: JobMaker) -> None:
    objective = {"kind": "prune", "prune": {"sparsity": 0.5}}
    whole = job("whole", objective=objective, hyperparameters__steps=8)
    cut = job("cut", objective=objective, hyperparameters__steps=8)
    train(whole)
    with pytest.raises(RuntimeFailure, match="asked to stop"):
        train(cut, stop_after=5)
    train(cut)

    wanted, found = (load_file(model_of(each) / "model.safetensors") for each in (whole, cut))
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


def test_without_whole_channels_a_model_is_smaller_and_plain_libraries_load_it(
    train: Train, job: JobMaker, base: Path
) -> None:
    asked = job("narrow", objective={"kind": "prune", "prune": {"method": "structured", "sparsity": 0.5}})

    result = train(asked).result

    assert result.comparison is not None
    assert result.comparison.after.size_bytes < 0.8 * result.comparison.before.size_bytes
    assert logits_of(model_of(asked)).shape == logits_of(base).shape
    before, after = compared(result, "validation_loss")
    assert after < before + 0.4


@pytest.mark.parametrize(
    "make",
    [
        pytest.param("gpt2", id="gpt2, which stores its products transposed"),
        pytest.param("llama", id="llama, with a gate"),
        pytest.param("bert", id="bert"),
        pytest.param("whisper", id="whisper, encoder and decoder"),
    ],
)
def test_channels_that_do_nothing_can_go_without_a_trace(make: str) -> None:
    torch.manual_seed(0)
    model, inputs, out = _tiny(make)
    with torch.no_grad():
        for name, module in model.named_modules():
            if re.search(out, name):
                columns = module.weight.T if make == "gpt2" else module.weight
                columns[:, 16:] = 0
        before = model(**inputs).logits
        remove_channels(model, share=0.5)
        after = model(**inputs).logits

    assert float((before - after).abs().max()) < 1e-5
    assert 16 in {getattr(model.config, name, None) for name in ("intermediate_size", "n_inner", "encoder_ffn_dim")}


def _tiny(make: str) -> tuple[Any, dict[str, torch.Tensor], str]:
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        WhisperConfig,
        WhisperForConditionalGeneration,
    )  # fmt: skip

    tokens = torch.arange(8)[None]
    if make == "gpt2":
        config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=32, n_positions=16, n_inner=32)
        return GPT2LMHeadModel(config).eval(), {"input_ids": tokens}, r"mlp\.c_proj$"
    if make == "llama":
        llama = LlamaConfig(
            num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=32, vocab_size=32
        )
        return LlamaForCausalLM(llama).eval(), {"input_ids": tokens}, r"down_proj$"
    if make == "bert":
        bert = BertConfig(
            num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=32, vocab_size=32
        )
        model = BertForMaskedLM(bert).eval()
        return model, {"input_ids": tokens}, r"\d\.output\.dense$"
    whisper = WhisperConfig(
        vocab_size=32, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=16, max_source_positions=10,
        max_target_positions=16, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        suppress_tokens=[], begin_suppress_tokens=[],
    )  # fmt: skip
    inputs = {"input_features": torch.randn(1, 16, 20), "decoder_input_ids": tokens}
    return WhisperForConditionalGeneration(whisper).eval(), inputs, r"fc2$"


@pytest.mark.parametrize(
    "method",
    [pytest.param("int8-weight-only", id="weights only"), pytest.param("int8-dynamic", id="weights and activations")],
)
def test_8_bit_weights_take_less_room_and_answer_almost_the_same_from_the_server(
    train: Train, job: JobMaker, base: Path, method: str
) -> None:
    asked = job("small", objective={"kind": "quantize", "quantize": {"method": method}}, hyperparameters__steps=0)

    result = train(asked).result

    assert result.comparison is not None
    assert result.comparison.after.size_bytes < 0.75 * result.comparison.before.size_bytes
    before, after = compared(result, "validation_loss")
    assert after == pytest.approx(before, abs=0.02)
    assert _greedy(model_of(asked)) == _greedy(base)


def _coarser(weight: torch.Tensor) -> torch.Tensor:
    """Each row in 2 bits: nothing, or its largest value with either sign."""
    largest = weight.abs().amax(1, keepdim=True)
    return (weight / largest).round() * largest


def _with_the_next_scale(weight: torch.Tensor) -> torch.Tensor:
    """Each row as large as the next one is, as if 8-bit numbers were multiplied by the scale of another row."""
    largest = weight.abs().amax(1, keepdim=True)
    return weight / largest * largest.roll(1, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(_coarser, id="2 bits instead of 8"),
        pytest.param(_with_the_next_scale, id="the scale of another row"),
    ],
)
def test_weights_that_are_stored_wrongly_show_in_the_loss(
    train: Train, job: JobMaker, monkeypatch: pytest.MonkeyPatch, wrong: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """The control of the bound above: it would notice."""
    genuine = Quantize.complete

    def complete(self: Quantize, model: torch.nn.Module) -> torch.nn.Module:
        with torch.no_grad():
            for _, module in self.weights(model):
                weight = module.get_parameter("weight")
                weight.copy_(wrong(weight))
        return genuine(self, model)

    monkeypatch.setattr(Quantize, "complete", complete)

    result = train(job("wrong", objective={"kind": "quantize"}, hyperparameters__steps=0)).result

    before, after = compared(result, "validation_loss")
    assert after > before + 0.02


def test_quantizing_what_stores_nothing_that_can_be_quantized_is_refused(
    train: Train, job: JobMaker, tmp_path: Path
) -> None:
    sizes = {"transformer": {**SIZES["transformer"], "architecture": "gpt2"}}
    other = job("gpt2", model=sizes, inputs={}, objective={"kind": "pretrain"}, hyperparameters__steps=1)
    train(other)

    with pytest.raises(RuntimeFailure, match="torchao") as refused:
        train(job("refused", objective={"kind": "quantize"}, inputs={"base": str(model_of(other))}))

    assert refused.value.reason is ErrorReason.INVALID_CONFIGURATION


@pytest.fixture(scope="module")
def rounded(tmp_path_factory: pytest.TempPathFactory, train: Train, base: Path) -> Path:
    """The base with 8-bit weights."""
    root = tmp_path_factory.mktemp("rounded")
    asked = make_job(
        root / "workspace",
        data=documents(root / "data", first=900, count=60),
        model={},
        inputs={"base": str(base)},
        objective={"kind": "quantize"},
        hyperparameters={"steps": 0, "batchSize": 8, "learningRate": 1e-3},
    )
    train(asked)
    return model_of(asked)


@pytest.mark.parametrize(
    "objective",
    [
        pytest.param({"kind": "finetune"}, id="all weights"),
        pytest.param({"kind": "finetune", "lora": {}}, id="an adapter"),
        pytest.param({"kind": "preference"}, id="preferences"),
        pytest.param({"kind": "prune"}, id="pruned"),
        pytest.param({"kind": "quantize"}, id="quantized again"),
    ],
)
def test_what_is_quantized_is_not_trained_any_further(
    train: Train, job: JobMaker, rounded: Path, objective: dict[str, Any]
) -> None:
    with pytest.raises(RuntimeFailure, match=r"quantized \(config\.json: torchao\).*start from the model") as refused:
        train(job("refused", objective=objective, inputs={"base": str(rounded)}))

    assert refused.value.reason is ErrorReason.INVALID_CONFIGURATION


def test_what_is_quantized_can_teach(train: Train, job: JobMaker, rounded: Path) -> None:
    asked = job("taught", objective={"kind": "distill"}, inputs={"base": str(rounded)}, model=STUDENT)

    teacher, student = compared(train(asked).result, "validation_loss")

    assert 0 < teacher < student


def test_masks_take_the_smallest_weights_of_all_layers_together() -> None:
    small, large = torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        small.weight.uniform_(0.01, 0.02)
        large.weight.uniform_(1.0, 2.0)

    masks = magnitude_masks([("small", small), ("large", large)], sparsity=0.5)

    assert masks["small"].sum() == 0
    assert masks["large"].sum() == 16
    assert sparsity([("small", small), ("large", large)]) == 0.0


def _greedy(directory: Path) -> list[int]:
    """Twelve tokens as the server's engine takes them."""
    model = serving_half("chat").load(directory, options=LoadOptions())
    stream = model.stream()
    tokens = tuple(model.encode("The following"))
    found = [stream.add([Prompt(0, tokens, Sampling(seed=0, temperature=0.0))])[0]]
    return found + [stream.step()[0] for _ in range(5)]

"""What torch keeps of the trainer's own networks for the backward pass, against the formula of an estimate."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model

from hostler.planning.estimate.memory import memory_of_training
from hostler.planning.estimate.shapes import Adapter, Network, TrainingRun
from hostler.planning.estimate.switches import Switches
from hostler_contract import TransformerConfig
from hostler_contract.architectures import EncoderConfig
from hostler_runtime.families.bert import losses as encoder_losses
from hostler_runtime.families.bert.masking import IGNORED as NOT_ASKED
from hostler_runtime.families.bert.network import fresh as fresh_encoder
from hostler_runtime.text import decoder
from hostler_runtime.text.decoder import fresh_decoder, prunable

MOST_ERROR = 0.06
TOKENS, LENGTH, ROWS = 300, 128, 8
SIZES = {"tiny": (64, 2, 2), "small": (256, 4, 8)}
NOBODY: Any = SimpleNamespace(bos_token_id=None, eos_token_id=None, pad_token_id=None)


class _Tokenizer(SimpleNamespace):
    pad_token_id = 0

    def __len__(self) -> int:
        return TOKENS


def _decoder(architecture: str, size: str) -> Any:
    width, layers, heads = SIZES[size]
    config = TransformerConfig(
        architecture=architecture, hidden_size=width, layers=layers, heads=heads, context_length=LENGTH,
        vocabulary_size=TOKENS,
        dropout_percent=0,
    )  # fmt: skip
    return fresh_decoder(config, NOBODY, vocabulary_size=TOKENS)


def _encoder(size: str) -> Any:
    width, layers, heads = SIZES[size]
    config = EncoderConfig(
        hidden_size=width,
        layers=layers,
        heads=heads,
        context_length=LENGTH,
        vocabulary_size=TOKENS,
        dropout_percent=0,
        head="masked-lm",
    )
    return fresh_encoder(config, tokenizer=_Tokenizer(), labels=[])  # type: ignore[arg-type]


def _network(model: Any, *, size: str, architecture: str) -> Network:
    width, layers, heads = SIZES[size]
    config = model.model.config if architecture == "bert" else model.config
    weights = sum(weight.numel() for weight in model.parameters())
    return Network(
        parameters=weights, active_parameters=weights, layers=layers, hidden_size=width, heads=heads, kv_heads=heads,
        head_size=width // heads, intermediate_size=getattr(config, "intermediate_size", 4 * width),
        vocabulary_size=TOKENS, gated=architecture == "llama", tied=True, causal=architecture != "bert",
    )  # fmt: skip


def _rows(*, sequences: int) -> dict[str, torch.Tensor]:
    """Rows of that many sequences each."""
    inputs = torch.randint(1, TOKENS, (ROWS, LENGTH))
    segments = (torch.arange(LENGTH) * sequences // LENGTH + 1).expand(ROWS, LENGTH).contiguous()
    positions = torch.arange(LENGTH).expand(ROWS, LENGTH) % (LENGTH // sequences)
    return {"input_ids": inputs, "targets": inputs, "segment_ids": segments, "position_ids": positions}


def _masked_rows() -> dict[str, torch.Tensor]:
    rows = _rows(sequences=2)
    asked = torch.rand(ROWS, LENGTH) < 0.15
    return {
        "input_ids": rows["input_ids"],
        "segments": rows["segment_ids"],
        "positions": rows["position_ids"],
        "token_types": torch.zeros_like(rows["input_ids"]),
        "targets": rows["input_ids"].masked_fill(~asked, NOT_ASKED),
    }


def _adapt(model: Any) -> int:
    """An adapter of rank 2 on every matrix of the layers; returns how many weights learn."""
    names = [name for name, _ in prunable(model)]
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=4, target_modules=names), model)
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def _kept(model: Any, compute: Callable[[], Any], *, halves: bool) -> int:
    """Bytes that are saved for the backward pass and are no weights; what several operations share counts once."""
    own = {each.untyped_storage().data_ptr() for each in [*model.parameters(), *model.buffers()]}
    found: dict[int, int] = {}
    alive = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=halves),
    ):
        compute()
    return sum(found.values())


def _said(network: Network, *, adapter: int | None, sequences: int, halves: bool) -> float:
    """By the estimate. Of its twelve bytes for a logit, four wait for the backward pass; the rest comes with it."""
    run = TrainingRun(
        devices=1, sequence_length=LENGTH, rows=ROWS, precision="bf16" if halves else "fp32",
        adapter=None if adapter is None else Adapter(parameters=adapter),
        mean_length=LENGTH / sequences if sequences > 1 else None,
    )  # fmt: skip
    terms = dict(memory_of_training(network, run, device_bytes=None, switches=Switches(fused=True)).terms)
    copies = terms.get("weights in half precision for products", 0)
    return terms["activations"] + terms.get("attention masks", 0) + terms["logits and their gradients"] / 3 + copies


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("halves", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("sequences", [1, 4], ids=["one sequence in a row", "four sequences in a row"])
@pytest.mark.parametrize("adapted", [False, True], ids=["all learns", "adapter"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_what_a_decoder_keeps(architecture: str, *, adapted: bool, sequences: int, halves: bool, size: str) -> None:
    torch.manual_seed(0)
    model = _decoder(architecture, size)
    network = _network(model, size=size, architecture=architecture)
    adapter = None
    if adapted:
        model.requires_grad_(False)
        adapter = _adapt(model)
    batch = _rows(sequences=sequences)

    kept = _kept(model, lambda: decoder.loss(model, batch), halves=halves)

    said = _said(network, adapter=adapter, sequences=sequences, halves=halves)
    print(f"{said / kept - 1:+.1%}")
    assert said == pytest.approx(kept, rel=MOST_ERROR)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("halves", [False, True], ids=["fp32", "bf16"])
def test_what_an_encoder_keeps(*, halves: bool, size: str) -> None:
    torch.manual_seed(0)
    model = _encoder(size)
    batch = _masked_rows()

    kept = _kept(model, lambda: encoder_losses.loss_sum(model, batch), halves=halves)

    said = _said(_network(model, size=size, architecture="bert"), adapter=None, sequences=2, halves=halves)
    print(f"{said / kept - 1:+.1%}")
    assert said == pytest.approx(kept, rel=MOST_ERROR)

"""Decoders: GPT-2 and Llama from sizes, any that transformers knows from a directory, and their loss on packed rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch.nn.parallel import DistributedDataParallel
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.pytorch_utils import Conv1D

from hostler_contract import ErrorReason, TransformerConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.pretrained import from_base
from hostler_runtime.protocols.training import Batch, LossSum, ModelFacts
from hostler_runtime.text.architectures import packed_masks
from hostler_runtime.text.artifacts import load_artifacts
from hostler_runtime.text.attention import PADDING_SEGMENT, shares_rows
from hostler_runtime.text.sequences import IGNORED


def check_sizes(config: TransformerConfig) -> None:
    """Refuse shapes that no decoder can have, in words instead of a stack trace."""
    if config.hidden_size % config.heads:
        raise _invalid(f"hiddenSize {config.hidden_size} is not a multiple of heads {config.heads}: change one of them")
    if config.architecture == "llama" and (config.hidden_size // config.heads) % 2:
        raise _invalid(
            f"hiddenSize / heads is {config.hidden_size // config.heads}; rotary positions need an even number"
        )
    if config.architecture == "llama" and config.dropout_percent:
        raise _invalid("the llama architecture has no dropout: set dropoutPercent to 0 or take gpt2")


def fresh_decoder(config: TransformerConfig, tokenizer: Any, *, vocabulary_size: int) -> Any:
    """Random weights, from torch's current state. ``vocabulary_size`` may exceed the tokenizer's tokens."""
    common = {
        "vocab_size": vocabulary_size,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "use_cache": False,  # on in the saved model; packed rows and a cache do not go together
    }
    if config.architecture == "gpt2":
        dropout = config.dropout_percent / 100
        return GPT2LMHeadModel(
            GPT2Config(
                n_layer=config.layers, n_embd=config.hidden_size, n_head=config.heads,
                n_positions=config.context_length, resid_pdrop=dropout, embd_pdrop=dropout,
                attn_pdrop=dropout, **common,
            )
        )  # fmt: skip
    return LlamaForCausalLM(
        LlamaConfig(
            num_hidden_layers=config.layers, hidden_size=config.hidden_size, num_attention_heads=config.heads,
            intermediate_size=_feed_forward(config.hidden_size), max_position_embeddings=config.context_length,
            tie_word_embeddings=True, **common,
        )
    )  # fmt: skip


def base_decoder(directory: Path) -> tuple[Any, Any]:
    """Model in training precision and tokenizer from a Hugging Face directory. Raises ``RuntimeFailure``."""
    model, tokenizer = from_base(
        lambda: load_artifacts(directory, dtype=torch.float32, device="cpu"), what="the base model"
    )
    model.config.use_cache = False
    return model.requires_grad_(True).train(), tokenizer


def forward(module: Any, batch: Batch) -> torch.Tensor:
    """Logits (rows x positions x tokens) of rows that may hold several sequences (``text.rows.collate``)."""
    segments = batch["segment_ids"]
    packed: dict[str, Any] = {}
    if shares_rows(segments):
        # Where nothing has to be kept apart, the architecture's own attention is faster, and needs no room for a mask.
        packed = {"position_ids": batch["position_ids"], "attention_mask": packed_masks(_config_of(module), segments)}
    logits: torch.Tensor = module(input_ids=batch["input_ids"], use_cache=False, **packed).logits
    return logits


def loss(module: Any, batch: Batch) -> LossSum:
    """Next-token cross entropy, summed over the targets that count."""
    logits, targets = forward(module, batch), batch["targets"]
    total = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return LossSum(
        total=total,
        weight=float((targets != IGNORED).sum()),
        units=float((batch["segment_ids"] != PADDING_SEGMENT).sum()),
    )


def logits(module: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (targets x tokens) and indices of the targets that count."""
    taught = batch["targets"] != IGNORED
    return forward(module, batch)[taught], batch["targets"][taught]


def prunable(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """The matrices of the blocks. The embedding is left out: it is the output matrix too."""
    read_output = getattr(model, "get_output_embeddings", None)
    output = None if read_output is None else read_output()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not output:
            yield name, module


def facts_of(model: Any, *, context_length: int, description: str) -> ModelFacts:
    """What the control plane needs to know of a decoder."""
    config = model.config
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        context_length=context_length,
        vocabulary_size=config.vocab_size,
        kv_bytes_per_token=_kv_bytes(model),
        description=description,
    )


def describe(model: Any, *, trained_on: str) -> str:
    """One sentence for the model card."""
    config = model.config
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"A `{config.model_type}` decoder with {parameters:,} parameters in {config.num_hidden_layers} layers and a "
        f"vocabulary of {config.vocab_size}, trained on {trained_on}."
    )


def _kv_bytes(model: Any) -> int | None:
    """Keys and values of one token; None for a network that keeps a state instead."""
    config = model.config
    heads = getattr(config, "num_attention_heads", None)
    if heads is None:
        return None
    # Grouped-query attention (arXiv 2305.13245) stores fewer keys and values than there are query heads.
    stored = getattr(config, "num_key_value_heads", None) or heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    item: int = next(model.parameters()).element_size()
    return int(2 * config.num_hidden_layers * stored * width * item)


def _config_of(module: Any) -> Any:
    """The configuration of a decoder, which a replica's wrapper hides."""
    return module.module.config if isinstance(module, DistributedDataParallel) else module.config


def _feed_forward(hidden_size: int) -> int:
    """Eight thirds of the width, rounded up to a multiple of 32: the gate makes three matrices out of two."""
    return -(-hidden_size * 8 // 3 // 32) * 32


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, message)

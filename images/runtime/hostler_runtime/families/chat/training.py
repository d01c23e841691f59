"""Training half of the chat family: a GPT-2 or Llama decoder defined by its configuration, on plain text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import torch.nn.functional as functional
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

from hostler_contract import ErrorReason, JobConfig, TransformerConfig
from hostler_contract.result import DatasetFacts
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.training_protocol import LossSum, ModelFacts
from hostler_runtime.training.blocks import Blocks, unigram_loss, write_tokens
from hostler_runtime.training.corpus import Corpus, split
from hostler_runtime.training.tokenizer import encode_documents, train_tokenizer

_FACTS = "facts.json"


class TextDataset:
    """Token blocks and the tokenizer that made them."""

    def __init__(self, directory: Path, *, context_length: int) -> None:
        stored = json.loads((directory / _FACTS).read_text())
        self.facts = DatasetFacts.model_validate(stored["dataset"])
        self.validation_bytes: int = stored["validationBytes"]
        self.tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(directory / "tokenizer")
        self.train = Blocks(directory / "train.npy", context_length=context_length)
        self.validation = Blocks(directory / "validation.npy", context_length=context_length)

    @property
    def train_rows(self) -> int:
        """Rows to train on."""
        return len(self.train)

    @property
    def validation_rows(self) -> int:
        """Rows held out."""
        return len(self.validation)

    def train_batch(self, rows: Sequence[int]) -> torch.Tensor:
        """Tokens and, shifted by one, their targets."""
        return self.train.batch(rows)

    def validation_batch(self, rows: Sequence[int]) -> torch.Tensor:
        """Tokens and, shifted by one, their targets."""
        return self.validation.batch(rows)


def fingerprint(job: JobConfig) -> str:
    """Tokenizer, split and block length; a new release of the tokenizer library may cut differently."""
    parts = (job.model.vocabulary_size, job.model.context_length, job.dataset.validation_percent)
    return f"chat 1 {parts} tokenizers {tokenizers.__version__}"


def prepare(job: JobConfig, corpus: Corpus, directory: Path) -> None:
    """Train the tokenizer on the training part and store both parts as tokens."""
    config = job.model
    check_model(config)
    parts = split(corpus, validation_percent=job.dataset.validation_percent)
    tokenizer = train_tokenizer(
        parts.train, vocabulary_size=config.vocabulary_size, context_length=config.context_length
    )
    tokenizer.save_pretrained(directory / "tokenizer")
    lengths = {
        name: write_tokens(
            directory / f"{name}.npy", encode_documents(tokenizer, texts), vocabulary_size=len(tokenizer)
        )
        for name, texts in (("train", parts.train), ("validation", parts.validation))
    }
    _require_blocks(lengths, job)
    facts = DatasetFacts(sha256=corpus.sha256, size_bytes=corpus.size_bytes, tokens=sum(lengths.values()))
    stored = {
        "dataset": facts.model_dump(mode="json"),
        "validationBytes": sum(len(text.encode()) for text in parts.validation),
    }
    (directory / _FACTS).write_text(json.dumps(stored))


def open_dataset(job: JobConfig, directory: Path) -> TextDataset:
    """Open what ``prepare`` wrote."""
    return TextDataset(directory, context_length=job.model.context_length)


def build(job: JobConfig, dataset: TextDataset) -> torch.nn.Module:
    """A decoder with fresh weights."""
    check_model(job.model)
    model = _model(job.model, dataset.tokenizer)
    model.config.use_cache = False
    return model


def check_model(config: TransformerConfig) -> None:
    """Refuse shapes that no decoder can have, in words instead of a stack trace."""
    if config.hidden_size % config.heads:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"hiddenSize {config.hidden_size} is not a multiple of heads {config.heads}: change one of them",
        )
    if config.architecture == "llama" and (config.hidden_size // config.heads) % 2:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"hiddenSize / heads is {config.hidden_size // config.heads}; rotary positions need an even number",
        )
    if config.architecture == "llama" and config.dropout:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, "the llama architecture has no dropout: set dropout to 0 or take gpt2"
        )


def loss(model: torch.nn.Module, batch: torch.Tensor) -> LossSum:
    """Next-token cross entropy, summed."""
    inputs, targets = batch[:, :-1], batch[:, 1:]
    logits = model(input_ids=inputs, use_cache=False).logits
    total = functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum")
    return LossSum(total=total, weight=targets.numel())


def metrics(dataset: TextDataset, *, validation_loss: float) -> dict[str, float]:
    """Perplexity beside that of token frequencies alone; bits per byte compares models with other tokenizers."""
    train, held_out = np.asarray(dataset.train.tokens), np.asarray(dataset.validation.tokens)
    baseline = unigram_loss(train, held_out[1:], vocabulary_size=len(dataset.tokenizer))
    tokens_per_byte = (held_out.size - 1) / dataset.validation_bytes
    return {
        "validation_loss": validation_loss,
        "validation_perplexity": _perplexity(validation_loss),
        "unigram_perplexity": _perplexity(baseline),
        "validation_bits_per_byte": validation_loss / math.log(2) * tokens_per_byte,
    }


def save(model: Any, dataset: TextDataset, directory: Path) -> ModelFacts:
    """Safetensors, configuration, generation defaults, tokenizer with its chat template."""
    tokenizer = dataset.tokenizer
    library_logging.disable_progress_bar()  # a log is no terminal
    model.config.use_cache = True  # off in training only; a server wants it
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=0.8,
        top_p=0.95,
    )
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    config = model.config
    item = next(model.parameters()).element_size()
    # Keys and values of every layer; both architectures give each head its own.
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        context_length=dataset.tokenizer.model_max_length,
        vocabulary_size=config.vocab_size,
        kv_bytes_per_token=2 * config.num_hidden_layers * config.hidden_size * item,
    )


def card_header() -> dict[str, Any]:
    """For the model card."""
    return {"library_name": "transformers", "pipeline_tag": "text-generation"}


def _model(config: TransformerConfig, tokenizer: PreTrainedTokenizerFast) -> Any:
    common = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if config.architecture == "gpt2":
        from transformers import GPT2Config, GPT2LMHeadModel

        return GPT2LMHeadModel(
            GPT2Config(
                n_layer=config.layers, n_embd=config.hidden_size, n_head=config.heads,
                n_positions=config.context_length, resid_pdrop=config.dropout, embd_pdrop=config.dropout,
                attn_pdrop=config.dropout, **common,
            )
        )  # fmt: skip
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            num_hidden_layers=config.layers, hidden_size=config.hidden_size, num_attention_heads=config.heads,
            intermediate_size=_feed_forward(config.hidden_size), max_position_embeddings=config.context_length,
            tie_word_embeddings=True, **common,
        )
    )  # fmt: skip


def _feed_forward(hidden_size: int) -> int:
    """Eight thirds of the width, rounded up to a multiple of 32: the gate makes three matrices out of two."""
    return -(-hidden_size * 8 // 3 // 32) * 32


def _require_blocks(lengths: dict[str, int], job: JobConfig) -> None:
    context = job.model.context_length
    for name, length in lengths.items():
        if length <= context:
            raise RuntimeFailure(
                ErrorReason.DATASET_INVALID,
                f"the {name} part has {length} tokens, which is not even one sequence of {context + 1}: "
                "bring more text or lower contextLength",
            )


def _perplexity(value: float) -> float:
    return math.exp(min(value, 700.0))

"""Tiny networks of every architecture whose rows are shared, and of some whose rows are not."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

from hostler_runtime.families.bert.encoders import ENCODERS

VOCABULARY, CONTEXT, WINDOW = 97, 64, 6
"""The window is shorter than most of the documents."""
_LLAMA_LIKE: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64, "max_position_embeddings": CONTEXT,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.15, "use_cache": True,
}  # fmt: skip
_GPT2: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "bos_token_id": 1,
    "eos_token_id": 2, "initializer_range": 0.15,
}  # fmt: skip
_WINDOWED = {"sliding_window": WINDOW}
_EXPERTS = {"num_local_experts": 2, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}

DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma": ("gemma", {}),
    "gemma2": ("gemma2", _WINDOWED),
    "gemma3": ("gemma3_text", {**_WINDOWED, "num_hidden_layers": 6}),
    "gpt2": ("gpt2", {}),
    "gpt-neox": ("gpt_neox", {}),
    "granite": ("granite", {}),
    "llama": ("llama", {}),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral with a window": ("mistral", _WINDOWED),
    "mixtral": ("mixtral", {**_WINDOWED, **_EXPERTS}),
    "olmo": ("olmo", {}),
    "olmo2": ("olmo2", {}),
    "phi": ("phi", {"num_key_value_heads": 4}),
    "phi3": ("phi3", _WINDOWED),
    "qwen2": ("qwen2", {}),
    "qwen2 with windows": ("qwen2", {**_WINDOWED, "use_sliding_window": True, "max_window_layers": 1}),
    "qwen3": ("qwen3", {}),
    "qwen3 with experts": ("qwen3_moe", {**_EXPERTS, "decoder_sparse_step": 1}),
    "smollm3": ("smollm3", {}),
    "stablelm": ("stablelm", {}),
    "starcoder2": ("starcoder2", _WINDOWED),
}
"""Name to model type and what it adds to the common sizes."""

CARRYING: dict[str, tuple[str, dict[str, Any]]] = {
    "mamba, which only has a state": ("mamba", {"state_size": 4, "intermediate_size": 64}),
    "qwen3-next, linear attention beside full": (
        "qwen3_next",
        {
            **_EXPERTS, "decoder_sparse_step": 1, "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8,
            "linear_value_head_dim": 8, "shared_expert_intermediate_size": 32,
        },
    ),
    "granite hybrid, recurrent layers beside attention": (
        "granitemoehybrid",
        {
            "layer_types": ["mamba", "attention"], "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8,
            "mamba_chunk_size": 8, "num_local_experts": 0, "shared_intermediate_size": 64,
        },
    ),
    "jamba, recurrent layers beside attention": (
        "jamba",
        {
            "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "num_experts": 2,
            "use_mamba_kernels": False, "mamba_d_state": 4, "mamba_dt_rank": 4,
        },
    ),
}  # fmt: skip
"""Decoders that carry what they have read along the row."""

ENCODER_NAMES = (*ENCODERS, "modernbert with means")


def decoder(name: str, *, attention: str = "sdpa", mode: str = "train") -> Any:
    """Weights large enough for what a token attends to to show in the logits; no dropout; the cache is on."""
    torch.manual_seed(0)
    kind, extra = {**DECODERS, **CARRYING}[name]
    config = CONFIG_MAPPING[kind](**{**(_GPT2 if kind == "gpt2" else _LLAMA_LIKE), **extra})
    _without_dropout(config)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    return model.train(mode == "train")


def encoder(name: str, head: str, *, vocabulary: int, context: int, labels: int = 3) -> PreTrainedModel:
    """The same for an encoder with a head."""
    torch.manual_seed(0)
    kind = name.split()[0]
    # Positions of RoBERTa count from the padding token's number + 1.
    reserved = 1 if "roberta" in kind else 0
    config = CONFIG_MAPPING[kind](
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=context + reserved, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1,
        sep_token_id=2, num_labels=2 if head == "question-answering" else labels,
        **({"local_attention": 2 * WINDOW, "global_attn_every_n_layers": 2} if kind == "modernbert" else {}),
        **({"classifier_pooling": "mean"} if name.endswith("means") else {}),
    )  # fmt: skip
    _without_dropout(config)
    model: PreTrainedModel = ENCODERS[kind].heads[head](config)
    with torch.no_grad():
        for label, weights in model.named_parameters():
            if weights.dim() == 2:
                weights.normal_(0, 1.0 if "embeddings" in label else 0.6 if "classifier" in label else 0.25)
    return model


def _without_dropout(config: Any) -> None:
    for name in vars(config):
        if ("dropout" in name or name.endswith("_pdrop")) and isinstance(getattr(config, name), float):
            setattr(config, name, 0.0)

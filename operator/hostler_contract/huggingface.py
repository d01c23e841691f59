"""Sizes of a transformer out of the ``config.json`` that the transformers library writes. Pure.

A file may be anybody's: what is no number, or beyond all bounds, is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hostler_contract.architectures.sizes import (
    MOST_EXPERTS,
    MOST_HEADS,
    MOST_LAYERS,
    MOST_POSITIONS,
    MOST_WIDTH,
    TransformerSizes,
)

ENCODERS: Final = frozenset({"bert", "roberta", "xlm-roberta", "modernbert"})
_LEARNED: Final = frozenset({"gpt2", "gpt_bigcode", "bert", "roberta", "xlm-roberta"})
"""Model types with a table of positions."""
_TWO_MATRICES: Final = frozenset({"gpt2", "gpt_bigcode", "gpt_neox", "starcoder2", "bert", "roberta", "xlm-roberta"})
_THREE_MATRICES: Final = frozenset(
    {
        "llama",
        "mistral",
        "mixtral",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi3",
        "olmo2",
        "gpt_oss",
        "modernbert",
    }
)
_UNTIED: Final = frozenset(
    {
        "llama",
        "mistral",
        "mixtral",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "phi3",
        "olmo2",
        "gpt_oss",
        "gpt_neox",
    }
)
"""Whose configuration class says so where the file says nothing; the library's own default is the other way."""
_ALTERNATING: Final = {"gemma2": 2, "gemma3_text": 6}
"""Of so many layers the last sees everything, where the file has no list of them."""
_PREDICTING: Final = ("ForMaskedLM", "ForPreTraining")
"""Ends of the names of encoders that have an output matrix of tokens."""


def text_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes; a model that reads more than text has those of its decoder in a part of their own."""
    part = config.get("text_config")
    return {**config, **part} if isinstance(part, dict) else dict(config)


def whole_number(sizes: Mapping[str, Any], *names: str, most: int | None = None) -> int | None:
    """The first of these that is a positive number, and not above ``most``."""
    for name in names:
        value = sizes.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value if most is None or value <= most else None
    return None


def transformer_sizes(config: Mapping[str, Any]) -> TransformerSizes:
    """What the file says; absent what it does not say, or what the model's type leaves open."""
    sizes = text_part(config)
    kind = str(sizes.get("model_type") or "")
    layers = whole_number(sizes, "num_hidden_layers", "n_layer", most=MOST_LAYERS)
    hidden = whole_number(sizes, "hidden_size", "n_embd", most=MOST_WIDTH)
    heads = whole_number(sizes, "num_attention_heads", "n_head", most=MOST_HEADS)
    latent = bool(sizes.get("kv_lora_rank"))
    experts, active = _experts(sizes)
    window, windowed = _window(sizes, kind, layers)
    return TransformerSizes(
        layers=layers,
        hidden_size=hidden,
        heads=heads,
        kv_heads=None if latent else _kv_heads(sizes, heads),
        head_size=None if latent else _head_size(sizes, hidden, heads),
        intermediate_size=_intermediate(sizes, hidden),
        experts=experts,
        active_experts=active,
        expert_layers=_expert_layers(sizes, layers) if experts else 0,
        gated=False if kind in _TWO_MATRICES else True if kind in _THREE_MATRICES else None,
        tied=_tied(config, sizes, kind),
        causal=kind not in ENCODERS,
        sliding_window=window,
        windowed_layers=windowed,
        learned_positions=_positions(sizes, kind),
    )


def _kv_heads(sizes: Mapping[str, Any], heads: int | None) -> int | None:
    return 1 if sizes.get("multi_query") else whole_number(sizes, "num_key_value_heads", most=MOST_HEADS) or heads


def _head_size(sizes: Mapping[str, Any], hidden: int | None, heads: int | None) -> int | None:
    given = whole_number(sizes, "head_dim", most=MOST_WIDTH)
    return given or (hidden // heads or None if hidden and heads else None)


def _intermediate(sizes: Mapping[str, Any], hidden: int | None) -> int | None:
    given = whole_number(sizes, "moe_intermediate_size", "intermediate_size", "n_inner", most=MOST_WIDTH)
    if given is None and "n_embd" in sizes and hidden and 4 * hidden <= MOST_WIDTH:
        return 4 * hidden  # as GPT-2's configuration has it where n_inner is null
    return given


def _experts(sizes: Mapping[str, Any]) -> tuple[int, int]:
    """Stored and active ones. One that every token passes may be as wide as several of the others."""
    routed = whole_number(sizes, "num_local_experts", "num_experts", "n_routed_experts", most=MOST_EXPERTS)
    active = whole_number(sizes, "num_experts_per_tok", "experts_per_token", most=MOST_EXPERTS)
    if routed is None or active is None or active > routed:
        return 0, 0
    shared = whole_number(sizes, "n_shared_experts", most=MOST_EXPERTS) or 0
    width = whole_number(sizes, "moe_intermediate_size", most=MOST_WIDTH)
    wide = whole_number(sizes, "shared_expert_intermediate_size", most=MOST_WIDTH)
    shared += wide // width if wide and width else 0
    return min(routed + shared, MOST_EXPERTS), min(active + shared, MOST_EXPERTS)


def _expert_layers(sizes: Mapping[str, Any], layers: int | None) -> int | None:
    if layers is None:
        return None
    step = whole_number(sizes, "decoder_sparse_step") or 1
    dense = sizes.get("mlp_only_layers")
    left_out = {each for each in dense if isinstance(each, int)} if isinstance(dense, list) else set[int]()
    first = whole_number(sizes, "first_k_dense_replace") or 0
    return sum(1 for n in range(first, layers) if (n + 1) % step == 0 and n not in left_out)


def _tied(config: Mapping[str, Any], sizes: Mapping[str, Any], kind: str) -> bool:
    if kind in ENCODERS:
        names = config.get("architectures")
        first = str(names[0]) if isinstance(names, list) and names else ""
        return first.endswith(_PREDICTING)
    for each in (sizes.get("tie_word_embeddings"), config.get("tie_word_embeddings")):
        if isinstance(each, bool):
            return each
    return kind not in _UNTIED


def _window(sizes: Mapping[str, Any], kind: str, layers: int | None) -> tuple[int | None, int]:
    window = whole_number(sizes, "sliding_window", most=MOST_POSITIONS)
    if window is None or layers is None or sizes.get("use_sliding_window") is False:
        return None, 0
    listed = sizes.get("layer_types")
    if isinstance(listed, list) and listed:
        windowed = sum(each == "sliding_attention" for each in listed[:layers])
    elif kind.startswith("qwen"):
        windowed = max(0, layers - (whole_number(sizes, "max_window_layers") or 0))
    elif kind in _ALTERNATING:
        every = whole_number(sizes, "sliding_window_pattern") or _ALTERNATING[kind]
        windowed = layers - layers // every
    else:
        windowed = layers
    return (window, windowed) if windowed else (None, 0)


def _positions(sizes: Mapping[str, Any], kind: str) -> int:
    if kind not in _LEARNED:
        return 0
    places = whole_number(sizes, "n_positions", "max_position_embeddings", most=MOST_POSITIONS - MOST_EXPERTS) or 0
    return places + (whole_number(sizes, "type_vocab_size", most=MOST_EXPERTS) or 0)

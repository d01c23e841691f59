"""The network of an estimate out of what is known: a job's sizes, the facts of a Model, a ``config.json``. Pure.

All three say :class:`TransformerSizes`; the number of weights is the files' own where there are files, the family's
formula where a job says the sizes, and counted by the model's type where there is only a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hostler.api.model import Architecture
from hostler.families import family
from hostler.planning.estimate.shapes import Network
from hostler_contract import ModelConfig
from hostler_contract.architectures import TransformerSizes
from hostler_contract.huggingface import ENCODERS, text_part, transformer_sizes, whole_number

_NEEDED: Final = ("layers", "hidden_size", "heads", "kv_heads", "head_size", "intermediate_size")
_MOST_VOCABULARY: Final = 10_000_000
_MOST_PARAMETERS: Final = 10**15


def network_of_sizes(sizes: TransformerSizes, *, parameters: int | None, vocabulary_size: int | None) -> Network | None:
    """The network; None where something is missing that arithmetic or memory need."""
    if parameters is None or vocabulary_size is None or any(getattr(sizes, name) is None for name in _NEEDED):
        return None
    network = Network(
        parameters=parameters,
        active_parameters=parameters,
        vocabulary_size=vocabulary_size,
        **{name: getattr(sizes, name) for name in _NEEDED},
        experts=sizes.experts or 0,
        active_experts=sizes.active_experts or 0,
        gated=sizes.gated is not False,
        tied=bool(sizes.tied),
        causal=sizes.causal is not False,
        window=sizes.sliding_window or 0,
        windowed_layers=sizes.windowed_layers or 0,
    )
    idle = _idle_experts(network, layers=network.layers if sizes.expert_layers is None else sizes.expert_layers)
    looked_up = (sizes.learned_positions or 0) + (0 if network.tied else vocabulary_size)
    active = parameters - idle - looked_up * network.hidden_size
    # Sizes that somebody wrote down by hand may contradict the number of weights.
    return _with_active(network, active) if active > 0 else None


def network_of_job(family_name: str, model: ModelConfig) -> Network | None:
    """Of a network that a job trains from the sizes in ``output``; None for families that are none of tokens."""
    entry = family(family_name)
    block = getattr(model, entry.block, None) if entry.block else None
    sizes = entry.transformer_sizes(model)
    if block is None or sizes is None:
        return None
    return network_of_sizes(sizes, parameters=entry.parameters(model), vocabulary_size=block.vocabulary_size)


def network_of_model(architecture: Architecture | None) -> Network | None:
    """Of a catalog entry or of imported files; None where they do not say enough."""
    if architecture is None or architecture.sizes is None:
        return None
    return network_of_sizes(
        architecture.sizes, parameters=architecture.parameters, vocabulary_size=architecture.vocabulary_size
    )


def network_of_configuration(config: Mapping[str, Any]) -> Network:
    """Of a ``config.json`` alone, its weights counted. Raises ``ValueError`` with what is missing, or where weights of
    such a type cannot be counted."""
    part = text_part(config)
    kind = str(part.get("model_type") or "")
    if kind not in _TRAITS:
        text = f"model_type {kind!r} is none whose weights are counted" if kind else "model_type is missing"
        raise ValueError(f"{text}; known: {', '.join(sorted(_TRAITS))}")
    sizes = transformer_sizes(config)
    if sizes.kv_heads is None and sizes.layers is not None and part.get("kv_lora_rank"):
        raise ValueError("keys and values come from a common latent (kv_lora_rank), which is not counted yet")
    vocabulary = whole_number(part, "vocab_size", most=_MOST_VOCABULARY)
    missing = [name for name in _NEEDED if getattr(sizes, name) is None] + ([] if vocabulary else ["vocab_size"])
    if missing or vocabulary is None:
        raise ValueError(f"the configuration does not say {', '.join(missing)}, or nothing that can be: it has to")
    parameters = _counted(_TRAITS[kind], sizes, part, vocabulary, config)
    network = network_of_sizes(sizes, parameters=parameters, vocabulary_size=vocabulary)
    if network is None or parameters > _MOST_PARAMETERS:
        raise ValueError(f"the sizes come to {parameters:,} weights, which cannot be")
    return network


def _with_active(network: Network, active: int) -> Network:
    return Network(**{**vars(network), "active_parameters": active})


def _idle_experts(network: Network, *, layers: int) -> int:
    """Weights of the experts that do not compute a token."""
    idle = max(0, network.experts - network.active_experts)
    return idle * layers * _matrices(gated=network.gated) * network.hidden_size * network.intermediate_size


def _matrices(*, gated: bool) -> int:
    return 3 if gated else 2


@dataclass(frozen=True, kw_only=True)
class _Traits:
    """What the sizes do not say of the weights of a model type."""

    norm: int = 1
    """Vectors of a norm: 1 for RMSNorm, 2 for one with a bias."""
    norms: int = 2
    """Of a block."""
    head_norms: bool = False
    """Norms of queries and of keys, each as wide as a head."""
    wide_norms: bool = False
    """The same, each as wide as all heads together."""
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    router_bias: bool = False
    sinks: bool = False
    """A weight of each head that attention may rest on."""


_BIASED: Final = _Traits(norm=2, qkv_bias=True, out_bias=True, mlp_bias=True)
_TRAITS: Final = {
    "llama": _Traits(),
    "mistral": _Traits(),
    "mixtral": _Traits(),
    "phi3": _Traits(),
    "gemma": _Traits(),
    "gemma2": _Traits(norms=4),
    "gemma3_text": _Traits(norms=4, head_norms=True),
    "qwen2": _Traits(qkv_bias=True),
    "qwen2_moe": _Traits(qkv_bias=True),
    "qwen3": _Traits(head_norms=True),
    "qwen3_moe": _Traits(head_norms=True),
    "olmo2": _Traits(wide_norms=True),
    "gpt_oss": _Traits(qkv_bias=True, out_bias=True, mlp_bias=True, router_bias=True, sinks=True),
    "gpt2": _BIASED,
    "gpt_neox": _BIASED,
    "starcoder2": _BIASED,
    "bert": _BIASED,
    "roberta": _BIASED,
    "xlm-roberta": _BIASED,
}


def _counted(
    traits: _Traits, sizes: TransformerSizes, part: Mapping[str, Any], vocabulary: int, config: Mapping[str, Any]
) -> int:
    h, layers, experts = sizes.hidden_size or 0, sizes.layers or 0, sizes.experts or 0
    with_experts = (layers if sizes.expert_layers is None else sizes.expert_layers) if experts else 0
    dense_width = whole_number(part, "intermediate_size", "n_inner") or 4 * h
    gated, width = sizes.gated is not False, sizes.intermediate_size or 0
    routed = whole_number(part, "num_local_experts", "num_experts", "n_routed_experts") or 0
    router = (h + traits.router_bias) * routed + (h if part.get("shared_expert_intermediate_size") else 0)
    block = _attention(traits, sizes, part) + traits.norms * traits.norm * h
    feeds = with_experts * (router + experts * _feed_forward(traits, h, width, gated=gated))
    feeds += (layers - with_experts) * _feed_forward(traits, h, dense_width, gated=gated)
    body = (vocabulary + (sizes.learned_positions or 0)) * h + layers * block + feeds
    if str(part.get("model_type")) in ENCODERS:
        return body + 2 * h + _head_of_encoder(config, h, vocabulary)
    return body + traits.norm * h + (0 if sizes.tied else vocabulary * h)


def _attention(traits: _Traits, sizes: TransformerSizes, part: Mapping[str, Any]) -> int:
    h, size = sizes.hidden_size or 0, sizes.head_size or 0
    queries, keys = (sizes.heads or 0) * size, (sizes.kv_heads or 0) * size
    biased = part.get("attention_bias") is True
    weights = 2 * h * queries + 2 * h * keys
    weights += (queries + 2 * keys) * (traits.qkv_bias or biased) + h * (traits.out_bias or biased)
    weights += 2 * size * traits.head_norms + (queries + keys) * traits.wide_norms
    return weights + (sizes.heads or 0) * traits.sinks


def _feed_forward(traits: _Traits, hidden: int, width: int, *, gated: bool) -> int:
    matrices = _matrices(gated=gated)
    return matrices * hidden * width + (((matrices - 1) * width + hidden) if traits.mlp_bias else 0)


def _head_of_encoder(config: Mapping[str, Any], hidden: int, vocabulary: int) -> int:
    """Of masked words: a layer, its norm and a bias of each token; else what sums up a text (BERT's pooler)."""
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else ""
    words, pooler = hidden * hidden + 3 * hidden + vocabulary, hidden * hidden + hidden
    if name.endswith("ForPreTraining"):
        return words + pooler + 2 * hidden + 2
    if name.endswith("ForQuestionAnswering"):
        return 2 * hidden + 2
    return words if name.endswith("ForMaskedLM") else pooler

"""Formulas of decoder-only transformers, which several families share."""

from __future__ import annotations

from typing import ClassVar

from hostler.families.family import Family
from hostler_contract import ModelConfig, Objective, Supervision, TransformerConfig
from hostler_contract.architectures import TransformerSizes

_GATED_MULTIPLE = 32
"""The width of llama's gated units is rounded up to a multiple of this."""


class Decoder(Family):
    """GPT-2's architecture (learned positions, biases) or Llama's (rotary, gated, without biases), both with an output
    matrix that is the embedding too."""

    block: ClassVar[str] = "transformer"
    objectives: ClassVar[frozenset[Objective]] = frozenset(Objective)
    lora: ClassVar[bool] = True
    supervisions: ClassVar[frozenset[Supervision]] = frozenset({Supervision.SELF_SUPERVISED})
    shrinks: ClassVar[bool] = True
    packs: ClassVar[bool] = True
    learns_whole: ClassVar[bool] = True
    widened_on_cores: ClassVar[bool] = True

    def parameters(self, model: ModelConfig) -> int | None:
        """Embeddings, blocks and the final norm."""
        sizes = model.transformer
        return None if sizes is None else _PARAMETERS[sizes.architecture](sizes)

    def transformer_sizes(self, model: ModelConfig) -> TransformerSizes | None:
        """Every head has keys and values of its own."""
        sizes = model.transformer
        if sizes is None:
            return None
        is_llama = sizes.architecture == "llama"
        return TransformerSizes(
            layers=sizes.layers,
            hidden_size=sizes.hidden_size,
            heads=sizes.heads,
            kv_heads=sizes.heads,
            head_size=sizes.hidden_size // sizes.heads,
            intermediate_size=_gated_width(sizes.hidden_size) if is_llama else 4 * sizes.hidden_size,
            experts=0,
            active_experts=0,
            gated=is_llama,
            tied=True,
            causal=True,
            learned_positions=0 if is_llama else sizes.context_length,
        )

    def training_flops(self, model: ModelConfig) -> float | None:
        """6N for the matrix products and 12*L*H*S for attention (PaLM, arXiv 2204.02311, appendix B).

        Learned positions are looked up, not multiplied, so they do not count in N; the token embedding does, because
        it is the output matrix too.
        """
        sizes = model.transformer
        if sizes is None:
            return None
        multiplied = _PARAMETERS[sizes.architecture](sizes) - _looked_up(sizes)
        return float(6 * multiplied + 12 * sizes.layers * sizes.hidden_size * sizes.context_length)

    def kv_bytes_per_token(self, model: ModelConfig, *, bytes_per_value: int) -> int | None:
        """One key and one value vector in every layer."""
        sizes = model.transformer
        return None if sizes is None else 2 * sizes.layers * sizes.hidden_size * bytes_per_value


def _gpt2(sizes: TransformerConfig) -> int:
    """Blocks of attention 4h2+4h, MLP 8h2+5h and two norms 4h."""
    h = sizes.hidden_size
    embeddings = (sizes.vocabulary_size + sizes.context_length) * h
    return embeddings + sizes.layers * (12 * h * h + 13 * h) + 2 * h


def _llama(sizes: TransformerConfig) -> int:
    """Blocks of attention 4h2, three matrices of the gated unit (8/3 of the width) and two norms of h."""
    h = sizes.hidden_size
    return sizes.vocabulary_size * h + sizes.layers * (4 * h * h + 3 * h * _gated_width(h) + 2 * h) + h


def _gated_width(hidden: int) -> int:
    return -(-8 * hidden // 3 // _GATED_MULTIPLE) * _GATED_MULTIPLE


def _looked_up(sizes: TransformerConfig) -> int:
    return sizes.context_length * sizes.hidden_size if sizes.architecture == "gpt2" else 0


_PARAMETERS = {"gpt2": _gpt2, "llama": _llama}

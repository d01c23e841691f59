"""Formulas of decoder-only transformers, which several families share."""

from __future__ import annotations

from typing import ClassVar

from hostler.families.family import Family
from hostler_contract import ModelConfig, Objective, TransformerConfig

LLAMA_MULTIPLE = 256
"""The width of llama's gated units is rounded up to a multiple of this where the model is wide enough."""


class Decoder(Family):
    """GPT-2's architecture (learned positions, biases, tied embeddings) or Llama's (rotary, gated, without biases)."""

    block: ClassVar[str] = "transformer"
    objectives: ClassVar[frozenset[Objective]] = frozenset(Objective)
    lora: ClassVar[bool] = True
    packs: ClassVar[bool] = True

    def parameters(self, model: ModelConfig) -> int | None:
        """Embeddings, blocks and the final norm."""
        sizes = model.transformer
        return None if sizes is None else _PARAMETERS[sizes.architecture](sizes)

    def training_flops(self, model: ModelConfig) -> float | None:
        """6N for the matrix products and 12*L*H*S for attention (PaLM, arXiv 2204.02311, appendix B).

        Embeddings are looked up, not multiplied, so they do not count in N; the output matrix does, also where it is
        the token embedding.
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


def llama_intermediate(hidden_size: int) -> int:
    """Width of llama's gated units: 8/3 of the width, rounded up to a whole multiple."""
    return -(-8 * hidden_size // 3 // LLAMA_MULTIPLE) * LLAMA_MULTIPLE


def _gpt2(sizes: TransformerConfig) -> int:
    """Blocks of attention 4h2+4h, MLP 8h2+5h and two norms 4h."""
    h = sizes.hidden_size
    embeddings = (sizes.vocabulary_size + sizes.context_length) * h
    return embeddings + sizes.layers * (12 * h * h + 13 * h) + 2 * h


def _llama(sizes: TransformerConfig) -> int:
    """Blocks of attention 4h2, three matrices of the gated unit and two norms of h; an output matrix of its own."""
    h = sizes.hidden_size
    block = 4 * h * h + 3 * h * llama_intermediate(h) + 2 * h
    return 2 * sizes.vocabulary_size * h + sizes.layers * block + h


def _looked_up(sizes: TransformerConfig) -> int:
    rows = sizes.context_length if sizes.architecture == "gpt2" else sizes.vocabulary_size
    return rows * sizes.hidden_size


_PARAMETERS = {"gpt2": _gpt2, "llama": _llama}

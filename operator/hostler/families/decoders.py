"""Formulas of decoder-only transformers, which several families share."""

from __future__ import annotations

from typing import ClassVar

from hostler.families.family import Family
from hostler_contract import ModelConfig, Objective, Supervision, TransformerConfig

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
    gated = -(-8 * h // 3 // _GATED_MULTIPLE) * _GATED_MULTIPLE
    return sizes.vocabulary_size * h + sizes.layers * (4 * h * h + 3 * h * gated + 2 * h) + h


def _looked_up(sizes: TransformerConfig) -> int:
    return sizes.context_length * sizes.hidden_size if sizes.architecture == "gpt2" else 0


_PARAMETERS = {"gpt2": _gpt2, "llama": _llama}

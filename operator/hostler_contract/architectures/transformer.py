"""Transformers on tokens: decoders (chat, code) and encoders (bert)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hostler_contract.architectures.block import Block, Heads, Layers, Percent, Width

ContextLength = Annotated[int, Field(ge=8, le=1_048_576)]
VocabularySize = Annotated[int, Field(ge=300, le=1_000_000)]


class TransformerConfig(Block):
    """A decoder in the style of GPT or Llama, defined by its sizes alone."""

    architecture: Literal["gpt2", "llama"] = "gpt2"
    """gpt2 has learned positions and biases, llama rotary positions, gated units and no dropout."""
    layers: Layers
    """Transformer blocks."""
    hidden_size: Width
    """Width of the residual stream."""
    heads: Heads
    """Attention heads."""
    context_length: ContextLength
    """Longest sequence, in tokens."""
    vocabulary_size: VocabularySize
    """Most tokens of the vocabulary; the tokenizer is trained on the data and may find fewer."""
    dropout_percent: Percent = 0
    """Dropout of the gpt2 architecture, in percent."""


class EncoderConfig(Block):
    """An encoder in the style of BERT, defined by its sizes alone."""

    layers: Layers
    """Transformer blocks."""
    hidden_size: Width
    """Width of the residual stream."""
    heads: Heads
    """Attention heads."""
    context_length: ContextLength
    """Longest sequence, in tokens."""
    vocabulary_size: VocabularySize
    """Most tokens of the vocabulary; the tokenizer is trained on the data and may find fewer."""
    dropout_percent: Percent = 0
    """Dropout, in percent."""
    head: Literal["masked-lm", "classification", "question-answering"] = "masked-lm"
    """What stands on the encoder: masked-lm predicts hidden tokens, classification labels a text, question-answering
    finds the answer's span in a context."""

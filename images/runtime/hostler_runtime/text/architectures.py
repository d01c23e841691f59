"""Which decoders may have several sequences in a row, and what their layers see of one.

A row is shared only by architectures that are listed here, each with a test of it: whatever carries a state along the
row (recurrent and convolutional layers, linear attention) would carry it into the next sequence, and no mask stops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from hostler_runtime.text.attention import block_mask

_PLAIN: Final = ("gemma", "gpt2", "gpt_neox", "granite", "llama", "olmo", "olmo2", "phi", "stablelm")
"""Model types of which every layer sees everything before."""
_WINDOWED_ALIKE: Final = ("mistral", "mixtral", "phi3", "qwen3_moe", "starcoder2")
"""Model types of which every layer sees the same window, where the configuration has one."""
_BY_LAYER: Final = ("gemma2", "gemma3_text", "qwen2", "qwen3", "smollm3")
"""Model types that choose a mask for each layer by the layer's type."""
PACKS: Final = frozenset({*_PLAIN, *_WINDOWED_ALIKE, *_BY_LAYER})
"""Model types of transformers whose rows may hold several sequences."""
_FULL: Final = "full_attention"
_WINDOWED: Final = "sliding_attention"
_BY_LENGTH: Final = ("dynamic", "longrope")
"""Rotary positions that turn otherwise once any sequence of a batch is long."""


def unpackable(config: Any, *, context_length: int) -> str | None:
    """Why sequences of a decoder cannot share rows, as the end of a sentence; None where they can."""
    kind = config.model_type
    if other := sorted(set(getattr(config, "layer_types", None) or ()) - {_FULL, _WINDOWED}):
        return f"its layers of type {', '.join(other)} carry what they have read into the next sequence of a row"
    if kind not in PACKS:
        return f"what a {kind} lets a sequence see of the others in its row is not known"
    rotary = getattr(config, "rope_parameters", None) or {}
    if isinstance(rotary, Mapping) and rotary.get("rope_type") in _BY_LENGTH:
        original = rotary.get("original_max_position_embeddings") or config.max_position_embeddings
        if context_length > original:
            return f"its positions turn otherwise beside a sequence of more than {original:,} tokens"
    return None


def packed_masks(config: Any, segment_ids: Tensor) -> Tensor | dict[str, Tensor]:
    """The attention mask of packed rows (rows x positions) as the decoder of this configuration takes it."""
    masks = {kind: block_mask(segment_ids, causal=True, window=window) for kind, window in _seen(config).items()}
    return masks if config.model_type in _BY_LAYER else masks[_FULL]


def masks_held(config: Any) -> int:
    """How many masks of positions x positions packed rows of this decoder need at once."""
    return len(_seen(config))


def _seen(config: Any) -> dict[str, int | None]:
    """Kind of layer to how far it looks back, in tokens; None is the whole of the sequence."""
    # Only where the architecture reads it: a configuration may carry a window that nothing uses.
    window = getattr(config, "sliding_window", None)
    if config.model_type in _WINDOWED_ALIKE:
        return {_FULL: window}
    if config.model_type in _BY_LAYER and _WINDOWED in (getattr(config, "layer_types", None) or ()):
        return {_FULL: None, _WINDOWED: window}
    return {_FULL: None}

"""What an estimate needs to know: the sizes of a network, and how one run computes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Checkpointing(StrEnum):
    """Which activations are kept for the backward pass; what is not kept is computed again."""

    NONE = "none"
    SELECTIVE = "selective"
    """All but those of attention (Korthikanti et al., arXiv 2205.05198)."""
    FULL = "full"
    """Only the input of each block."""


class Sharding(StrEnum):
    """What of the training state each device holds only a part of (Rajbhandari et al., ZeRO, arXiv 1910.02054)."""

    REPLICATED = "replicated"
    OPTIMIZER = "optimizer"
    FULL = "full"
    """Weights, gradients and optimizer state (ZeRO-3, FSDP)."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Sizes of a transformer on tokens."""

    parameters: int
    """Weights that are stored, all experts included."""
    active_parameters: int
    """Weights that one token is multiplied with: of experts those that are chosen, and of the embedding nothing where
    it is only looked up."""
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    """Key-value heads; fewer than ``heads`` where they are grouped."""
    head_size: int
    intermediate_size: int
    """Width inside the feed-forward network, of one expert where there are several."""
    vocabulary_size: int
    experts: int = 0
    """0 means that the network is dense."""
    active_experts: int = 0
    """Experts that compute each token, shared ones included."""
    gated: bool = True
    """Whether the feed-forward network has a third, gating matrix."""
    tied: bool = False
    """Whether the output matrix is the embedding."""
    causal: bool = True
    """Whether a token sees only those before it."""
    window: int = 0
    """Most tokens that attention sees in layers with a sliding window; 0 means all."""
    windowed_layers: int = 0
    """Layers with such a window."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A low-rank adapter (Hu et al., LoRA, arXiv 2106.09685)."""

    parameters: int
    """Weights that learn."""


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """How a network is trained. Sizes are of one device, not of one pod."""

    devices: int
    sequence_length: int
    """Tokens of a row, as computed."""
    rows: int
    """Rows that one device computes at once (the micro-batch)."""
    accumulation: int = 1
    """Micro-batches of a step on each device."""
    precision: str = "bf16"
    """Of matrix products: fp32, tf32, bf16, fp16, fp8, fp4."""
    sharding: Sharding = Sharding.REPLICATED
    checkpointing: Checkpointing = Checkpointing.NONE
    adapter: Adapter | None = None
    mean_length: float | None = None
    """Tokens of a sequence within a packed row, whose attention sees no other; None where a row is one sequence."""
    filled: float = 1.0
    """Share of a row's positions that are no padding, above 0 to 1."""

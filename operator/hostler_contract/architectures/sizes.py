"""The sizes of a transformer on tokens, whoever says them: the files of a model, an entry of the catalog, a family."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler_contract.architectures.block import Block

MOST_LAYERS = 1024
MOST_WIDTH = 1_048_576
MOST_HEADS = 4096
MOST_EXPERTS = 4096
MOST_POSITIONS = 100_000_000


class TransformerSizes(Block):
    """What arithmetic and memory follow from. What nobody says is absent, and no default is put in its place."""

    layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)] | None = None
    """Transformer blocks."""
    hidden_size: Annotated[int, Field(ge=1, le=MOST_WIDTH)] | None = None
    """Width of the residual stream."""
    heads: Annotated[int, Field(ge=1, le=MOST_HEADS)] | None = None
    """Attention heads."""
    kv_heads: Annotated[int, Field(ge=1, le=MOST_HEADS)] | None = None
    """Heads of keys and values; fewer than heads where they are grouped. Absent also where keys and values are made
    from a common latent."""
    head_size: Annotated[int, Field(ge=1, le=MOST_WIDTH)] | None = None
    """Width of one head."""
    intermediate_size: Annotated[int, Field(ge=1, le=MOST_WIDTH)] | None = None
    """Width inside the feed-forward network, of one expert where there are several."""
    experts: Annotated[int, Field(ge=0, le=MOST_EXPERTS)] | None = None
    """Experts of a layer, those that every token passes included; 0 means a dense network."""
    active_experts: Annotated[int, Field(ge=0, le=MOST_EXPERTS)] | None = None
    """Experts that compute each token, those that every token passes included."""
    expert_layers: Annotated[int, Field(ge=0, le=MOST_LAYERS)] | None = None
    """Layers with experts; absent means all."""
    gated: bool | None = None
    """Whether the feed-forward network has a third, gating matrix."""
    tied: bool | None = None
    """Whether the output matrix is the embedding."""
    causal: bool | None = None
    """Whether a token sees only those before it."""
    sliding_window: Annotated[int, Field(ge=1, le=MOST_POSITIONS)] | None = None
    """Most tokens that attention sees in layers with a window; absent means all."""
    windowed_layers: Annotated[int, Field(ge=0, le=MOST_LAYERS)] | None = None
    """Layers with such a window."""
    learned_positions: Annotated[int, Field(ge=0, le=MOST_POSITIONS)] | None = None
    """Rows of tables that are looked up beside the embedding, for positions and for kinds of segments; 0 where
    positions are computed."""

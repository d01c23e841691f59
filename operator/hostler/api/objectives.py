"""Settings of the objectives: one section each, allowed only beside its objective."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hostler.api.schema import ApiModel, InnerShare, PositiveDecimal, Share


class Lora(ApiModel):
    """A low-rank adapter (arXiv 2106.09685) is trained instead of all weights. The Model that comes out has it merged
    in, and beside it alone, for services that have the base."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank of the adapter's matrices."""
    alpha: Annotated[int, Field(ge=1, le=4096)] = 16
    """Scale: the adapter's output is multiplied by alpha / rank."""
    dropout: Share = "0"
    """Dropout of the adapter's input; below 1."""


class PreferenceMethod(StrEnum):
    """How preferences are learned."""

    AUTO = "auto"
    DPO = "dpo"
    KTO = "kto"


class Preference(ApiModel):
    """Learning from praise and criticism: DPO (arXiv 2305.18290) or KTO (arXiv 2402.01306)."""

    method: PreferenceMethod = PreferenceMethod.AUTO
    """auto takes dpo where rows are pairs (chosen, rejected), kto where they are single verdicts (praise)."""
    beta: PositiveDecimal = "0.1"
    """How much leaving the base model costs."""


class Distill(ApiModel):
    """Learning from a teacher's soft targets (arXiv 1503.02531)."""

    temperature: PositiveDecimal = "2.0"
    """Softness of the targets."""
    teacher_weight: Share = "0.5"
    """Share of the teacher's targets in the loss; the data's own targets have the rest."""


class PruneMethod(StrEnum):
    """Which weights go."""

    UNSTRUCTURED = "unstructured"
    STRUCTURED = "structured"


class Prune(ApiModel):
    """Weights are removed, then what is left is trained to heal."""

    method: PruneMethod = PruneMethod.UNSTRUCTURED
    """unstructured zeroes the smallest weights, wherever they are; structured removes whole channels of the
    feed-forward layers, which makes the model smaller and faster."""
    sparsity: InnerShare = "0.5"
    """Share of the weights that goes."""


class QuantizeMethod(StrEnum):
    """How weights are stored."""

    INT8_WEIGHT_ONLY = "int8-weight-only"
    INT8_DYNAMIC = "int8-dynamic"


class Quantize(ApiModel):
    """Weights are stored as 8-bit integers."""

    method: QuantizeMethod = QuantizeMethod.INT8_WEIGHT_ONLY
    """int8-dynamic also rounds what goes through the layers."""


class SemiSupervised(ApiModel):
    """Pseudo-labels for rows without one (FixMatch, arXiv 2001.07685)."""

    threshold: InnerShare = "0.95"
    """Confidence from which a prediction counts as a label."""
    weight: PositiveDecimal = "1.0"
    """Weight of the unlabelled rows in the loss."""
    unlabelled_ratio: Annotated[int, Field(ge=1, le=64)] = 7
    """Unlabelled rows beside each labelled one in a batch."""

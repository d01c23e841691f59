"""What training is for, and the settings of each objective."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from hostler_contract.message import Part


class Objective(StrEnum):
    """What training is for."""

    PRETRAIN = "pretrain"
    """From random weights."""
    FINETUNE = "finetune"
    """From a base model, all weights or a low-rank adapter."""
    PREFERENCE = "preference"
    """From a base model and users' praise and criticism: DPO on pairs, KTO on single verdicts."""
    DISTILL = "distill"
    """A smaller model of the same family learns from a base model, its teacher."""
    PRUNE = "prune"
    """Weights of a base model are removed, then what is left is trained to heal."""
    QUANTIZE = "quantize"
    """Weights of a base model are stored as 8-bit integers."""

    @property
    def needs_base(self) -> bool:
        """True where there is nothing to start from without a base model."""
        return self is not Objective.PRETRAIN


class Supervision(StrEnum):
    """Where the targets come from."""

    SUPERVISED = "supervised"
    """From the data's labels."""
    SELF_SUPERVISED = "self-supervised"
    """From the inputs themselves: next or hidden tokens, removed noise."""
    SEMI_SUPERVISED = "semi-supervised"
    """From the labels where there are some, from confident predictions elsewhere (FixMatch, arXiv 2001.07685)."""


class LoraConfig(Part):
    """A low-rank adapter (arXiv 2106.09685). The model that comes out has it merged in, and beside it alone."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    alpha: Annotated[int, Field(ge=1, le=4096)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class PreferenceConfig(Part):
    """Direct preference optimization (arXiv 2305.18290) or Kahneman-Tversky optimization (arXiv 2402.01306)."""

    method: Literal["auto", "dpo", "kto"] = "auto"
    """``auto`` takes dpo where the rows are pairs, kto where they are single verdicts."""
    beta: Annotated[float, Field(gt=0)] = 0.1


class DistillConfig(Part):
    """Soft targets (arXiv 1503.02531)."""

    temperature: Annotated[float, Field(gt=0)] = 2.0
    teacher_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the teacher's targets in the loss; the data's own targets have the rest."""


class PruneConfig(Part):
    """Which weights go."""

    method: Literal["unstructured", "structured"] = "unstructured"
    """unstructured zeroes the smallest weights, wherever they are; structured removes whole channels of the
    feed-forward layers, which makes the model smaller and faster."""
    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.5


class QuantizeConfig(Part):
    """8-bit integers through torchao."""

    method: Literal["int8-weight-only", "int8-dynamic"] = "int8-weight-only"


class SemiSupervisedConfig(Part):
    """Pseudo-labels for rows without one."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence from which a prediction counts as a label."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the unlabelled part of the loss."""
    unlabelled_ratio: Annotated[int, Field(ge=1, le=64)] = 7
    """Unlabelled rows beside each labelled one in a batch."""


class ObjectiveConfig(Part):
    """The objective with the settings that belong to it."""

    kind: Objective = Objective.PRETRAIN
    lora: LoraConfig | None = None
    """With ``finetune`` and ``preference``; absent means that all weights are trained."""
    preference: PreferenceConfig = PreferenceConfig()
    distill: DistillConfig = DistillConfig()
    prune: PruneConfig = PruneConfig()
    quantize: QuantizeConfig = QuantizeConfig()
    supervision: Supervision | None = None
    """Absent means the family's own."""
    semi_supervised: SemiSupervisedConfig = SemiSupervisedConfig()

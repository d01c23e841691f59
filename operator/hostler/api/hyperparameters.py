"""One optimizer run: how long, how large, in which precision, and what a row holds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.schema import ApiModel, Decimal, PositiveDecimal, cel, rules


class Precision(StrEnum):
    """Numeric type of the matrix products."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"


class Parallelism(StrEnum):
    """What each process holds of the model."""

    REPLICATED = "replicated"
    SHARDED = "sharded"


class PackingMode(StrEnum):
    """Whether several sequences share a row."""

    AUTO = "auto"
    OFF = "off"


class PackingStrategy(StrEnum):
    """How sequences are put together."""

    BEST_FIT = "best-fit"
    SPFHP = "spfhp"


class OnOutOfMemory(StrEnum):
    """What follows where memory runs out."""

    FAIL = "fail"
    SHRINK = "shrink"


class Packing(ApiModel):
    """Several sequences in one row where their lengths vary (arXiv 2107.02027), without seeing each other."""

    mode: PackingMode = PackingMode.AUTO
    """auto packs where lengths vary; off pads, and so does objective preference in any case."""
    strategy: PackingStrategy = PackingStrategy.BEST_FIT
    """Sequences are placed from long to short: best-fit into the row with the least room that is enough, spfhp into
    the one with the most room, which keeps rows even where maxPerPack is small."""
    max_per_pack: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    """Most sequences of a row; absent means as many as fit."""


class Overlong(StrEnum):
    """What becomes of a row that is one sequence or none, and longer than the context."""

    TRUNCATE = "truncate"
    DROP = "drop"
    REFUSE = "refuse"


class Hyperparameters(ApiModel):
    """One optimizer run: AdamW, linear warm-up, cosine decay."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.warmupSteps <= self.steps",
                "warmupSteps must not be above steps",
                field_path=".warmupSteps",
            )
        )
    )

    steps: Annotated[int, Field(ge=0, le=100_000_000)]
    """Optimizer steps over all stages; 0 only with objective quantize, which need not train."""
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 8
    """Sequences (images, clips) per optimizer step, over all pods together; at least pods.max times
    gradientAccumulation, and at least pods.min times accelerators.perPod times gradientAccumulation. No more pods are
    taken than each part of a step has sequences for."""
    context_length: Annotated[int, Field(ge=8, le=1_048_576)] | None = None
    """Longest sequence to train on, in tokens, at most what the model was made for (chat, code, bert). Absent means
    output's contextLength, and beside a base without output's sizes what the base was made for, up to 4096;
    status.progress.notes says where that is less."""
    gradient_accumulation: Annotated[int, Field(ge=1, le=65536)] = 1
    """Parts in which each process computes a step, one after the other, where memory holds no whole one."""
    learning_rate: PositiveDecimal = "3e-4"
    """Peak learning rate."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps of linear warm-up."""
    weight_decay: Decimal = "0.1"
    """Decoupled weight decay (arXiv 1711.05101)."""
    gradient_clip: PositiveDecimal = "1.0"
    """Largest norm of the gradient."""
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    """Seed of weights, data order and dropout."""
    precision: Precision = Precision.AUTO
    """auto takes bf16 where the accelerator has it, else fp32; one that the device lacks falls back, and
    status.progress.notes says so."""
    deterministic: bool = False
    """true allows only algorithms whose result does not depend on the order of execution; slower on accelerators."""
    parallelism: Parallelism = Parallelism.REPLICATED
    """replicated (DDP): each process holds the whole model; sharded (FSDP): each holds a part."""
    packing: Packing = Packing()
    """Several sequences in one row."""
    on_out_of_memory: OnOutOfMemory = OnOutOfMemory.FAIL
    """fail ends the job with advice, because the same size would not fit again; shrink halves what is computed at once
    (as a doubled gradientAccumulation does) and goes on, as long as every process has a sequence of each part."""
    overlong: Overlong = Overlong.TRUNCATE
    """Conversations (chat), labelled texts and questions (bert) and judged answers (objective preference) that are
    longer than the context: truncate keeps what fits, drop leaves them out, refuse ends the job before step 1;
    status.progress.notes counts them and names the first. Documents are cut into pieces."""

"""What a trainer is asked to do: ``/etc/hostler/job.json``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hostler_contract.message import Message, Part

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]


class TransformerConfig(Part):
    """A GPT-style decoder defined by its configuration alone."""

    architecture: Literal["gpt2", "llama"] = "gpt2"
    layers: PositiveInt
    hidden_size: PositiveInt
    heads: PositiveInt
    context_length: PositiveInt
    """Longest sequence, in tokens."""
    vocabulary_size: PositiveInt
    """Upper bound; the tokenizer is trained on the data and may end up smaller."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class DatasetSource(Part):
    """Where the trainer finds the data: a path below ``/data`` or a URL that rank 0 downloads."""

    kind: Literal["path", "http"]
    location: str
    """For ``path`` a file or directory; for ``http`` the URL."""
    sha256: str | None = None
    """Expected content hash of what is downloaded, lower-case hex."""


class DatasetConfig(Part):
    """The data and how it is split."""

    source: DatasetSource
    format: Literal["text"] = "text"
    validation_percent: Annotated[int, Field(ge=1, le=50)] = 10


class Hyperparameters(Part):
    """One optimizer run (AdamW, linear warm-up then cosine decay)."""

    steps: PositiveInt
    batch_size: PositiveInt
    """Sequences per optimizer step, over all processes together."""
    learning_rate: Annotated[float, Field(gt=0)]
    warmup_steps: NonNegativeInt = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    seed: NonNegativeInt = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto`` takes bf16 on an accelerator that has it, fp32 elsewhere."""


class CheckpointPolicy(Part):
    """How often the trainer saves, and how many checkpoints stay."""

    every_steps: PositiveInt
    keep: PositiveInt = 2


class Topology(Part):
    """The processes of one attempt."""

    pods: PositiveInt
    processes_per_pod: PositiveInt


class JobConfig(Message):
    """Everything one attempt of a TrainingJob needs to know.

    FLOP and memory figures come from the control plane's family file as plain numbers, so that the runtime
    holds no second copy of the formulas.
    """

    name: str
    namespace: str
    attempt: NonNegativeInt
    family: Literal["chat"]
    objective: Literal["pretrain"] = "pretrain"
    model_name: str
    """Name under which the result is registered and served."""
    model: TransformerConfig
    dataset: DatasetConfig
    hyperparameters: Hyperparameters
    checkpoint: CheckpointPolicy
    topology: Topology
    flops_per_token: Annotated[float, Field(gt=0)]
    """Training operations (forward and backward) for one token."""
    accelerator: str = "cpu"
    """Accelerator type id from the registry; a label of the trainer's metrics."""
    peak_flops_per_process: Annotated[float, Field(gt=0)] | None = None
    """Peak dense FLOP/s of the accelerator behind one process; absent where the registry knows none."""
    workspace: str = "/workspace"
    """Directory on the shared volume that belongs to this job alone."""

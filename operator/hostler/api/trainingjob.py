"""TrainingJob: a model, data, an objective and accelerators; a new Model comes out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import Accelerators, Conditions, Failure, Family, PodRange, PodResources, Source
from hostler.api.schema import (
    ApiModel,
    ByteQuantity,
    Decimal,
    Name,
    ObjectName,
    PositiveDecimal,
    StatusModel,
    Timestamp,
    cel,
    rules,
    unchangeable,
)

NAME_LIMIT = 52
"""Children are named <job>-<attempt>, pods of an Indexed Job add '-<index>', and a host name has 63 characters."""


class TrainingCondition:
    """Condition types of a training job."""

    ACCEPTED = "Accepted"
    """True when the spec can be honoured as a whole; False names the field and the way out."""
    ADMITTED = "Admitted"
    """True while the job has its accelerators; False says why it waits."""
    READY = "Ready"
    """True from the moment all pods run, and after success; its reason is the job's state in one word."""
    SUCCEEDED = "Succeeded"
    """True when the Model has been registered. Final."""
    STALLED = "Stalled"
    """True when the job failed for good and waits for a person. Final."""
    SUSPENDED = "Suspended"
    """True while spec.suspend keeps the job without pods."""


class TrainingReason(StrEnum):
    """Reasons, each used by the conditions named. Where Accepted or Admitted is False, Ready repeats its reason, so
    that one word tells the state. Stalled also takes the reasons of failed containers, such as TrainingDiverged."""

    VALID = "Valid"
    """Accepted: set when nothing speaks against the spec."""
    POOL_NOT_FOUND = "PoolNotFound"
    """Accepted: set when spec.accelerators.pool names no AcceleratorPool."""
    POOL_TOO_SMALL = "PoolTooSmall"
    """Accepted: set when even the empty pool could not hold pods.min pods of perPod accelerators."""
    FAMILY_NOT_AVAILABLE = "FamilyNotAvailable"
    """Accepted: set when no bundled runtime trains the family."""
    INCOMPATIBLE_ACCELERATOR = "IncompatibleAccelerator"
    """Accepted: set when the accelerator type cannot train the family."""
    UNSUPPORTED_COUNT = "UnsupportedCount"
    """Accepted: set when the accelerator type does not come in that count per pod."""
    PRIVILEGE_NOT_ALLOWED = "PrivilegeNotAllowed"
    """Accepted: set when the type needs a privilege that the pool does not allow."""
    IMAGE_NOT_CONFIGURED = "ImageNotConfigured"
    """Accepted: set when the installation has no runtime image of the variant that drives the accelerator type."""
    SOURCE_NOT_SUPPORTED = "SourceNotSupported"
    """Accepted: set when this release cannot read that kind of source."""
    DATASET_NOT_FOUND = "DatasetNotFound"
    """Accepted, Stalled: set when the claim, ConfigMap, key, file or URL of the data does not exist."""
    STORAGE_NOT_FOUND = "StorageNotFound"
    """Accepted: set when spec.storage.claimName names no claim."""
    NAME_TAKEN = "NameTaken"
    """Accepted: set when a Model, claim or other child of that name exists which this job did not make."""
    INVALID_SPEC = "InvalidSpec"
    """Accepted: set when the stored spec does not fit this release, which CRDs of the same release would not let in."""
    POOL_NOT_READY = "PoolNotReady"
    """Admitted: set when the pool has no usable devices."""
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    """Admitted: set when the accelerators are there but in use."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """Admitted: set when the pool's quota leaves no room."""
    PLACED = "Placed"
    """Admitted: set when the pods fit and the attempt was created."""
    CHILD_REFUSED = "ChildRefused"
    """Ready: set when the API server refused a child, such as by a quota; the message is the server's own."""
    PENDING = "Pending"
    """Ready, Admitted: set before the first decision, and while pods of an earlier attempt still end."""
    STARTING = "Starting"
    """Ready: set while pods of an attempt are scheduled, pulled or started."""
    TRAINING = "Training"
    """Ready: set while all pods run."""
    RESTARTING = "Restarting"
    """Ready: set between a failed attempt and the pods of the next."""
    REGISTERING = "Registering"
    """Ready: set between the last step and the Model."""
    SUCCEEDED = "Succeeded"
    """Ready, Succeeded, Admitted, Stalled: set when the Model has been registered."""
    FAILED = "Failed"
    """Ready, Succeeded, Admitted: set when the job has failed for good; Stalled has the cause."""
    RESTARTS_EXHAUSTED = "RestartsExhausted"
    """Stalled: set when maxRestarts attempts were used up."""
    SUSPENDED = "Suspended"
    """Ready, Admitted, Suspended: set while spec.suspend is true."""
    NOT_SUSPENDED = "NotSuspended"
    """Suspended: set when the job was resumed."""
    NOT_FINISHED = "NotFinished"
    """Succeeded, Stalled: set while the job is still under way."""


class Transformer(ApiModel):
    """A decoder in the style of GPT, defined by its sizes alone."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.hiddenSize % self.heads == 0",
                "hiddenSize must be a multiple of heads",
                field_path=".hiddenSize",
            )
        )
    )

    layers: Annotated[int, Field(ge=1, le=256)]
    """Transformer blocks."""
    hidden_size: Annotated[int, Field(ge=8, le=65536)]
    """Width of the residual stream."""
    heads: Annotated[int, Field(ge=1, le=512)]
    """Attention heads."""
    context_length: Annotated[int, Field(ge=8, le=1_048_576)]
    """Longest sequence, in tokens."""
    vocabulary_size: Annotated[int, Field(ge=300, le=1_000_000)]
    """Most tokens of the vocabulary; the tokenizer is trained on the data and may find fewer."""


class TrainedModel(ApiModel):
    """The model that is to come out."""

    name: Name | None = None
    """Name of the Model; absent means the job's own name."""
    license: Annotated[str, Field(min_length=1, max_length=64)] = "unknown"
    """SPDX expression of the licence that the weights get; it follows from the data's."""
    transformer: Transformer | None = None
    """Sizes, for the families that are transformers."""


class DatasetSpec(ApiModel):
    """The data, inline."""

    source: Source
    """Where it comes from."""
    format: Annotated[str, Field(pattern=r"^(text)$", max_length=16)] = "text"
    """Format of the files: text is UTF-8 text."""
    validation_percent: Annotated[int, Field(ge=1, le=50)] = 10
    """Share that is held out for evaluation, in percent."""


class Precision(StrEnum):
    """Numeric type of the matrix products."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


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

    steps: Annotated[int, Field(ge=1, le=100_000_000)]
    """Optimizer steps."""
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 8
    """Sequences per optimizer step, over all pods together; at least pods.max."""
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
    """auto takes bf16 where the accelerator has it, else fp32."""


class Checkpointing(ApiModel):
    """How often the state is saved; a replaced pod goes on from the newest complete checkpoint."""

    every_steps: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Steps between checkpoints."""
    keep: Annotated[int, Field(ge=1, le=100)] = 2
    """Newest checkpoints that stay."""


class WorkspaceStorage(ApiModel):
    """The volume for checkpoints and artifacts, shared by all pods (ReadWriteMany)."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.claimName) || !has(self.storageClassName)",
                "storageClassName has no effect beside claimName: remove one of them",
                field_path=".storageClassName",
            ),
            cel(
                "!has(self.claimName) || self.size == '2Gi'",
                "size has no effect beside claimName: remove one of them",
                field_path=".size",
            ),
        )
    )

    claim_name: ObjectName | None = None
    """An existing claim to use; absent means that the job makes one, which passes to the Model."""
    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """StorageClass of the claim that is made; absent means the cluster's default."""
    size: ByteQuantity = "2Gi"
    """Size of the claim that is made."""


_WAY_OUT = "a job runs once; delete it, or make a new one under another name"
_IMMUTABLE = (
    "family",
    "objective",
    "model",
    "dataset",
    "training",
    "checkpoint",
    "accelerators",
    "pods",
    "resources",
    "storage",
)


class Objective(StrEnum):
    """What training is for."""

    PRETRAIN = "pretrain"


class TrainingJobSpec(ApiModel):
    """What to train, on what, with what. Only suspend and maxRestarts can be changed later."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.family != 'chat' || has(self.model.transformer)",
                "the chat family needs model.transformer: its sizes define the network",
                field_path=".model",
            ),
            cel(
                "self.training.batchSize >= self.pods.max",
                "batchSize must be at least pods.max: every pod computes at least one sequence of each step",
                field_path=".training.batchSize",
            ),
            *(unchangeable(field, way_out=_WAY_OUT) for field in _IMMUTABLE),
        )
    )

    family: Family
    """Model family."""
    objective: Objective = Objective.PRETRAIN
    """pretrain starts from random weights."""
    model: TrainedModel
    """The model that is to come out."""
    dataset: DatasetSpec
    """The data."""
    training: Hyperparameters
    """The optimizer run."""
    checkpoint: Checkpointing = Checkpointing()
    """How often the state is saved."""
    accelerators: Accelerators
    """What each pod gets."""
    pods: PodRange = PodRange()
    """How many pods; the job takes as many as fit when it starts."""
    resources: PodResources = PodResources()
    """CPU and memory of each pod."""
    storage: WorkspaceStorage = WorkspaceStorage()
    """The volume for checkpoints and artifacts."""
    max_restarts: Annotated[int, Field(ge=0, le=1000)] = 3
    """Attempts after the first one; each goes on from the newest checkpoint."""
    suspend: bool = False
    """true stops the pods and keeps the checkpoints; false goes on from them."""


class TrainingProgress(StatusModel):
    """How far the running attempt is, as rank 0 reports it."""

    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Optimizer steps done, in whole percent."""
    step: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps done."""
    total_steps: Annotated[int, Field(ge=1)] = 1
    """Optimizer steps in all."""
    loss: Annotated[str, Field(max_length=24)] | None = None
    """Training loss of the last step, nats per token."""
    tokens_per_second: Annotated[str, Field(max_length=24)] | None = None
    """Tokens per second over all pods."""
    eta: Annotated[str, Field(max_length=24)] | None = None
    """Expected time to the last step, such as 2m10s."""
    checkpoint_step: Annotated[int, Field(ge=0)] | None = None
    """Step of the newest complete checkpoint."""
    resumed_from_step: Annotated[int, Field(ge=0)] | None = None
    """Step from which the running attempt went on; absent when it started from nothing."""
    stage: Annotated[str, Field(max_length=32)] | None = None
    """What rank 0 is doing."""


class Placement(StatusModel):
    """What the running attempt holds."""

    pool: Annotated[str, Field(max_length=63)]
    """AcceleratorPool."""
    accelerator_type: Annotated[str, Field(max_length=63)]
    """Type of the accelerators."""
    pods: Annotated[int, Field(ge=1)]
    """Pods of the attempt."""
    per_pod: Annotated[int, Field(ge=1)]
    """Accelerators of each pod."""


class TrainingJobStatus(StatusModel):
    """Where the job stands."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status speaks of."""
    conditions: Conditions = ()
    """Accepted, Admitted, Ready, Succeeded, Stalled, Suspended."""
    attempt: Annotated[int, Field(ge=0)] | None = None
    """Number of the newest attempt, from 0."""
    restarts: Annotated[int, Field(ge=0)] = 0
    """Attempts that failed and were replaced."""
    placement: Placement | None = None
    """What the newest attempt holds."""
    progress: TrainingProgress | None = None
    """How far it is."""
    last_failure: Failure | None = None
    """Why the last failed attempt failed."""
    model: Annotated[str, Field(max_length=63)] | None = None
    """Name of the Model, once it is registered."""
    start_time: Timestamp | None = None
    """When the first attempt was created."""
    completion_time: Timestamp | None = None
    """When the job succeeded or failed for good."""

"""TrainingJob: a model, data, an objective and accelerators; a new Model comes out."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import (
    Accelerators,
    AccessMode,
    Family,
    Gates,
    MetricName,
    ModelReference,
    PodRange,
    PodResources,
)
from hostler.api.data import JobData
from hostler.api.hyperparameters import Hyperparameters
from hostler.api.network import TrainedModel
from hostler.api.objectives import Distill, Lora, Preference, Prune, Quantize, SemiSupervised
from hostler.api.podoptions import SHARED_MEMORY_RULE, PodMetadata, PullSecrets, Scratch, no_sidecar_rules
from hostler.api.schema import (
    ApiModel,
    ByteQuantity,
    ObjectName,
    SignedDecimal,
    cel,
    on_create,
    rules,
    unchangeable,
)
from hostler.api.training_reasons import TrainingCondition, TrainingReason
from hostler.api.training_rules import family_rules
from hostler.api.training_status import (
    AttemptFailure,
    Comparison,
    Measured,
    Retry,
    Target,
    TrainingJobStatus,
    TrainingProgress,
)
from hostler_contract import Objective, Supervision

__all__ = [
    "NAME_LIMIT",
    "AttemptFailure",
    "Comparison",
    "Hyperparameters",
    "JobData",
    "Measured",
    "Objective",
    "ResumeFrom",
    "Retry",
    "Target",
    "TrainedModel",
    "TrainingCondition",
    "TrainingJobSpec",
    "TrainingJobStatus",
    "TrainingProgress",
    "TrainingReason",
]

NAME_LIMIT = 52
"""Children are named <job>-<attempt>, pods of an Indexed Job add '-<index>', and a host name has 63 characters."""


class StopAt(ApiModel):
    """Training ends early once a figure is good enough."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel("has(self.min) != has(self.max)", "stopAt has exactly one of min and max"))
    )

    metric: MetricName
    """Name of the figure."""
    min: SignedDecimal | None = None
    """Good enough from this value up."""
    max: SignedDecimal | None = None
    """Good enough from this value down."""


class Evaluation(ApiModel):
    """When the model is measured on held-out data, and how good it must be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.stopAt) || has(self.everySteps)",
                "stopAt is looked at when the model is measured: set everySteps",
                field_path=".everySteps",
            )
        )
    )

    every_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Steps between measurements; absent means at the end only."""
    gates: Gates = ()
    """What the Model's figures must be; one that misses is registered and not Ready, and is not served."""
    stop_at: StopAt | None = None
    """Ends training early; status.target says what it took until then."""
    samples: Annotated[int, Field(ge=0, le=64)] = 4
    """Sample outputs that are kept with each measurement and with the model."""


class Parts(ApiModel):
    """Parts that are taken from other models as they are."""

    autoencoder: ModelReference | None = None
    """First stage of latent diffusion: a vae."""
    text_encoder: ModelReference | None = None
    """What reads the prompt."""


class ResumeFrom(ApiModel):
    """Checkpoints of another job."""

    training_job: Annotated[str, Field(min_length=1, max_length=NAME_LIMIT, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Name of a TrainingJob of the same namespace, which has ended or is suspended, of the same family and network."""


class Checkpointing(ApiModel):
    """How often the state is saved; a replaced pod goes on from the newest complete checkpoint."""

    every_steps: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Steps between checkpoints."""
    keep: Annotated[int, Field(ge=1, le=100)] = 2
    """Newest checkpoints that stay while the job is under way."""
    keep_after_success: Annotated[int, Field(ge=0, le=100)] = 1
    """Newest checkpoints that stay once the Model is there; what was downloaded and prepared goes in any case. With 0
    no other job can start from this one, but for one that names it already when the last attempt starts."""


class WorkspaceStorage(ApiModel):
    """The volume for checkpoints and artifacts, shared by all pods."""

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
            cel(
                "!has(self.claimName) || self.accessModes == ['ReadWriteMany']",
                "accessModes has no effect beside claimName: remove one of them",
                field_path=".accessModes",
            ),
        )
    )

    claim_name: ObjectName | None = None
    """An existing claim to use; absent means that the job makes one, which passes to the Model."""
    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """StorageClass of the claim that is made; absent means the cluster's default."""
    size: ByteQuantity = "2Gi"
    """Size of the claim that is made."""
    access_modes: Annotated[
        tuple[AccessMode, ...],
        Field(min_length=1, max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = (AccessMode.READ_WRITE_MANY,)
    """What the claim that is made can do. ReadWriteOnce alone needs pods.max 1, and the Model is served on the volume's
    node only."""


_WAY_OUT = "a job runs once; delete it, or make a new one under another name"
_IMMUTABLE = (
    "family",
    "objective",
    "supervision",
    "lora",
    "preference",
    "distill",
    "prune",
    "quantize",
    "semiSupervised",
    "base",
    "parts",
    "output",
    "dataset",
    "training",
    "evaluation",
    "checkpoint",
    "resumeFrom",
    "accelerators",
    "pods",
    "resources",
    "storage",
    "imagePullSecrets",
    "serviceAccountName",
    "podMetadata",
    "scratch",
)


class TrainingJobSpec(ApiModel):
    """What to train, on what, with what. Only suspend, maxRestarts and maxDisruptions can be changed
    later."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *on_create(
                *family_rules(),
                cel(
                    "self.training.steps > 0 || self.objective == 'quantize'",
                    "steps must be at least 1: only objective quantize need not train",
                    field_path=".training.steps",
                ),
                cel(
                    "self.training.batchSize >= self.pods.max * self.training.gradientAccumulation",
                    "batchSize must be at least pods.max times gradientAccumulation: every pod computes at least one "
                    "sequence of each part of a step",
                    field_path=".training.batchSize",
                ),
                cel(
                    "'ReadWriteMany' in self.storage.accessModes || self.pods.max == 1",
                    "pods on several nodes share the volume: add ReadWriteMany, or set pods.max to 1",
                    field_path=".storage.accessModes",
                ),
                SHARED_MEMORY_RULE,
                *no_sidecar_rules(),
            ),
            **unchangeable(*_IMMUTABLE, way_out=_WAY_OUT),
        )
    )

    family: Family
    """Model family."""
    objective: Objective = Objective.PRETRAIN
    """pretrain starts from random weights, finetune from a base model; preference learns from praise and criticism;
    distill teaches a smaller model; prune removes weights; quantize stores them as 8-bit integers."""
    supervision: Supervision | None = None
    """Where the targets come from: the data's labels, the inputs themselves (next or hidden tokens, removed noise), or
    labels where there are some. It may be left out: the family decides, of bert the head, and a value that contradicts
    them is refused. semi-supervised alone changes something: rows without a label are learned from too."""
    lora: Lora | None = None
    """With finetune and preference: a low-rank adapter; absent means that all weights are trained."""
    preference: Preference | None = None
    """Settings of objective preference."""
    distill: Distill | None = None
    """Settings of objective distill."""
    prune: Prune | None = None
    """Settings of objective prune."""
    quantize: Quantize | None = None
    """Settings of objective quantize."""
    semi_supervised: SemiSupervised | None = None
    """Settings of supervision semi-supervised."""
    base: ModelReference | None = None
    """The model to start from: what is fine-tuned, pruned, quantized, or the teacher. It must be Ready."""
    parts: Parts | None = None
    """Parts that are taken from other models."""
    output: TrainedModel = TrainedModel()
    """The model that is to come out; it may be left out where base says all of it."""
    dataset: JobData
    """The data."""
    training: Hyperparameters
    """The optimizer run."""
    evaluation: Evaluation = Evaluation()
    """When the model is measured, and how good it must be."""
    checkpoint: Checkpointing = Checkpointing()
    """How often the state is saved."""
    resume_from: ResumeFrom | None = None
    """Start from the newest checkpoint of another job, where this one has none of its own."""
    accelerators: Accelerators
    """What each pod gets."""
    pods: PodRange = PodRange()
    """How many pods; the job takes as many as fit when it starts."""
    resources: PodResources = PodResources()
    """CPU and memory of each pod."""
    storage: WorkspaceStorage = WorkspaceStorage()
    """The volume for checkpoints and artifacts."""
    image_pull_secrets: PullSecrets = ()
    """Secrets of the same namespace with credentials of the registry that the images come from."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods, such as for image policies; they never get its token. Absent means default."""
    pod_metadata: PodMetadata | None = None
    """Labels and annotations of the pods."""
    scratch: Scratch | None = None
    """Limits of what the pods write beside their volumes."""
    max_restarts: Annotated[int, Field(ge=0, le=1000)] = 3
    """Failures of the program that are answered by another attempt, which goes on from the newest checkpoint after a
    back-off. A job that stopped for this limit goes on when it is raised."""
    max_disruptions: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Disruptions by the infrastructure (evictions, drains, lost nodes, preemption, deleted pods) in a row that are
    answered by another attempt; a new checkpoint begins the row anew. A job that stopped for this limit goes on when
    it is raised."""
    suspend: bool = False
    """true stops the pods and keeps the checkpoints; false goes on from them."""

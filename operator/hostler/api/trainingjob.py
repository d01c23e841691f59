"""TrainingJob: a model, data, an objective and accelerators; a new Model comes out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import (
    AccessMode,
    Family,
    Gates,
    JobAccelerators,
    MetricName,
    ModelReference,
    PodRange,
    PodResources,
)
from hostler.api.cost import MaxCost
from hostler.api.data import JobData
from hostler.api.hyperparameters import Hyperparameters
from hostler.api.network import TrainedModel
from hostler.api.objectives import Distill, Lora, Preference, Prune, Quantize, SemiSupervised
from hostler.api.podoptions import SHARED_MEMORY_RULE, PodMetadata, PullSecrets, Scratch, no_sidecar_rules
from hostler.api.schema import (
    ApiModel,
    ByteQuantity,
    Duration,
    ObjectName,
    SignedDecimal,
    cel,
    changeable_while_suspended,
    on_change,
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
    PreparedData,
    Retry,
    Target,
    TrainingJobStatus,
    TrainingProgress,
)
from hostler_contract import Objective, Supervision

__all__ = [
    "LINE_RULES",
    "NAME_LIMIT",
    "OURS",
    "AttemptFailure",
    "Comparison",
    "Hyperparameters",
    "JobData",
    "Measured",
    "Objective",
    "PreparedData",
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


class Preparation(StrEnum):
    """When the data is turned into what is trained on."""

    AUTO = "Auto"
    SEPARATE = "Separate"
    WITH_TRAINING = "WithTraining"


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
    "resumeFrom",
    "storage",
    "preparation",
    "imagePullSecrets",
    "serviceAccountName",
    "podMetadata",
    "scratch",
    "managedBy",
)
_SUSPEND_FIRST = "it may only while suspend is true: set suspend, change it, and resume"
_WHILE_SUSPENDED = ("checkpoint", "accelerators", "pods", "resources")

OURS = "hostler.dev/operator"
"""spec.managedBy of jobs that are ours, where it is not absent."""


def _unchanged(field: str) -> str:
    before, after = f"oldSelf.spec.{field}", f"self.spec.{field}"
    return f"has({before}) == has({after}) && (!has({after}) || {before} == {after})"


LINE_RULES = (
    cel(
        "oldSelf.spec.suspend || !has(oldSelf.status) || !has(oldSelf.status.placement) || "
        f"({_unchanged('priorityClassName')} && {_unchanged('estimatedDuration')})",
        "priorityClassName and estimatedDuration cannot be changed while the job has accelerators: set suspend first",
        field_path=".spec",
    ),
)
"""Rules on the whole object: what the order of the line depends on changes while the job is in it."""


class TrainingJobSpec(ApiModel):
    """What to train, on what, with what. Of it suspend, the limits (maxRestarts, maxDisruptions, maxCost, maxDuration,
    activeDeadlineSeconds) and ttlSecondsAfterFinished can be changed later; accelerators, pods, resources and
    checkpoint only while suspend is true; priorityClassName and estimatedDuration then, and while the job waits for
    accelerators."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *on_create(
                *family_rules(),
                cel(
                    "self.training.steps > 0 || self.objective == 'quantize'",
                    "steps must be at least 1: only objective quantize need not train",
                    field_path=".training.steps",
                ),
                *no_sidecar_rules(),
            ),
            *on_change(
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
            ),
            *changeable_while_suspended(*_WHILE_SUSPENDED, way_out=_SUSPEND_FIRST),
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
    accelerators: JobAccelerators
    """What each pod gets."""
    pods: PodRange = PodRange()
    """How many pods; the job takes as many as fit when it starts."""
    resources: PodResources = PodResources()
    """CPU and memory of each pod."""
    storage: WorkspaceStorage = WorkspaceStorage()
    """The volume for checkpoints and artifacts."""
    preparation: Preparation = Preparation.AUTO
    """Separate prepares the data in a pod without accelerators, before the job gets in line for any; WithTraining
    leaves it to the first process of the training. Auto is Separate where the operator's installation says so, but for
    data that is known to be small (at most 64 MiB, or in a ConfigMap)."""
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
    priority_class_name: ObjectName | None = None
    """PriorityClass (scheduling.k8s.io) of the pods: the larger its value, the sooner the job gets accelerators. Those
    of lower value may be stopped for it, with a checkpoint, unless the class' preemptionPolicy is Never. Absent means
    the cluster's default."""
    estimated_duration: Duration | None = None
    """How long the whole training takes once it has its accelerators, such as 2h30m: shorter ones come first, and may
    go ahead of others that they do not delay. Absent counts as the median of the pool. A job that runs longer than it
    said is the first to be stopped for others. Once it trains, its own progress tells what is left."""
    max_cost: MaxCost | None = None
    """What the job may cost in all. It is not accepted where more is expected, and stopped with a checkpoint before it
    has cost as much; then it goes on when the limit is raised. Absent means no limit."""
    max_duration: Duration | None = None
    """How long all attempts together may take, such as 12h. It is not accepted where more is expected, and stopped with
    a checkpoint before that; then it goes on when the limit is raised. Absent means no limit."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2_147_483_647)] | None = None
    """Seconds that all attempts together may take, each from its creation to its end; the time in line and suspended
    does not count. Then the pods are stopped and the job has failed for good. Absent means no limit."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None
    """Seconds after which the job, succeeded or failed for good, is deleted with its attempts; the Model stays. Absent
    keeps it."""
    managed_by: (
        Annotated[
            str,
            Field(
                min_length=3,
                max_length=63,
                json_schema_extra=rules(
                    cel(
                        "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9._~:@!&*()+,;=%-]+$')",
                        f"must be a domain and a name such as {OURS} or kueue.x-k8s.io/multikueue",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """Who carries the job out. hostler.dev/operator or absent is this operator; for any other value it does nothing,
    and whoever is named writes the status."""
    suspend: bool = False
    """true stops the pods and keeps the checkpoints; false goes on from them."""

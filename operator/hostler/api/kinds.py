"""The table of kinds: everything that CRDs, RBAC, the operator and the CLI need to know of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hostler.api.dataset import NAME_LIMIT as DATASET_NAME_LIMIT
from hostler.api.dataset import DatasetCondition, DatasetReason, DatasetSpec, DatasetStatus
from hostler.api.inferenceservice import NAME_LIMIT as SERVICE_NAME_LIMIT
from hostler.api.inferenceservice import InferenceServiceSpec, InferenceServiceStatus, ServiceCondition, ServiceReason
from hostler.api.model import ModelCondition, ModelReason, ModelSpec, ModelStatus
from hostler.api.pool import AcceleratorPoolSpec, AcceleratorPoolStatus, PoolCondition, PoolReason
from hostler.api.schema import API_VERSION, GROUP, VERSION, ApiModel, StatusModel, cel
from hostler.api.trainingjob import LINE_RULES, TrainingCondition, TrainingJobSpec, TrainingJobStatus, TrainingReason
from hostler.api.trainingjob import NAME_LIMIT as JOB_NAME_LIMIT


@dataclass(frozen=True, kw_only=True)
class Column:
    """One printer column. ``priority`` 1 shows only in wide output."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One resource of the API group."""

    kind: str
    description: str
    """What the kind is for, in sentences for people."""
    plural: str
    short_names: tuple[str, ...]
    namespaced: bool
    spec: type[ApiModel]
    status: type[StatusModel]
    conditions: type
    """Class whose constants are the condition types."""
    reasons: type[StrEnum]
    columns: tuple[Column, ...]
    rules: tuple[dict[str, str], ...] = ()
    """CEL rules on the whole object, for what this kind forbids and another with the same spec allows."""
    children: str = ""
    """What derives its name from this object's, a Service among it; empty when nothing does."""
    at_a_glance: bool = True
    """Whether ``kubectl get hostler`` lists it among the rest."""
    name_limit: int = 63
    """Longest metadata.name, because children derive theirs from it."""

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"

    @property
    def api_version(self) -> str:
        return API_VERSION

    def path(self, *, namespace: str | None = None, name: str | None = None) -> str:
        """REST path of the collection, or of one object."""
        parts = ["/apis", GROUP, VERSION]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        return "/".join(parts)


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")
_READY = Column(name="Ready", path=_condition("Ready", "status"))
_REASON = Column(name="State", path=_condition("Ready", "reason"))
_MESSAGE = Column(name="Message", path=_condition("Ready", "message"), priority=1)

POOL = Kind(
    kind="AcceleratorPool",
    description="Nodes that carry one accelerator type, with its price and Hostler's share of it.",
    plural="acceleratorpools",
    short_names=("apool",),
    namespaced=False,
    spec=AcceleratorPoolSpec,
    status=AcceleratorPoolStatus,
    conditions=PoolCondition,
    reasons=PoolReason,
    columns=(
        Column(name="Type", path=".spec.acceleratorType"),
        _READY,
        Column(name="Capacity", path=".status.capacity", type="integer"),
        Column(name="In Use", path=".status.inUse", type="integer"),
        Column(name="Reserved", path=".status.reserved", type="integer"),
        Column(name="Unhealthy", path=".status.unhealthy", type="integer"),
        Column(name="Largest Free", path=".status.largestFreeBlock", type="integer"),
        Column(name="Price", path=".spec.price.amount"),
        Column(name="Currency", path=".spec.price.currency", priority=1),
        Column(name="Simulated", path=".status.simulated", type="boolean", priority=1),
        _MESSAGE,
        _AGE,
    ),
)

_MODEL_COLUMNS = (
    Column(name="Family", path=".status.facts.family"),
    Column(name="Task", path=".status.facts.task"),
    _READY,
    _REASON,
    Column(name="Percent", path=".status.import.transfer.percent", type="integer"),
    Column(name="ETA", path=".status.import.transfer.eta"),
    Column(name="Parameters", path=".status.facts.parameters", type="integer"),
    Column(name="License", path=".status.facts.license"),
    Column(name="Trained By", path=".spec.lineage.trainingJob"),
    Column(name="Revision", path=".status.import.revision", priority=1),
    _MESSAGE,
    _AGE,
)

CLUSTER_MODEL = Kind(
    kind="ClusterModel",
    description="An entry of the cluster's catalog of models, kept by an administrator.",
    plural="clustermodels",
    short_names=("cmodel",),
    namespaced=False,
    at_a_glance=False,  # a catalog is looked up, not watched
    spec=ModelSpec,
    status=ModelStatus,
    conditions=ModelCondition,
    reasons=ModelReason,
    rules=tuple(
        cel(
            f"!has(self.spec.artifacts.source.{member})",
            f"a ClusterModel has no namespace in which {member} could be looked up: use hf, http or pvc",
            field_path=f".spec.artifacts.source.{member}",
        )
        for member in ("configMap", "feedback")
    ),
    columns=_MODEL_COLUMNS,
)

MODEL = Kind(
    kind="Model",
    description="A model of one namespace, such as a TrainingJob puts out.",
    plural="models",
    short_names=("mdl",),
    namespaced=True,
    spec=ModelSpec,
    status=ModelStatus,
    conditions=ModelCondition,
    reasons=ModelReason,
    columns=_MODEL_COLUMNS,
)

DATASET = Kind(
    kind="Dataset",
    description="Data with a name, in versions: looked at once, then trained on by any number of jobs.",
    plural="datasets",
    short_names=("dset",),
    namespaced=True,
    spec=DatasetSpec,
    status=DatasetStatus,
    conditions=DatasetCondition,
    reasons=DatasetReason,
    name_limit=DATASET_NAME_LIMIT,
    columns=(
        Column(name="Format", path=".spec.format"),
        _READY,
        _REASON,
        Column(name="Version", path=".status.version", type="integer"),
        Column(name="Rows", path=".status.rows", type="integer"),
        Column(name="Bytes", path=".status.sizeBytes", type="integer"),
        Column(name="Packing", path=".status.packing.factor"),
        Column(name="Errors", path=".status.errorCount", type="integer"),
        Column(name="SHA256", path=".status.sha256", priority=1),
        _MESSAGE,
        _AGE,
    ),
)

TRAINING_JOB = Kind(
    kind="TrainingJob",
    description="A model, data, an objective and accelerators; a new Model comes out. A job runs once.",
    plural="trainingjobs",
    short_names=("tjob",),
    namespaced=True,
    spec=TrainingJobSpec,
    status=TrainingJobStatus,
    conditions=TrainingCondition,
    reasons=TrainingReason,
    rules=LINE_RULES,
    children="Jobs, pods and Services",
    name_limit=JOB_NAME_LIMIT,
    columns=(
        _REASON,
        Column(name="Percent", path=".status.progress.percent", type="integer"),
        Column(name="Loss", path=".status.progress.loss"),
        Column(name="Speed", path=".status.progress.speed.value"),
        Column(name="Unit", path=".status.progress.speed.unit"),
        Column(name="ETA", path=".status.progress.eta"),
        Column(name="Pool", path=".spec.accelerators.pool"),
        Column(name="Line", path=".status.queue.position", type="integer"),
        Column(name="Expected", path=".status.queue.expectedStart"),
        Column(name="Pods", path=".status.placement.pods", type="integer"),
        Column(name="Restarts", path=".status.restarts", type="integer"),
        Column(name="Model", path=".status.model"),
        Column(name="Step", path=".status.progress.step", type="integer", priority=1),
        _MESSAGE,
        _AGE,
    ),
)

INFERENCE_SERVICE = Kind(
    kind="InferenceService",
    description="A model behind the API of its task, with a fixed number of replicas.",
    plural="inferenceservices",
    short_names=("hisvc",),
    namespaced=True,
    spec=InferenceServiceSpec,
    status=InferenceServiceStatus,
    conditions=ServiceCondition,
    reasons=ServiceReason,
    children="Deployments, pods and Services",
    name_limit=SERVICE_NAME_LIMIT,
    columns=(
        _READY,
        _REASON,
        Column(name="Model", path=".spec.modelRef.name"),
        Column(name="Pool", path=".spec.accelerators.pool"),
        Column(name="Line", path=".status.queue.position", type="integer"),
        Column(name="Expected", path=".status.queue.expectedStart"),
        Column(name="Replicas", path=".status.readyReplicas", type="integer"),
        Column(name="URL", path=".status.url"),
        Column(name="Revision", path=".status.revision", priority=1),
        _MESSAGE,
        _AGE,
    ),
)

KINDS = (POOL, CLUSTER_MODEL, MODEL, DATASET, TRAINING_JOB, INFERENCE_SERVICE)

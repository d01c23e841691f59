"""InferenceService: a model behind its task's API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import Accelerators, Conditions, Failure, ModelReference, PodRange, PodResources
from hostler.api.cost import HeldCost
from hostler.api.placement import Placement
from hostler.api.podoptions import SHARED_MEMORY_RULE, PodMetadata, PullSecrets, Scratch
from hostler.api.preempted import Preempted
from hostler.api.queueposition import QueuePosition
from hostler.api.schema import ApiModel, Name, ObjectName, StatusModel, Timestamp, cel, rules

NAME_LIMIT = 52
SERVED_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?$"
"""Model ids as hubs and other servers have them, such as meta-llama/Llama-3.1-8B."""


class ServiceCondition:
    """Condition types of an inference service."""

    ACCEPTED = "Accepted"
    """True when the spec can be honoured as a whole; False names the field and the way out."""
    ADMITTED = "Admitted"
    """True when the replicas fit into the pool; False says why they wait."""
    READY = "Ready"
    """True when every replica of the current revision answers its sample request and is an endpoint of the Service."""


class ServiceReason(StrEnum):
    """Reasons, each used by the conditions named."""

    VALID = "Valid"
    """Accepted: set when nothing speaks against the spec."""
    MODEL_NOT_FOUND = "ModelNotFound"
    """Accepted: set when spec.modelRef or one of spec.adapters names no Model or ClusterModel."""
    MODEL_NOT_READY = "ModelNotReady"
    """Admitted: set when artifacts of the model or of an adapter are not there, or their figures miss a gate."""
    INCOMPATIBLE_MODEL = "IncompatibleModel"
    """Accepted: set when the family takes no adapters, or an adapter is of another family or for another network."""
    MODEL_TOO_LARGE = "ModelTooLarge"
    """Accepted: set when the weights, with the cache of one answer, are more than one device holds; the message has the
    sum."""
    SOURCE_NOT_SUPPORTED = "SourceNotSupported"
    """Accepted: set when this release cannot serve from the model's source."""
    POOL_NOT_FOUND = "PoolNotFound"
    """Accepted: set when spec.accelerators.pool names no AcceleratorPool."""
    POOL_TOO_SMALL = "PoolTooSmall"
    """Accepted: set when even the empty pool could not hold the replicas, or with topology required no domain of it."""
    PRIORITY_CLASS_NOT_FOUND = "PriorityClassNotFound"
    """Accepted: set when spec.priorityClassName names no PriorityClass."""
    TOPOLOGY_NOT_CONFIGURED = "TopologyNotConfigured"
    """Accepted: set when spec.accelerators.topology is required and the pool has no topologyKey."""
    QUOTA_TOO_SMALL = "QuotaTooSmall"
    """Accepted: set when the replicas are more than the namespace may ever hold of the pool."""
    POOL_NOT_READY = "PoolNotReady"
    """Admitted: set when the pool has no usable devices."""
    FAMILY_NOT_AVAILABLE = "FamilyNotAvailable"
    """Accepted: set when no bundled runtime serves the family."""
    INCOMPATIBLE_ACCELERATOR = "IncompatibleAccelerator"
    """Accepted: set when the accelerator type cannot serve the family."""
    UNSUPPORTED_COUNT = "UnsupportedCount"
    """Accepted: set when the accelerator type does not come in that count per pod."""
    PRIVILEGE_NOT_ALLOWED = "PrivilegeNotAllowed"
    """Accepted: set when the type needs a privilege that the pool does not allow."""
    IMAGE_NOT_CONFIGURED = "ImageNotConfigured"
    """Accepted: set when the installation has no runtime image of the variant that drives the accelerator type."""
    NAME_TAKEN = "NameTaken"
    """Accepted: set when a Deployment, Service or ConfigMap of that name exists which this service did not make."""
    INVALID_SPEC = "InvalidSpec"
    """Accepted: set when the stored spec does not fit this release, which CRDs of the same release would not let in."""
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    """Admitted: set when the accelerators are there but in use."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """Admitted: set when the pool's quota, or the namespace's, leaves no room."""
    PREEMPTING = "Preempting"
    """Admitted: set while others leave for it."""
    PREEMPTED = "Preempted"
    """Admitted: set when it had to leave for others, and is in line again."""
    WAITING_FOR_NODES = "WaitingForNodes"
    """Admitted: set while the pool grows for it."""
    PLACED = "Placed"
    """Admitted: set when the replicas fit."""
    CHILD_REFUSED = "ChildRefused"
    """Ready: set when the API server refused a child or a replica's pod, such as by a quota; the message is the
    server's own."""
    PENDING = "Pending"
    """Ready, Admitted: set before the first decision."""
    STARTING = "Starting"
    """Ready: set while replicas load the model and answer their sample request."""
    SERVING = "Serving"
    """Ready: set when every replica of the current revision is ready."""
    UPDATING = "Updating"
    """Ready: set while replicas of an older revision are replaced; requests are answered meanwhile."""
    REPLICA_FAILED = "ReplicaFailed"
    """Ready: set when a replica of the current revision stopped with an error; the message is the container's."""
    NO_ENDPOINTS = "NoEndpoints"
    """Ready: set when replicas are ready and the Service leads to none, or not to all, of them."""
    NOT_ADMITTED = "NotAdmitted"
    """Ready: set when Accepted or Admitted is False."""


class AdapterReference(ApiModel):
    """A low-rank adapter that a request may choose by its name."""

    name: Name
    """Name under which requests choose it."""
    model_ref: ModelReference
    """The Model that holds it: one that a TrainingJob with lora put out, or the adapter's files alone."""


_ORIGIN = r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$"
"""As browsers send it: scheme, host in small letters, and a port where it is not the scheme's own."""


class Serving(ApiModel):
    """How each replica serves."""

    max_batch_size: Annotated[int, Field(ge=1, le=4096)] = 8
    """Most requests that are computed together."""
    max_queue: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Most requests that wait in one replica; more are answered with 429."""
    max_new_tokens: Annotated[int, Field(ge=1, le=1_048_576)] = 256
    """Most tokens of one answer."""
    drain_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How long a replica that must go finishes what it has accepted."""
    allowed_origins: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256, pattern=_ORIGIN)], ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """Origins of web pages whose scripts may ask this service and read its answers (CORS), such as
    https://chat.example.org, or * for any page; empty means none. It keeps no other client out."""


class Spread(StrEnum):
    """Over what replicas are spread."""

    NODE = "node"
    ZONE = "zone"


class Availability(ApiModel):
    """What may happen to replicas at the same time."""

    max_unavailable: Annotated[int, Field(ge=1, le=1024)] = 1
    """Replicas that drains of nodes may take away at the same time (a PodDisruptionBudget), where there are several.
    A single replica has no budget: it would keep its node from being drained for ever."""
    spread: Spread | None = None
    """Over what replicas are spread as evenly as there is room; where there is none, they run all the same. Zones are
    those of the label topology.kubernetes.io/zone. Absent packs them on as few nodes as possible. It counts when a
    replica gets its seat: those that run are not moved."""


class InferenceServiceSpec(ApiModel):
    """Which model, where, how many."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.pods.min == self.pods.max",
                "this release does not scale by load: give min and max the same number",
                field_path=".pods",
            ),
            cel(
                "!has(self.accelerators.topology) || self.accelerators.topology != 'required' || "
                "!has(self.availability.spread)",
                "replicas cannot all be in one domain and spread as far apart as there is room: leave out spread, or "
                "say topology preferred",
                field_path=".availability.spread",
            ),
            SHARED_MEMORY_RULE,
        )
    )

    model_ref: ModelReference
    """The model to serve."""
    served_model_name: Annotated[str, Field(min_length=1, max_length=128, pattern=SERVED_NAME)] | None = None
    """Model id that requests name; absent means the service's name. It stays when modelRef leads to another Model."""
    adapters: Annotated[
        tuple[AdapterReference, ...],
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """Low-rank adapters beside it, such as styles of an image model; a request chooses one by its name."""
    accelerators: Accelerators
    """What each replica gets."""
    priority_class_name: ObjectName | None = None
    """PriorityClass (scheduling.k8s.io) of the replicas: the larger its value, the sooner they get accelerators. Of the
    same value, services come before jobs. Absent means the cluster's default."""
    pods: PodRange = PodRange()
    """How many replicas; min and max must be equal in this release."""
    resources: PodResources = PodResources()
    """CPU and memory of each replica."""
    serving: Serving = Serving()
    """How each replica serves."""
    availability: Availability = Availability()
    """What may happen to replicas at the same time."""
    image_pull_secrets: PullSecrets = ()
    """Secrets of the same namespace with credentials of the registry that the images come from."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods, such as for image policies; they never get its token. Absent means default."""
    pod_metadata: PodMetadata | None = None
    """Labels and annotations of the pods."""
    scratch: Scratch | None = None
    """Limits of what the pods write beside their volumes."""


class InferenceServiceStatus(StatusModel):
    """Where the service stands."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status speaks of."""
    conditions: Conditions = ()
    """Accepted, Admitted, Ready."""
    url: Annotated[str, Field(max_length=512)] | None = None
    """Where clients inside the cluster reach it; OpenAI clients append /v1."""
    replicas: Annotated[int, Field(ge=0)] = 0
    """Replicas that exist."""
    ready_replicas: Annotated[int, Field(ge=0)] = 0
    """Replicas that are ready."""
    first_ready_time: Timestamp | None = None
    """When a replica was ready for the first time: before, nobody can miss the service."""
    updated_replicas: Annotated[int, Field(ge=0)] = 0
    """Replicas of the current revision."""
    revision: Annotated[str, Field(max_length=63)] | None = None
    """Hash of what the replicas run."""
    template_hash: Annotated[str, Field(max_length=63)] | None = None
    """Hash of the pod template that was written for them, by which a change by somebody else is told from our own."""
    outdated_image: Annotated[str, Field(max_length=512)] | None = None
    """Image that the replicas run where the installation has another one by now; absent where it is the same."""
    placement: Placement | None = None
    """What is reserved for the replicas: one seat for each, and one more while they are replaced."""
    queue: QueuePosition | None = None
    """Where it stands in the pool's line; absent unless replicas wait for seats."""
    cost: HeldCost | None = None
    """What it has spent so far on the accelerators that it held."""
    preempted: Preempted | None = None
    """The newest preemption, if there was one."""
    accelerator_type: Annotated[str, Field(max_length=63)] | None = None
    """Type of the accelerators that the replicas hold."""
    last_failure: Failure | None = None
    """Why a replica last stopped with an error."""

"""Parts that several kinds share: families, sources, accelerators, pods, resources."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.choice import Choose
from hostler.api.conditions import Condition
from hostler.api.schema import (
    ApiModel,
    ByteQuantity,
    CpuQuantity,
    Decimal,
    Name,
    ObjectName,
    SignedDecimal,
    StatusModel,
    Text,
    cel,
    rules,
)
from hostler.families import FamilyName as Family

MOST_PODS = 1024
"""Pods of one job, and replicas of one service."""


class PvcSource(ApiModel):
    """A directory or file on a PersistentVolumeClaim of the same namespace."""

    claim_name: ObjectName
    """Name of the claim."""
    path: Annotated[
        str,
        Field(
            max_length=512,
            json_schema_extra=rules(
                cel("!self.startsWith('/') && !self.contains('..')", "must be relative and must not contain '..'")
            ),
        ),
    ] = ""
    """File or directory below the volume's root; empty means the root."""


class ConfigMapSource(ApiModel):
    """One key of a ConfigMap of the same namespace: for small data, at most 1 MiB."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key whose value is the data."""


Sha256 = Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")]


class HttpSource(ApiModel):
    """A file behind a URL; the pod downloads it, the operator fetches nothing."""

    url: Annotated[
        str,
        Field(
            max_length=2048,
            pattern=r"^https?://[^\s@]+$",
        ),
    ]
    """http or https URL without user information."""
    sha256: Sha256 | None = None
    """Expected SHA-256 of the content, 64 lower-case hex digits. Without it the content is taken as it comes."""


class SecretReference(ApiModel):
    """A Secret of the same namespace. Only the pod reads it; the operator may not."""

    name: ObjectName
    """Name of the Secret; the pod gets the keys that the source knows, and no others."""


_URL = r"^https?://[^\s@]+$"


class S3Source(ApiModel):
    """Objects below a prefix of an S3-compatible bucket."""

    bucket: Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")]
    """Name of the bucket."""
    prefix: Annotated[str, Field(max_length=1024)] = ""
    """Key prefix."""
    endpoint: Annotated[str, Field(max_length=2048, pattern=_URL)] | None = None
    """Endpoint of an S3-compatible store; absent means the cloud's own. Beside secretRef, and for models in any
    case, an administrator must allow it."""
    region: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")] | None = None
    """Region of the bucket; absent means the store's default."""
    secret_ref: SecretReference | None = None
    """Credentials: a Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN where there is one;
    absent means a public bucket."""


class HubSource(ApiModel):
    """A repository of a model hub that speaks the Hugging Face protocol."""

    repository: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$")]
    """Repository id, organisation/name, or name alone on a hub that has such."""
    revision: Annotated[str, Field(min_length=1, max_length=128)] = "main"
    """Branch, tag or commit."""
    path: Annotated[
        str,
        Field(
            max_length=512,
            json_schema_extra=rules(
                cel("!self.startsWith('/') && !self.contains('..')", "must be relative and must not contain '..'")
            ),
        ),
    ] = ""
    """File or directory of the repository; empty means all of it."""
    endpoint: Annotated[str, Field(max_length=2048, pattern=_URL)] | None = None
    """URL of a hub of your own; absent means the public one. Beside secretRef an administrator must allow it."""
    secret_ref: SecretReference | None = None
    """Credentials: a Secret with HF_TOKEN; absent means a public repository."""


_HOST = "([a-z0-9-]+[.])+[a-z0-9-]+(:[0-9]+)?|[a-z0-9-]+:[0-9]+|localhost"
_REPOSITORY = "[a-z0-9]+([._/-]+[a-z0-9]+)*"
_TAG_OR_DIGEST = ":[A-Za-z0-9_][A-Za-z0-9_.-]*|(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?@sha256:[a-f0-9]{64}"


class OciSource(ApiModel):
    """An OCI image or artifact."""

    reference: Annotated[
        str,
        Field(
            min_length=1,
            max_length=512,
            json_schema_extra=rules(
                cel(
                    f"self.matches('^({_HOST})/{_REPOSITORY}({_TAG_OR_DIGEST})$')",
                    "must be registry/repository with a tag or a digest, such as registry.example.org/models/tiny:1",
                )
            ),
        ),
    ]
    """Reference that begins with the registry's host, with a tag or a digest. Where it has no digest, an administrator
    must allow the registry."""
    path: Annotated[
        str,
        Field(
            max_length=512,
            json_schema_extra=rules(
                cel("!self.startsWith('/') && !self.contains('..')", "must be relative and must not contain '..'")
            ),
        ),
    ] = ""
    """Directory in it; empty means the one that is least deep and has a config.json or model_index.json."""
    secret_ref: SecretReference | None = None
    """Credentials: a Secret of type kubernetes.io/dockerconfigjson; absent means a public repository."""


class FeedbackSource(ApiModel):
    """What users said of the answers of a service of the same namespace."""

    service: Name
    """Name of the InferenceService."""


_SOURCES = ("pvc", "configMap", "http", "s3", "hf", "oci", "feedback")
_EXACTLY_ONE = "[" + ", ".join(f"has(self.{name})" for name in _SOURCES) + "].exists_one(x, x)"


class Source(ApiModel):
    """Where data or a model comes from. Exactly one of the members is set."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel(_EXACTLY_ONE, "exactly one of " + ", ".join(_SOURCES) + " must be set"))
    )

    pvc: PvcSource | None = None
    """A PersistentVolumeClaim of the same namespace."""
    config_map: ConfigMapSource | None = None
    """One key of a ConfigMap of the same namespace."""
    http: HttpSource | None = None
    """A file behind an http or https URL."""
    s3: S3Source | None = None
    """Objects of an S3-compatible bucket."""
    hf: HubSource | None = None
    """A repository of a model hub."""
    oci: OciSource | None = None
    """An OCI image or artifact."""
    feedback: FeedbackSource | None = None
    """Collected feedback of an InferenceService."""

    @property
    def member(self) -> str:
        """Name of the member that is set, as it stands in the manifest."""
        chosen = next(name for name in type(self).model_fields if getattr(self, name) is not None)
        return type(self).model_fields[chosen].alias or chosen


class ModelReference(ApiModel):
    """A model of the same namespace, or of the cluster's catalog."""

    kind: Annotated[str, Field(pattern=r"^(Model|ClusterModel)$", max_length=16)] = "Model"
    """Model or ClusterModel."""
    name: Name
    """Name of the model."""


MetricName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9_]*$")]
"""Name of a figure with its unit where it has one, such as validation_loss."""


class Gate(ApiModel):
    """What a figure must be for the model to be good enough."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.min) || has(self.max) || has(self.minRelative) || has(self.maxRelative)",
                "a gate has a bound: min, max, minRelative or maxRelative",
            )
        )
    )

    metric: MetricName
    """Name of the figure."""
    min: SignedDecimal | None = None
    """Least good value."""
    max: SignedDecimal | None = None
    """Greatest good value."""
    min_relative: Decimal | None = None
    """Least good share of the base's own figure on the same data, such as 0.95; for models that are made from a base,
    and figures of which more is better."""
    max_relative: Decimal | None = None
    """Greatest good multiple of the base's own figure, such as 1.05; for figures of which less is better."""


Gates = Annotated[
    tuple[Gate, ...],
    Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]}),
]


class Topology(StrEnum):
    """How much a gang depends on being in one domain of its pool's topology key."""

    REQUIRED = "required"
    """It waits until one domain has room for all of its pods."""
    PREFERRED = "preferred"
    """One domain where one has room, else as few as possible."""


class AcceleratorsOfPods(ApiModel):
    """What each pod gets of a pool, whichever that is."""

    per_pod: Annotated[int, Field(ge=1, le=64)] = 1
    """Accelerators of each pod, in the unit that the pool's type advertises. In a cpu pool it must be 1."""
    topology: Topology | None = None
    """Whether all pods are to be in one domain of the pool's topologyKey, such as a rack: required waits until one has
    room for all of them, preferred takes one where there is room, and else as few as possible. Absent is
    preferred. A service with availability.spread is spread, also where it prefers one domain; required and spread
    contradict each other."""


class Accelerators(AcceleratorsOfPods):
    """What each pod gets from a pool."""

    pool: Name
    """Name of an AcceleratorPool."""


class JobAccelerators(AcceleratorsOfPods):
    """What each pod gets, from a pool that is named, or from the best of those that are what is needed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "has(self.pool) != has(self.choose)",
                "name a pool, or say with choose what the accelerators have to be, and not both",
            )
        )
    )

    pool: Name | None = None
    """Name of an AcceleratorPool."""
    choose: Choose | None = None
    """What the accelerators have to be, where no pool is named."""


class PodRange(ApiModel):
    """How many pods."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel("self.min <= self.max", "min must not be above max", field_path=".min"))
    )

    min: Annotated[int, Field(ge=1, le=MOST_PODS)] = 1
    """Fewest pods that make sense; the object waits until they fit."""
    max: Annotated[int, Field(ge=1, le=MOST_PODS)] = 1
    """Most pods that it can use."""


class PodResources(ApiModel):
    """CPU and memory of one pod, beside its accelerators."""

    cpu: CpuQuantity = "1"
    """CPU request in cores; also the number of compute threads."""
    memory: ByteQuantity = "2Gi"
    """Memory request and limit, in bytes."""


class AccessMode(StrEnum):
    """From how many nodes a volume can be mounted."""

    READ_WRITE_MANY = "ReadWriteMany"
    READ_WRITE_ONCE = "ReadWriteOnce"


class Toleration(ApiModel):
    """A taint that pods on a pool accept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.operator == 'Equal' || !has(self.value)",
                "operator Exists compares no value: remove value, or set operator to Equal",
                field_path=".value",
            )
        )
    )

    key: Annotated[str, Field(min_length=1, max_length=253)]
    """Key of the taint."""
    operator: Annotated[str, Field(pattern=r"^(Equal|Exists)$", max_length=8)] = "Exists"
    """Equal compares the value, Exists does not."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint, with operator Equal."""
    effect: Annotated[str, Field(pattern=r"^(NoSchedule|PreferNoSchedule|NoExecute)$", max_length=20)] | None = None
    """Effect of the taint; absent means every effect."""


class Figure(ApiModel):
    """A named figure, as a string, because the API knows no floats."""

    name: MetricName
    """Name with its unit where it has one, such as validation_loss."""
    value: Annotated[str, Field(min_length=1, max_length=32)]
    """The figure."""


Figures = Annotated[
    tuple[Figure, ...],
    Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
]
"""Figures by name."""


class Failure(StatusModel):
    """Why the last attempt failed, in the container's own words."""

    reason: Annotated[str, Field(max_length=63)]
    """Machine-readable reason."""
    message: Text
    """Sentence for people."""
    exit_code: int | None = None
    """Exit code of the container, where it had one."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]

__all__ = [
    "Accelerators",
    "Conditions",
    "ConfigMapSource",
    "Decimal",
    "Failure",
    "Family",
    "Figure",
    "Figures",
    "Gate",
    "Gates",
    "HttpSource",
    "HubSource",
    "ModelReference",
    "PodRange",
    "PodResources",
    "PvcSource",
    "S3Source",
    "SecretReference",
    "Source",
    "Toleration",
    "Topology",
]

"""Model and ClusterModel: one catalog entry, one schema, two kinds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import Conditions, Family, Figures, Gates, Sha256, Source
from hostler.api.schema import ApiModel, Name, StatusModel, Text, cel, rules


class ModelCondition:
    """Condition types of a model."""

    READY = "Ready"
    """True when the artifacts can be served and the figures pass the gates."""


class ModelReason(StrEnum):
    """Reasons of ``Ready``."""

    ARTIFACTS_AVAILABLE = "ArtifactsAvailable"
    """Set when the place of the artifacts exists."""
    GATE_MISSED = "GateMissed"
    """Set when a figure is not what spec.gates asks for, or is not there."""
    ARTIFACTS_MISSING = "ArtifactsMissing"
    """Set when the claim that holds the artifacts does not exist, or has lost its volume."""
    BEING_DELETED = "BeingDeleted"
    """Set when the model, or the claim that holds its artifacts, is being deleted; the message names who uses it."""
    INVALID_SPEC = "InvalidSpec"
    """Set when the stored spec does not fit this release, which CRDs of the same release would not let in."""
    SOURCE_NOT_SUPPORTED = "SourceNotSupported"
    """Set when this release cannot serve from that kind of source."""


class Architecture(ApiModel):
    """Facts that sizing needs."""

    parameters: Annotated[int, Field(ge=1)] | None = None
    """Number of weights."""
    context_length: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Longest sequence, in tokens."""
    vocabulary_size: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Tokens of the vocabulary."""
    quantization: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9._-]+$")] | None = None
    """How the weights are rounded, such as int8-weight-only; absent means that they are not. Such a model is served,
    and teaches, and cannot be trained any further."""


class MemoryFacts(ApiModel):
    """Memory that serving needs, in bytes."""

    weights_bytes: Annotated[int, Field(ge=1)]
    """Size of the weights as stored."""
    kv_bytes_per_token: Annotated[int, Field(ge=1)] | None = None
    """Key-value cache of one token of context, in bytes: 2 x layers x KV heads x head size x bytes per value."""


class Artifacts(ApiModel):
    """The files."""

    source: Source
    """Where they are."""
    format: Annotated[str, Field(pattern=r"^(huggingface)$", max_length=32)] = "huggingface"
    """Layout of the directory: config, tokenizer and safetensors as the transformers library writes them."""
    size_bytes: Annotated[int, Field(ge=1)] | None = None
    """Bytes of all files together."""
    sha256: Sha256 | None = None
    """Hash over the sorted list of file names and file hashes."""


class ModelSampleRequest(ApiModel):
    """A request that a replica must answer before it is ready; also the example that people copy."""

    path: Annotated[str, Field(max_length=256, pattern=r"^/[A-Za-z0-9/_.-]*$")]
    """HTTP path, such as /v1/chat/completions."""
    body: Annotated[str, Field(min_length=2, max_length=4096)]
    """JSON body. The server puts its own model id in."""
    expect: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Key that the JSON answer must have; absent accepts every successful answer."""


class Ancestor(ApiModel):
    """A model from which another one was made."""

    kind: Annotated[str, Field(pattern=r"^(Model|ClusterModel)$", max_length=16)] = "Model"
    """Model or ClusterModel."""
    name: Name
    """Its name."""
    sha256: Sha256 | None = None
    """Hash of its artifacts, because names are used again."""


class Lineage(ApiModel):
    """Where a model comes from."""

    training_job: Name | None = None
    """TrainingJob of the same namespace that put it out."""
    training_job_uid: Annotated[str, Field(max_length=36)] | None = None
    """Its UID, because names are used again."""
    attempt: Annotated[int, Field(ge=0)] | None = None
    """Attempt that finished."""
    dataset_sha256: Sha256 | None = None
    """Hash of the training data."""
    dataset: Name | None = None
    """Dataset of the same namespace, where the job named one."""
    dataset_version: Annotated[int, Field(ge=1)] | None = None
    """Its version that has this hash."""
    objective: Annotated[str, Field(max_length=32, pattern=r"^[a-z-]+$")] | None = None
    """What training was for."""
    base: Ancestor | None = None
    """Model that this one was made from."""
    parts: Annotated[dict[str, Ancestor], Field(max_length=8)] | None = None
    """Models of which parts were taken as they are, by part."""


class ModelSpec(ApiModel):
    """One catalog entry."""

    model_config = ConfigDict(
        json_schema_extra=rules(cel("self.family == oldSelf.family", "family cannot be changed", field_path=".family"))
    )

    family: Family
    """Model family."""
    task: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9-]+$")] = "text-generation"
    """Task in the words of model hubs, such as text-generation."""
    display_name: Annotated[str, Field(max_length=128)] | None = None
    """Name for people."""
    description: Text | None = None
    """One paragraph for people."""
    license: Annotated[str, Field(min_length=1, max_length=64)] = "unknown"
    """SPDX expression of the weights' licence."""
    artifacts: Artifacts
    """The files."""
    architecture: Architecture | None = None
    """Facts about the network."""
    memory: MemoryFacts | None = None
    """Memory that serving needs."""
    sample_request: ModelSampleRequest | None = None
    """Request that proves that it works; absent means the family's own."""
    metrics: Figures = ()
    """Figures measured at the end of training."""
    base_metrics: Figures = ()
    """Figures of lineage.base on the same held-out data: what relative gates compare with."""
    gates: Gates = ()
    """What these figures must be for the model to be Ready; a figure that is not there misses its gate."""
    lineage: Lineage | None = None
    """Where it comes from."""


class ModelUser(StatusModel):
    """An object of the model's namespace that needs its artifacts."""

    kind: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$", max_length=63)]
    """Kind of the object, such as InferenceService."""
    name: Name
    """Its name."""


USED_BY_LIMIT = 16
"""Most users of a model that its status names: enough to say who has to be asked, and bounded."""


class ModelStatus(StatusModel):
    """Whether it can be served, and by whom it is used."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status speaks of."""
    conditions: Conditions = ()
    """Ready, with a reason."""
    used_by: Annotated[tuple[ModelUser, ...], Field(max_length=USED_BY_LIMIT)] = ()
    """Services that serve it and unfinished jobs that are made from it, sorted by kind and name; at most 16 of them.
    Empty for a ClusterModel, which would show names of one namespace to all others."""

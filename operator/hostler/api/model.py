"""Model and ClusterModel: one catalog entry, one schema, two kinds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import AccessMode, Conditions, Family, Figures, Gates, PodResources, Sha256, Source
from hostler.api.podoptions import PullSecrets
from hostler.api.schema import ApiModel, ByteQuantity, Name, ObjectName, StatusModel, Text, cel, rules
from hostler.api.tuning import Tuning
from hostler_contract.architectures import TransformerSizes


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
    IMPORTING = "Importing"
    """Set while a Job brings the files into the namespace; status.import says how far it is."""
    NOT_USED = "NotUsed"
    """Set on a ClusterModel that no service or job has named yet: it is in no namespace, and imported where one does
    so."""
    SOURCE_NOT_FOUND = "SourceNotFound"
    """Set when there is no such repository, revision, bucket, object, tag, path or file."""
    SOURCE_MOVED = "SourceMoved"
    """Set when the hub knows the repository under another name, which the message has."""
    ACCESS_DENIED = "AccessDenied"
    """Set when hub, store or registry want credentials, or those of the Secret may not read what is named."""
    LICENSE_NOT_ACCEPTED = "LicenseNotAccepted"
    """Set when spec.acceptedLicense does not name the licence of a gated repository."""
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    """Set when the files are not in safetensors, not whole, or not in the layout of transformers or diffusers."""
    UNSUPPORTED_ARCHITECTURE = "UnsupportedArchitecture"
    """Set when no family of this release serves such a network, or spec.family is another one than the files'."""
    REMOTE_CODE = "RemoteCode"
    """Set when the model needs code of its repository, which is never run."""
    DIGEST_MISMATCH = "DigestMismatch"
    """Set when what arrived is not what its host's own digest says."""
    STORAGE_FULL = "StorageFull"
    """Set when the files do not fit onto the claim; the message has the size that they need."""
    SOURCE_UNREACHABLE = "SourceUnreachable"
    """Set when the host did not answer, or stopped in the middle, for as long as the Job tried."""
    ENDPOINT_NOT_ALLOWED = "EndpointNotAllowed"
    """Set when an administrator has not allowed the hub, store or registry that the source names."""
    IMPORT_FAILED = "ImportFailed"
    """Set when the Job ended in another way; delete the Job to try again."""
    CHILD_REFUSED = "ChildRefused"
    """Set when the API server refused the claim or Job of the import, such as by a quota; the message is its own."""


class Architecture(ApiModel):
    """Facts that sizing needs."""

    parameters: Annotated[int, Field(ge=1)] | None = None
    """Number of weights."""
    context_length: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Longest sequence, in tokens."""
    vocabulary_size: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Tokens of the vocabulary."""
    chat_template: bool | None = None
    """Whether the tokenizer brings a chat template; without one a model of family chat only continues texts."""
    translates: bool | None = None
    """Whether a model of family speech-to-text was trained to write down in English what is said in other languages;
    absent means that nobody says so, and that it is taken for one that was, as most sizes of Whisper were."""
    quantization: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9._-]+$")] | None = None
    """How the weights are rounded, such as int8-weight-only; absent means that they are not. Such a model is served,
    and teaches, and cannot be trained any further."""
    sizes: TransformerSizes | None = None
    """Sizes of a network on tokens, from which estimates count its arithmetic and its memory."""


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


IMPORTED_SOURCES = ("hf", "http", "s3", "oci")
"""Members of a source from which a Job imports; the facts of such a model are read from its files."""
_IMPORTED = " || ".join(f"has(self.artifacts.source.{member})" for member in IMPORTED_SOURCES)
_SAME_FAMILY = "!has(oldSelf.family) || (has(self.family) && self.family == oldSelf.family)"
_ONLY_IMPORTED = f"only a source of {' or '.join(IMPORTED_SOURCES)} is imported: remove"


class ImportStorage(ApiModel):
    """The claim that the files are brought onto."""

    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """StorageClass of the claim; absent means the cluster's default."""
    size: ByteQuantity = "20Gi"
    """Size of the claim; 20Gi has room for 9 billion weights of 16 bits."""
    access_modes: Annotated[
        tuple[AccessMode, ...],
        Field(min_length=1, max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = (AccessMode.READ_WRITE_MANY,)
    """What the claim can do. With ReadWriteOnce alone the model is used on the volume's node only."""


class Importer(ApiModel):
    """The Job that brings the files into the namespace, and the claim that it makes."""

    storage: ImportStorage = ImportStorage()
    """The claim; it goes with the model."""
    resources: PodResources = PodResources()
    """CPU and memory of the Job's pod."""
    image_pull_secrets: PullSecrets = ()
    """Secrets of the same namespace with credentials of the registry that the images come from."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pod, such as for image policies; it never gets its token. Absent means default."""


class ModelSpec(ApiModel):
    """One catalog entry. Where its files are imported, a source is enough."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(_SAME_FAMILY, "family cannot be changed", field_path=".family"),
            cel(
                f"has(self.family) || {_IMPORTED}",
                "family is needed: it is read from the files only where these are imported",
                field_path=".family",
            ),
            cel(f"!has(self.importer) || {_IMPORTED}", f"{_ONLY_IMPORTED} importer", field_path=".importer"),
            cel(
                "!has(self.acceptedLicense) || has(self.artifacts.source.hf)",
                "only a hub names licences: remove acceptedLicense",
                field_path=".acceptedLicense",
            ),
            cel(
                "!self.gated || has(self.artifacts.source.hf)",
                "only a hub gates: remove gated",
                field_path=".gated",
            ),
            cel(
                "!has(self.artifacts.source.http) || has(self.artifacts.source.http.sha256)",
                "sha256 is needed: nothing else says whether it is the right model",
                field_path=".artifacts.source.http.sha256",
            ),
        )
    )

    family: Family | None = None
    """Model family; absent means what the imported files are."""
    task: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9-]+$")] | None = None
    """Task in the words of model hubs, such as text-generation; absent means what the imported files are for, or else
    the family's."""
    display_name: Annotated[str, Field(max_length=128)] | None = None
    """Name for people."""
    description: Text | None = None
    """One paragraph for people."""
    license: Annotated[str, Field(min_length=1, max_length=64)] = "unknown"
    """SPDX expression of the weights' licence; unknown means what the imported files' card says."""
    accepted_license: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Name of the licence, as the hub writes it, that you accept by this field. A gated repository is imported only
    with it, and no repository whose licence has another name."""
    gated: bool = False
    """Whether the hub gives the files only to accounts that it has granted access, under a licence that acceptedLicense
    has to name. It is for people to read; the import asks the hub."""
    languages: Annotated[
        tuple[Annotated[str, Field(max_length=8, pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")], ...],
        Field(max_length=128, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """Languages (ISO 639) that its authors say it is for; empty where they list none, or where it reads none."""
    artifacts: Artifacts
    """The files."""
    importer: Importer | None = None
    """How the files are imported, where the defaults do not fit."""
    architecture: Architecture | None = None
    """Facts about the network."""
    memory: MemoryFacts | None = None
    """Memory that serving needs."""
    sample_request: ModelSampleRequest | None = None
    """Request that proves that it works; absent means the family's own."""
    tuning: Tuning | None = None
    """How to tune it; absent where that is not known."""
    metrics: Figures = ()
    """Figures measured at the end of training."""
    base_metrics: Figures = ()
    """Figures of lineage.base on the same held-out data: what relative gates compare with."""
    gates: Gates = ()
    """What these figures must be for the model to be Ready; a figure that is not there misses its gate."""
    lineage: Lineage | None = None
    """Where it comes from."""

    @property
    def known_family(self) -> Family:
        """The family of a model that can be used. Raises ``ValueError`` for one whose files have not been read."""
        if self.family is None:
            raise ValueError("the family of a model is not known before its files were imported")
        return self.family


class ModelFacts(StatusModel):
    """What the model is: as spec says, and where it says nothing, as the imported files do."""

    family: Annotated[str, Field(max_length=32)] | None = None
    """Model family."""
    task: Annotated[str, Field(max_length=63)] | None = None
    """Task in the words of model hubs."""
    architecture: Annotated[str, Field(max_length=128)] | None = None
    """Class of the network that the files name."""
    license: Annotated[str, Field(max_length=64)] | None = None
    """SPDX expression, or the hub's name of the licence."""
    parameters: Annotated[int, Field(ge=1)] | None = None
    """Number of weights."""
    weights_bytes: Annotated[int, Field(ge=1)] | None = None
    """Size of the weights as stored."""
    context_length: Annotated[int, Field(ge=1)] | None = None
    """Longest sequence, in tokens."""
    vocabulary_size: Annotated[int, Field(ge=1)] | None = None
    """Tokens of the vocabulary."""
    kv_bytes_per_token: Annotated[int, Field(ge=1)] | None = None
    """Key-value cache of one token of context, in bytes."""
    apis: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=16)] = ()
    """HTTP paths under which a service of it answers."""
    quantization: Annotated[str, Field(max_length=63)] | None = None
    """How the weights are rounded; absent means that they are not."""
    chat_template: bool | None = None
    """Whether the tokenizer brings a chat template; absent where that was not looked at."""
    sizes: TransformerSizes | None = None
    """Sizes of a network on tokens."""


class ImportTransfer(StatusModel):
    """How far the download is."""

    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Whole percent of the bytes; absent until the files are known."""
    bytes_done: Annotated[int, Field(ge=0)] = 0
    """Bytes that are on the claim."""
    total_bytes: Annotated[int, Field(ge=0)] | None = None
    """Bytes of all files together."""
    bytes_per_second: Annotated[int, Field(ge=0)] | None = None
    """Speed over the last seconds."""
    eta: Annotated[str, Field(max_length=16)] | None = None
    """Time to go, such as 4m10s."""


class ModelImport(StatusModel):
    """What was brought into the namespace."""

    source: Annotated[str, Field(max_length=64)]
    """Hash of the source that this speaks of: another source is imported anew, beside what is there."""
    claim_name: ObjectName | None = None
    """Claim with the files; absent until they are complete, and where pods mount the image itself."""
    image: Annotated[str, Field(max_length=640)] | None = None
    """Reference by digest of the OCI image or artifact, once it is known."""
    mounted: bool = False
    """Whether pods mount the image, and nothing is copied."""
    path: Annotated[str, Field(max_length=512)] | None = None
    """Directory on the claim, or in the image."""
    revision: Annotated[str, Field(max_length=128)] | None = None
    """Commit that the files are of, digest of an OCI manifest, or a hash over names, sizes and ETags of objects."""
    sha256: Sha256 | None = None
    """Hash over the sorted list of file names and file hashes."""
    files: Annotated[int, Field(ge=0)] = 0
    """Files."""
    size_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of all files together."""
    facts: ModelFacts | None = None
    """What the files say."""
    transfer: ImportTransfer | None = None
    """How far it is; absent once the files are complete."""

    @property
    def complete(self) -> bool:
        """Whether the files are there."""
        return self.claim_name is not None or (self.mounted and self.facts is not None)


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
    facts: ModelFacts | None = None
    """What the model is."""
    imported: Annotated[ModelImport | None, Field(alias="import")] = None
    """The import, where the source is imported."""
    used_by: Annotated[tuple[ModelUser, ...], Field(max_length=USED_BY_LIMIT)] = ()
    """Services that serve it and unfinished jobs that are made from it, sorted by kind and name; at most 16 of them.
    Empty for a ClusterModel, which would show names of one namespace to all others."""

"""Bringing a model into a namespace once: what the Job of a Model is asked (a file), how far it is (``GET /progress``),
and what came of it (termination message)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hostler_contract.architectures.sizes import TransformerSizes
from hostler_contract.message import Message, Part
from hostler_contract.result import TERMINATION_MESSAGE_LIMIT

Count = Annotated[int, Field(ge=0)]

FOR_GOOD = 3
"""Exit status of an importer that another try would not help; the Job ends with it."""


REPORT_FILE = ".hostler.json"
"""Beside the files of an import that came to its end: its report, which is none of the model's files."""


class ImportReason(StrEnum):
    """Why a model is not there; the sentence for people travels beside it."""

    SOURCE_NOT_FOUND = "SourceNotFound"
    """There is no such repository, revision, bucket, object, tag, path or file."""
    SOURCE_MOVED = "SourceMoved"
    """The hub knows the repository under another name."""
    ACCESS_DENIED = "AccessDenied"
    """Hub, store or registry want credentials, or others."""
    LICENSE_NOT_ACCEPTED = "LicenseNotAccepted"
    """The Model does not accept the licence of a gated repository by its name."""
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    """No safetensors, or files are missing that every server needs."""
    UNSUPPORTED_ARCHITECTURE = "UnsupportedArchitecture"
    """No family of this release knows such a network."""
    REMOTE_CODE = "RemoteCode"
    """The model needs code of its repository, which is never run."""
    DIGEST_MISMATCH = "DigestMismatch"
    """What arrived is not what its host's own digest says."""
    STORAGE_FULL = "StorageFull"
    """The volume has no room for the files."""
    SOURCE_UNREACHABLE = "SourceUnreachable"
    """The host does not answer, or stopped in the middle."""
    INTERNAL = "InternalError"
    """Anything else; the message holds the exception's type and text."""

    @property
    def passing(self) -> bool:
        """Whether another pod may succeed without a change by a person."""
        return self in (ImportReason.SOURCE_UNREACHABLE, ImportReason.INTERNAL)


class ModelSource(Part):
    """Where the files are."""

    kind: Literal["hf", "http", "s3", "oci", "image"]
    """``image`` is an OCI image that the kubelet has mounted: there is nothing to fetch."""
    repository: str = ""
    """``owner/name``, or a name alone, for ``hf``; name of the registry's repository for ``oci``; bucket for ``s3``."""
    revision: str = "main"
    """Branch, tag or commit; tag or digest (``sha256:...``) for ``oci``."""
    path: str = ""
    """Directory of the repository that holds the model, or key prefix of the bucket; empty means its root."""
    endpoint: str = ""
    """URL of the hub, registry or store; empty means AWS, for ``s3``."""
    region: str | None = None
    """Of the bucket, for ``s3``."""
    url: str | None = None
    """Of an archive, for ``http``; the reference as people write it, for ``oci`` and ``image``."""
    sha256: str | None = None
    """Of the archive's bytes, lower-case hex."""


class ImportConfig(Message):
    """What the Job is asked."""

    name: str
    """Of the Model."""
    namespace: str
    source: ModelSource
    directory: str
    """Where the files belong, below the volume's root; it exists only once they are complete."""
    volume: str = "/models"
    """Where the volume is mounted."""
    volume_bytes: Annotated[int, Field(gt=0)] | None = None
    """What was asked of the volume, where that is known: some file systems show more than there is for one claim."""
    accepted_license: str | None = None
    """Name of the licence that whoever wrote the Model accepts."""
    secret: str | None = None
    """Name of the Secret that token, keys or credentials come from, for sentences."""
    registry_file: str | None = None
    """Where the Secret's credentials of registries are, as ``.dockerconfigjson`` has them; for ``oci``."""
    resolve: bool = False
    """Whether to say only which image or artifact it is, and whether pods can mount it; for ``oci``."""
    mount: str = "/image"
    """Where the image is mounted, for ``image``."""


class ImportProgress(Message):
    """A snapshot. ``total_bytes`` is absent until the files are known, speed and time to go until they are."""

    bytes_done: Count = 0
    """Of all files, those of earlier tries included."""
    total_bytes: Count | None = None
    bytes_per_second: Annotated[float, Field(ge=0)] | None = None
    eta_seconds: Annotated[float, Field(ge=0)] | None = None


class ImportedFacts(Part):
    """What the files say of themselves; what they do not say is absent."""

    family: str
    task: str
    architecture: str
    """Class that config.json names, such as ``LlamaForCausalLM``."""
    license: str | None = None
    parameters: Annotated[int, Field(gt=0)]
    """Values of all stored tensors."""
    weights_bytes: Annotated[int, Field(gt=0)]
    context_length: Annotated[int, Field(gt=0)] | None = None
    vocabulary_size: Annotated[int, Field(gt=0)] | None = None
    kv_bytes_per_token: Annotated[int, Field(gt=0)] | None = None
    """2 x layers x key-value heads x head size x bytes per value as stored."""
    quantization: str | None = None
    """How the weights are rounded, in the words of config.json, such as ``torchao``; absent means that they are not."""
    chat_template: bool | None = None
    """Whether the tokenizer brings one; absent for what is no language model."""
    sizes: TransformerSizes | None = None
    """Of a network on tokens."""


class ImportReport(Message):
    """What came of it. ``reason`` and ``message`` are set where the model is not there, and then nothing else is; nor
    is anything beside ``image`` where that was all that was asked."""

    revision: str | None = None
    """Commit that the files are of, digest of an OCI manifest, or a hash over names, sizes and ETags of objects."""
    image: str | None = None
    """Reference by digest of an image or artifact."""
    mountable: bool = False
    """Whether it is an image, which pods can mount, and no artifact, which most container runtimes cannot."""
    path: str | None = None
    """Directory of a mounted image that holds the model."""
    files: Count = 0
    size_bytes: Count = 0
    sha256: str | None = None
    """Hash over the sorted list of file names and file hashes."""
    facts: ImportedFacts | None = None
    reason: ImportReason | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> ImportReport:
        if sum(each is not None for each in (self.facts, self.reason, self.image)) != 1:
            raise ValueError("a report has either facts, or the reason why there are none, or an image to be mounted")
        return self

    def to_termination_message(self) -> str:
        """JSON that fits into what the kubelet keeps."""
        if len(self.to_json().encode()) <= TERMINATION_MESSAGE_LIMIT:
            return self.to_json()
        return self.model_copy(update={"message": self.message and self.message[:500]}).to_json()

"""Dataset: data with a name, looked at once, in versions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hostler.api.common import Conditions, PodResources, Sha256, Source
from hostler.api.data import DataDescription
from hostler.api.podoptions import PullSecrets
from hostler.api.schema import Decimal, ObjectName, StatusModel, Text

NAME_LIMIT = 45
"""The Job that looks at it is named <dataset>-inspect-<generation>, and a Job's name is a label of its pods."""
MOST_ROLES, MOST_CHARACTERS = 256, 253
"""Of the columns' names that a status holds."""


class DatasetCondition:
    """Condition types of a dataset."""

    READY = "Ready"
    """True when every row can be read as the spec says."""


class DatasetReason(StrEnum):
    """Reasons of ``Ready``."""

    VALID = "Valid"
    """Set when every row can be read."""
    DATA_INVALID = "DataInvalid"
    """Set when rows cannot be read or used; status.errors has the first ones by file and row."""
    INSPECTING = "Inspecting"
    """Set while the Job looks at the data of this generation."""
    DATASET_NOT_FOUND = "DatasetNotFound"
    """Set when the claim, ConfigMap, key, file or URL does not exist."""
    INSPECTION_FAILED = "InspectionFailed"
    """Set when the Job could not look at the data; delete the Job to try again."""
    SOURCE_NOT_SUPPORTED = "SourceNotSupported"
    """Set when this release cannot read that kind of source."""
    ENDPOINT_NOT_ALLOWED = "EndpointNotAllowed"
    """Set when the endpoint may not be sent the credentials that secretRef names."""
    CHILD_REFUSED = "ChildRefused"
    """Set when the API server refused the Job or its pod, such as by a quota; the message is the server's own."""
    INVALID_SPEC = "InvalidSpec"
    """Set when the stored spec does not fit this release, which CRDs of the same release would not let in."""


class DatasetSpec(DataDescription):
    """Where the data is and how it is written. After a change it is looked at again."""

    source: Source
    """Where it comes from."""
    max_length: Annotated[int, Field(ge=8, le=1_048_576)] = 512
    """Tokens of a row for which status.packing is worked out."""
    refresh: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Any word, such as a date. Changing it has the same place looked at again, where its content has changed."""
    resources: PodResources = PodResources()
    """CPU and memory of the pod that looks at the data."""
    image_pull_secrets: PullSecrets = ()
    """Secrets of the same namespace with credentials of the registry that the images come from."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods, such as for image policies; they never get its token. Absent means default."""


class DatasetLengthBucket(StatusModel):
    """Rows whose lengths lie in a range."""

    up_to: Annotated[int, Field(ge=1)]
    """Longest length of the bucket."""
    rows: Annotated[int, Field(ge=0)]
    """Rows in it."""


class DatasetLengths(StatusModel):
    """How long the rows are."""

    unit: Annotated[str, Field(max_length=16)]
    """tokens, estimated at four bytes each, or seconds of recordings."""
    total: Annotated[int, Field(ge=0)]
    """All rows together."""
    shortest: Annotated[int, Field(ge=0)]
    """Of the shortest row."""
    median: Annotated[int, Field(ge=0)]
    """Half of the rows are not longer."""
    longest: Annotated[int, Field(ge=0)]
    """Of the longest row."""
    buckets: Annotated[tuple[DatasetLengthBucket, ...], Field(max_length=64)] = ()
    """Histogram in powers of two."""


class DatasetPacking(StatusModel):
    """What packing is expected to gain, with best fit and longer rows cut."""

    max_length: Annotated[int, Field(ge=1)]
    """Tokens of a row."""
    longer: Annotated[int, Field(ge=0)] = 0
    """Rows that are longer than that: documents are cut into pieces, for conversations see training.overlong."""
    factor: Decimal
    """Sequences per row: how many times fewer rows there are."""
    efficiency: Decimal
    """Share of positions that hold tokens."""
    unpacked_efficiency: Decimal
    """The same without packing."""


class DatasetError(StatusModel):
    """What is wrong with one row."""

    file: Annotated[str, Field(max_length=1024)]
    """File of the dataset."""
    row: Annotated[int, Field(ge=1)] | None = None
    """Line, row or sample in the file; absent where the file as a whole is meant."""
    message: Text
    """What is wrong, and the way out."""


class DatasetStatus(StatusModel):
    """What the data is."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this status speaks of."""
    conditions: Conditions = ()
    """Ready, with a reason."""
    inspected_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that the figures below speak of; 0 before the first look."""
    inspected_at: Annotated[str, Field(max_length=32)] | None = None
    """When the data was looked at."""
    version: Annotated[int, Field(ge=0)] = 0
    """Counts up where a look finds other content than the one before."""
    sha256: Sha256 | None = None
    """Hash of the content; models that were trained on it have it in their lineage."""
    rows: Annotated[int, Field(ge=0)] = 0
    """Documents, rows, images or recordings that could be read."""
    files: Annotated[int, Field(ge=0)] = 0
    """Files."""
    size_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of all files together."""
    roles: Annotated[tuple[Annotated[str, Field(max_length=MOST_CHARACTERS)], ...], Field(max_length=MOST_ROLES)] = ()
    """Names of the columns after mapping; of wide data the first."""
    lengths: DatasetLengths | None = None
    """How long the rows are; absent for images."""
    packing: DatasetPacking | None = None
    """What packing is expected to gain; absent where there are no tokens."""
    error_count: Annotated[int, Field(ge=0)] = 0
    """Errors in all."""
    errors: Annotated[tuple[DatasetError, ...], Field(max_length=16)] = ()
    """The first of them."""
    notes: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """Sentences about what is not wrong and yet worth knowing, such as columns and files that nobody reads."""

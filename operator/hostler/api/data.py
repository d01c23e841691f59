"""Data: where it is, how it is written, how it is split. Inline in a job, or as a Dataset."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from hostler.api.common import Source
from hostler.api.schema import ApiModel, Name, cel, rules


class DataFormat(StrEnum):
    """How rows are written down."""

    TEXT = "text"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    IMAGES = "images"
    WEBDATASET = "webdataset"
    AUDIO = "audio"


_ROLE = "^[a-z][a-z0-9_]{0,62}$"


class DataDescription(ApiModel):
    """How data is written and split, wherever it is."""

    format: DataFormat = DataFormat.TEXT
    """text is UTF-8 files, each a document; jsonl, csv (also with tabs) and parquet are rows with columns; images is a
    folder of images with a folder for each label, with captions in text files of their names, or with a metadata.jsonl
    or metadata.csv; webdataset is tar shards; audio is files beside a manifest.jsonl. text refuses files whose names
    say that they are something else."""
    columns: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=253)]],
        Field(
            max_length=16,
            json_schema_extra=rules(
                cel(f"self.all(role, role.matches('{_ROLE}'))", "every key must be a role such as text or label")
            ),
        ),
    ] = Field(default={})
    """Role (text, messages, label, image, caption, audio, prompt, chosen, ...) to the column that plays it; a role that
    is not named is played by the column of its own name."""
    license: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """SPDX expression of the data's licence, for the model card."""
    validation_percent: Annotated[int, Field(ge=1, le=50)] = 10
    """Share that is held out for evaluation, in percent."""


class DatasetReference(ApiModel):
    """A Dataset of the same namespace."""

    name: Name
    """Name of the Dataset."""


_ONLY_THE_REFERENCE = (
    "!has(self.ref) || (self.format == 'text' && self.validationPercent == 10 && !has(self.license) "
    "&& (!has(self.columns) || size(self.columns) == 0))"
)


class JobData(DataDescription):
    """The data of a job: inline, or a Dataset by its name."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.source) != has(self.ref)", "exactly one of source and ref must be set"),
            cel(
                _ONLY_THE_REFERENCE,
                "the Dataset says format, columns, license and validationPercent: remove them beside ref",
                field_path=".ref",
            ),
        )
    )

    source: Source | None = None
    """Where it comes from."""
    ref: DatasetReference | None = None
    """A Dataset, which must be Ready; the job trains on the very bytes that its status speaks of."""

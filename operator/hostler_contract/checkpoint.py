"""The manifest that makes a checkpoint complete: it is written last."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hostler_contract.message import Message, Part

MANIFEST_NAME = "manifest.json"


class CheckpointFile(Part):
    """One file of a checkpoint."""

    path: str
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: str


class CheckpointManifest(Message):
    """A checkpoint directory without this file does not exist for a reader.

    Writers put the data into a temporary directory, flush it, rename it and write the manifest last, so a
    crash at any moment leaves either the previous checkpoint or the new one.
    """

    step: Annotated[int, Field(ge=0)]
    training_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Time spent training up to this step, over all attempts."""
    family: str
    world_size: Annotated[int, Field(gt=0)]
    config_sha256: str
    """Hash of the parts of the job configuration that must not change between attempts."""
    network_sha256: str | None = None
    """Hash of the parts that decide which weights there are; another job may start from a checkpoint in which they are
    its own. Absent in checkpoints of older releases."""
    dataset_sha256: str | None = None
    """Hash of the data that it was trained on. Absent in checkpoints of older releases."""
    created_at: str
    """RFC 3339, UTC."""
    files: list[CheckpointFile]

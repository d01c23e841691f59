"""From the data that a job names to the data itself: inline, or the version of a Dataset that is Ready now."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.api.conditions import find, is_true
from hostler.api.data import JobData
from hostler.api.dataset import DatasetCondition, DatasetSpec, DatasetStatus
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.controllers.ports import Object, Reader
from hostler.families import family
from hostler.planning.datause import reject_roles
from hostler.planning.rejection import Rejection, rejection

_PATH = "spec.dataset.ref.name"


@dataclass(frozen=True, kw_only=True)
class DataVersion:
    """What a Dataset's status speaks of."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A job's spec with the data in it."""

    spec: TrainingJobSpec
    """With the Dataset's own source and description in place of the reference."""
    data: DataVersion | None = None
    """Set where the job names a Dataset that is Ready."""
    rejection: Rejection | None = None
    """Why the job cannot have its data."""


def resolved(reader: Reader, spec: TrainingJobSpec, *, namespace: str) -> Resolved:
    """Look the Dataset up. Raises ``pydantic.ValidationError`` for a stored spec of another release."""
    if spec.dataset.ref is None:
        return Resolved(spec=spec)
    name = spec.dataset.ref.name
    found = reader.get("Dataset", namespace=namespace, name=name)
    if found is None:
        text = f"there is no Dataset {name} in namespace {namespace}: create it, or name another one"
        return Resolved(spec=spec, rejection=rejection(TrainingReason.DATASET_NOT_FOUND, _PATH, text))
    described = DatasetSpec.model_validate(found["spec"])
    shared = {field: getattr(described, field) for field in JobData.model_fields if field != "ref"}
    there = spec.model_copy(update={"dataset": JobData(**shared)})
    status = DatasetStatus.model_validate(found.get("status") or {})
    if status.sha256 is None or not _ready(found, status):
        said = find(status.conditions, DatasetCondition.READY)
        why = f"{said.reason}: {said.message}" if said is not None else "it has not been looked at yet"
        text = f"Dataset {name} is not ready: {why}"
        return Resolved(spec=there, rejection=rejection(TrainingReason.DATASET_NOT_READY, _PATH, text))
    version = DataVersion(name=name, version=status.version, sha256=status.sha256)
    # Of another format than the family reads, that is said, and not which columns it lacks.
    readable = there.dataset.format.value in family(spec.family.value).formats
    no = reject_roles(there, status.roles, path=_PATH, name=name) if readable else None
    return Resolved(spec=there, data=version, rejection=no)


def _ready(dataset: Object, status: DatasetStatus) -> bool:
    """Ready, and of this generation: a change that nobody has looked at yet is not what the figures speak of."""
    current = status.inspected_generation == int(dataset["metadata"].get("generation") or 0)
    return current and is_true(status.conditions, DatasetCondition.READY)

"""Manifests that a person begins with, made from an entry of the catalog: a service, a job, a Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hostler.api.hyperparameters import OnOutOfMemory, Parallelism
from hostler.api.model import ModelSpec
from hostler.api.schema import API_VERSION
from hostler.api.tuning import TuningMethod
from hostler.manifests.naming import Manifest

_ADAPTER = ("rank", "alpha")


@dataclass(frozen=True, kw_only=True)
class Placing:
    """Where something is to run."""

    name: str
    namespace: str
    pool: str
    memory: str | None = None
    """Of each pod; None leaves the default."""
    storage: str | None = None
    """Of a job's volume; None leaves the default."""
    cpu: str = "2"
    """Of each pod, where ``memory`` is said."""
    accelerators: int = 1
    """Of a job: those of its one pod. Over several the weights are spread."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file or directory on a claim."""

    claim: str
    path: str
    format: str
    columns: Mapping[str, str] = field(default_factory=dict)


def service_from(entry: str, placing: Placing) -> Manifest:
    """One replica of an entry."""
    spec: Manifest = {
        "modelRef": {"kind": "ClusterModel", "name": entry},
        "accelerators": {"pool": placing.pool, "perPod": 1},
        "pods": {"min": 1, "max": 1},
        **_resources(placing),
    }
    return _object("InferenceService", placing, spec)


def job_from(
    entry: str,
    model: ModelSpec,
    method: TuningMethod,
    *,
    values: Mapping[str, int | str],
    dataset: str,
    placing: Placing,
) -> Manifest:
    """A job whose Model has the entry in its lineage."""
    training = {name: value for name, value in values.items() if name not in (*_ADAPTER, "beta")}
    # How much of a step a device holds at once depends on rows and device: nobody who begins knows it.
    training |= {"onOutOfMemory": OnOutOfMemory.SHRINK.value}
    if placing.accelerators > 1:
        training |= {"parallelism": Parallelism.SHARDED.value}
    spec: Manifest = {
        "family": model.known_family.value,
        "objective": "preference" if method.beta is not None else "finetune",
        "base": {"kind": "ClusterModel", "name": entry},
    }
    if method.rank is not None:
        spec["lora"] = {name: values[name] for name in _ADAPTER}
    if method.beta is not None:
        spec["preference"] = {"beta": values["beta"]}
    if model.tuning is not None and model.tuning.encoder is not None:
        encoder = model.tuning.encoder.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        spec["output"] = {"encoder": {**encoder, "head": model.tuning.encoder.head}}
    spec |= {
        "dataset": {"ref": {"name": dataset}},
        "training": training,
        "accelerators": {"pool": placing.pool, "perPod": placing.accelerators},
        **_resources(placing),
    }
    if placing.storage is not None:
        spec["storage"] = {"size": placing.storage}
    return _object("TrainingJob", placing, spec)


def dataset_from(name: str, file: File, *, namespace: str) -> Manifest:
    """A Dataset of a file on a claim."""
    pvc = {"claimName": file.claim, "path": str(PurePosixPath(file.path))}
    spec: Manifest = {"source": {"pvc": pvc}, "format": file.format}
    if file.columns:
        spec["columns"] = dict(file.columns)
    return {
        "apiVersion": API_VERSION,
        "kind": "Dataset",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _resources(placing: Placing) -> Manifest:
    return {} if placing.memory is None else {"resources": {"cpu": placing.cpu, "memory": placing.memory}}


def _object(kind: str, placing: Placing, spec: Manifest) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": placing.name, "namespace": placing.namespace},
        "spec": spec,
    }

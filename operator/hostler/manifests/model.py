"""The Model that a successful TrainingJob registers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hostler.api.model import Ancestor, ModelSpec
from hostler.api.network import UNKNOWN_LICENSE
from hostler.api.objectives import Quantize
from hostler.api.schema import API_VERSION
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.manifests.naming import Manifest, job_labels, metadata
from hostler_contract import ModelConfig, Objective, Result

_METRIC = re.compile(r"[a-z][a-z0-9_]{0,62}")
_STORED_BYTES_AT_MOST = 4


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model comes from: what its spec says beyond the result."""

    job: Manifest
    """Metadata of the TrainingJob."""
    attempt: int
    claim: str
    dataset: str | None = None
    """Dataset that the job named."""
    dataset_version: int | None = None
    base: Ancestor | None = None
    base_license: str | None = None
    """Licence of the base; None where there is none, or it is not known any more."""
    parts: Mapping[str, Ancestor] = field(default_factory=dict)


def trained_model(spec: TrainingJobSpec, result: Result, origin: Origin) -> Manifest:
    """A Model with its lineage. It has no owner: deleting the job must not delete what is being served."""
    described = ModelSpec.model_validate(_spec(spec, result, origin))
    job = origin.job
    name = model_name(spec, job["name"])
    return {
        "apiVersion": API_VERSION,
        "kind": "Model",
        "metadata": metadata(name, namespace=job["namespace"], labels=job_labels(job["name"]), owner=None),
        "spec": described.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def model_name(spec: TrainingJobSpec, job: str) -> str:
    """Name of the Model that a job puts out."""
    return spec.output.name or job


def _spec(spec: TrainingJobSpec, result: Result, origin: Origin) -> Manifest:
    artifact = result.artifact
    if artifact is None:
        raise ValueError("a result without an artifact makes no model")
    memory: Manifest = {"weightsBytes": min(artifact.size_bytes, artifact.parameters * _STORED_BYTES_AT_MOST)}
    if artifact.kv_bytes_per_token is not None:
        memory["kvBytesPerToken"] = artifact.kv_bytes_per_token
    return {
        "family": spec.family.value,
        "task": family(spec.family.value).task_of(network(spec)),
        "license": license_of(spec, origin.base_license),
        "artifacts": {
            "source": {"pvc": {"claimName": origin.claim, "path": artifact.path.strip("/")}},
            "format": artifact.format,
            "sizeBytes": artifact.size_bytes,
            "sha256": artifact.sha256,
        },
        "architecture": {
            "parameters": artifact.parameters,
            "contextLength": artifact.context_length,
            "vocabularySize": artifact.vocabulary_size,
            "quantization": quantization(spec),
        },
        "memory": memory,
        "metrics": _figures(result.metrics),
        "baseMetrics": _figures(result.comparison.before.metrics) if result.comparison is not None else [],
        "gates": [gate.model_dump(by_alias=True, exclude_none=True) for gate in spec.evaluation.gates],
        "lineage": _lineage(spec, result, origin),
    }


def license_of(spec: TrainingJobSpec, base: str | None) -> str:
    """What the job says, else the licence of the base: who changes weights has to keep it."""
    return base if base is not None and spec.output.license == UNKNOWN_LICENSE else spec.output.license


def _figures(figures: Mapping[str, float]) -> list[Manifest]:
    return [
        {"name": name, "value": f"{figure:.6g}"}
        for name, figure in sorted(figures.items())
        if _METRIC.fullmatch(name) and math.isfinite(figure)
    ]


def quantization(spec: TrainingJobSpec) -> str | None:
    """How the weights that a job puts out are rounded; None where they are not."""
    return (spec.quantize or Quantize()).method.value if spec.objective is Objective.QUANTIZE else None


def _lineage(spec: TrainingJobSpec, result: Result, origin: Origin) -> Manifest:
    return {
        "trainingJob": origin.job["name"],
        "trainingJobUid": origin.job["uid"],
        "attempt": origin.attempt,
        "datasetSha256": result.dataset.sha256 if result.dataset else None,
        "dataset": origin.dataset,
        "datasetVersion": origin.dataset_version,
        "objective": spec.objective.value,
        "base": origin.base,
        "parts": dict(origin.parts) or None,
    }


def network(spec: TrainingJobSpec) -> ModelConfig:
    """The sizes that a job names, as the contract has them."""
    return spec.output.network

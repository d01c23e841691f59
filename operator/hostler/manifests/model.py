"""The Model that a successful TrainingJob registers."""

from __future__ import annotations

import math
import re

from hostler.api.model import ModelSpec
from hostler.api.schema import API_VERSION
from hostler.api.trainingjob import TrainingJobSpec
from hostler.families import family
from hostler.manifests.naming import Manifest, job_labels, metadata
from hostler_contract import Result

_METRIC = re.compile(r"[a-z][a-z0-9_]{0,62}")
_STORED_BYTES_AT_MOST = 4


def trained_model(spec: TrainingJobSpec, result: Result, *, job: Manifest, attempt: int, claim: str) -> Manifest:
    """A Model with its lineage. It has no owner: deleting the job must not delete what is being served."""
    described = ModelSpec.model_validate(_spec(spec, result, job=job, attempt=attempt, claim=claim))
    name = model_name(spec, job["name"])
    return {
        "apiVersion": API_VERSION,
        "kind": "Model",
        "metadata": metadata(name, namespace=job["namespace"], labels=job_labels(job["name"]), owner=None),
        "spec": described.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def model_name(spec: TrainingJobSpec, job: str) -> str:
    """Name of the Model that a job puts out."""
    return spec.model.name or job


def _spec(spec: TrainingJobSpec, result: Result, *, job: Manifest, attempt: int, claim: str) -> Manifest:
    artifact = result.artifact
    if artifact is None:
        raise ValueError("a result without an artifact makes no model")
    lineage: Manifest = {"trainingJob": job["name"], "trainingJobUid": job["uid"], "attempt": attempt}
    if result.dataset is not None:
        lineage["datasetSha256"] = result.dataset.sha256
    memory: Manifest = {"weightsBytes": min(artifact.size_bytes, artifact.parameters * _STORED_BYTES_AT_MOST)}
    if artifact.kv_bytes_per_token is not None:
        memory["kvBytesPerToken"] = artifact.kv_bytes_per_token
    return {
        "family": spec.family.value,
        "task": family(spec.family.value).task,
        "license": spec.model.license,
        "artifacts": {
            "source": {"pvc": {"claimName": claim, "path": artifact.path.strip("/")}},
            "format": artifact.format,
            "sizeBytes": artifact.size_bytes,
            "sha256": artifact.sha256,
        },
        "architecture": {
            "parameters": artifact.parameters,
            "contextLength": artifact.context_length,
            "vocabularySize": artifact.vocabulary_size,
        },
        "memory": memory,
        "metrics": [
            {"name": name, "value": f"{figure:.6g}"}
            for name, figure in sorted(result.metrics.items())
            if _METRIC.fullmatch(name) and math.isfinite(figure)
        ],
        "lineage": lineage,
    }

"""Names, labels and owners of children: what connects them with the object that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostler.api.schema import API_VERSION, GROUP
from hostler.manifests.hashing import content_hash

Manifest = dict[str, Any]

MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"
MANAGER = "hostler"
TRAINER = "trainer"
SERVER = "server"
INSPECTOR = "inspector"
IMPORTER = "importer"
PREPARER = "preparer"
CATALOG = "catalog"
TRAINING_JOB = f"{GROUP}/training-job"
PREPARATION = f"{GROUP}/preparation"
"""Label of what prepares the data of a TrainingJob: its name. No attempt has it."""
DATASET = f"{GROUP}/dataset"
MODEL = f"{GROUP}/model"
CLUSTER_MODEL = f"{GROUP}/cluster-model"
ATTEMPT = f"{GROUP}/attempt"
INFERENCE_SERVICE = f"{GROUP}/inference-service"
GENERATION = f"{GROUP}/generation"
INSPECTION_TRIES = f"{GROUP}/inspection-tries"
"""Annotation of a Dataset's Job: how many of its pods were kept alive by a container of strangers, and replaced."""
POOL = f"{GROUP}/pool"
SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice: the Service that it belongs to."""

_LABEL = 63
"""Longest value of a label, and name of an object that others refer to."""

RENDEZVOUS_PORT = 29500
"""Where the processes of an attempt find each other."""


def attempt_name(job: str, attempt: int) -> str:
    """Name of an attempt's Job and Service."""
    return f"{job}-{attempt}"


def job_labels(job: str) -> dict[str, str]:
    """Labels of what lives as long as the job."""
    return {MANAGED_BY: MANAGER, COMPONENT: TRAINER, TRAINING_JOB: job}


def attempt_labels(job: str, *, attempt: int, pool: str) -> dict[str, str]:
    """Labels of one attempt's children and pods."""
    return {**job_labels(job), ATTEMPT: str(attempt), POOL: pool}


def job_selector(job: str) -> dict[str, str]:
    """What finds the pods of all attempts of a job."""
    return {TRAINING_JOB: job}


def preparation_name(job: str, digest: str) -> str:
    """Name of the Job that prepares a job's data: of its beginning, because a Job's name is a label of its pods, and of
    a hash of what it does."""
    return f"{job[:45].rstrip('-')}-prepare-{digest}"


def preparation_labels(job: str) -> dict[str, str]:
    """Labels of a preparation's children and pod."""
    return {MANAGED_BY: MANAGER, COMPONENT: PREPARER, PREPARATION: job}


def preparation_selector(job: str) -> dict[str, str]:
    """What finds the pods that prepare a job's data."""
    return {COMPONENT: PREPARER, PREPARATION: job}


def attempt_selector(job: str, attempt: int) -> dict[str, str]:
    """What finds the pods of one attempt."""
    return {TRAINING_JOB: job, ATTEMPT: str(attempt)}


def inspection_name(dataset: str, generation: int) -> str:
    """Name of the Job and the ConfigMap that look at one generation of a dataset."""
    return f"{dataset}-inspect-{generation}"


def dataset_labels(dataset: str) -> dict[str, str]:
    """Labels of what lives as long as the dataset."""
    return {MANAGED_BY: MANAGER, COMPONENT: INSPECTOR, DATASET: dataset}


def dataset_selector(dataset: str) -> dict[str, str]:
    """What finds the pods that look at a dataset."""
    return {DATASET: dataset}


def inspection_labels(dataset: str, *, generation: int) -> dict[str, str]:
    """Labels of an inspection's children and pod."""
    return {**dataset_labels(dataset), GENERATION: str(generation)}


def import_name(model: str, digest: str) -> str:
    """Name of the Job and the ConfigMap that import a model: of its beginning, because a Job's name is a label of its
    pods, and of a hash of what they do."""
    return f"{model[:45].rstrip('-')}-import-{digest}"


def catalog_name(entry: str) -> str:
    """Name of the Model that a ClusterModel becomes in a namespace that uses it."""
    name = f"catalog-{entry}"
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 9].rstrip('-')}-{content_hash(entry, length=8)}"


def catalog_labels(entry: str) -> dict[str, str]:
    """Labels of the Models that a ClusterModel becomes."""
    return {MANAGED_BY: MANAGER, COMPONENT: CATALOG, CLUSTER_MODEL: entry}


def import_claim(model: str) -> str:
    """Name of the claim that a model is imported onto."""
    return f"{model}-import"


def import_labels(model: str) -> dict[str, str]:
    """Labels of an import's children and pod."""
    return {MANAGED_BY: MANAGER, COMPONENT: IMPORTER, MODEL: model}


def import_selector(model: str) -> dict[str, str]:
    """What finds the pods that import a model."""
    return {COMPONENT: IMPORTER, MODEL: model}


def server_labels(service: str, *, pool: str) -> dict[str, str]:
    """Labels of a service's children and pods."""
    return {MANAGED_BY: MANAGER, COMPONENT: SERVER, INFERENCE_SERVICE: service, POOL: pool}


def server_selector(service: str) -> dict[str, str]:
    """What finds the pods of a service; it can never be changed on a Deployment, so it holds only the name."""
    return {INFERENCE_SERVICE: service}


def owner_reference(kind: str, metadata: Mapping[str, Any]) -> Manifest:
    """A controlling owner of ours. Without blockOwnerDeletion, which would need a verb on finalizers."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


def metadata(
    name: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    owner: Manifest | None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """The metadata of a child. Labels and annotations of the owner are never copied."""
    found: Manifest = {"name": name, "namespace": namespace, "labels": dict(labels)}
    if annotations:
        found["annotations"] = dict(annotations)
    if owner is not None:
        found["ownerReferences"] = [owner]
    return found

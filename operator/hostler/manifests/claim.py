"""The volume claim with a job's checkpoints and artifacts."""

from __future__ import annotations

from hostler.api.trainingjob import WorkspaceStorage
from hostler.manifests.naming import Manifest, job_labels, metadata


def workspace_claim(job: str, storage: WorkspaceStorage, *, namespace: str, owner: Manifest) -> Manifest:
    """Shared by all pods of the job, and later read by servers on other nodes: ReadWriteMany, unless the spec says
    that one node is enough.

    The owner is the TrainingJob while it trains, and the Model from then on: the weights go with the Model.
    """
    spec: Manifest = {
        "accessModes": [mode.value for mode in storage.access_modes],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(job, namespace=namespace, labels=job_labels(job), owner=owner),
        "spec": spec,
    }

"""Configuration files for containers: a trainer's in its pod's annotation, a server's in a ConfigMap.

An attempt is made once and its template never changes, so that its file travels with the Job: one write less for each
attempt, no volume that a kubelet has to fetch and watch for each pod, and nothing that somebody could delete while pods
are starting. Replicas of a service come and go for months, and a rollout is decided by hand-over from one file to the
next: theirs is an object of its own.
"""

from __future__ import annotations

from hostler.manifests.hashing import content_hash
from hostler.manifests.naming import Manifest, metadata, server_labels
from hostler_contract import JobConfig, ServingConfig

JOB_FILE = "job.json"
SERVING_FILE = "serving.json"
CONFIG_DIRECTORY = "/etc/hostler"
JOB_CONFIG = "hostler.dev/job-config"
"""Annotation of a trainer: the content of its ``job.json``. The API server takes 256 KiB for all annotations of an
object, and a file has some KiB."""


def job_config_annotation(config: JobConfig) -> dict[str, str]:
    """What one attempt is asked to do, for its pod template."""
    return {JOB_CONFIG: config.to_json()}


def job_config_volume() -> Manifest:
    """The annotation as a file (downward API)."""
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{JOB_CONFIG}']"}
    return {"downwardAPI": {"items": [{"path": JOB_FILE, "fieldRef": field}]}}


def serving_config_volume(config_map: str) -> Manifest:
    """The file of a revision."""
    return {"configMap": {"name": config_map}}


def serving_config_map(config: ServingConfig, *, pool: str, owner: Manifest) -> Manifest:
    """What every replica of one revision is asked to do.

    Its name holds the hash of its content, so that replicas of the last revision never read the next one's file.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(
            f"{config.service}-{content_hash(config.to_dict())}",
            namespace=config.namespace,
            labels=server_labels(config.service, pool=pool),
            owner=owner,
        ),
        "immutable": True,
        "data": {SERVING_FILE: config.to_json()},
    }

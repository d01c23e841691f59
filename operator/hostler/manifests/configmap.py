"""Configuration files for containers."""

from __future__ import annotations

from hostler.manifests.hashing import content_hash
from hostler.manifests.naming import Manifest, attempt_labels, attempt_name, metadata, server_labels
from hostler_contract import JobConfig, ServingConfig

JOB_FILE = "job.json"
SERVING_FILE = "serving.json"
CONFIG_DIRECTORY = "/etc/hostler"


def job_config_map(config: JobConfig, *, pool: str, owner: Manifest) -> Manifest:
    """What one attempt is asked to do."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(
            attempt_name(config.name, config.attempt),
            namespace=config.namespace,
            labels=attempt_labels(config.name, attempt=config.attempt, pool=pool),
            owner=owner,
        ),
        "data": {JOB_FILE: config.to_json()},
    }


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

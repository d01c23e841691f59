"""What looks at one generation of a Dataset: a Job of one small pod, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hostler.api.dataset import DatasetSpec
from hostler.manifests.configfile import CONFIG_DIRECTORY
from hostler.manifests.credentials import credentials
from hostler.manifests.downloads import NO_RULES, DownloadRules, at_mirror, data_certificates, data_environment
from hostler.manifests.job import data_mounts, dataset_config
from hostler.manifests.naming import (
    INSPECTION_TRIES,
    Manifest,
    inspection_labels,
    inspection_name,
    metadata,
    owner_reference,
)
from hostler.manifests.networkpolicy import TrafficRules, inspector_policy
from hostler.manifests.podoptions import NO_SIDECAR_ANNOTATIONS, NO_SIDECAR_LABELS, PodOptions
from hostler.manifests.podtemplate import Image, Mount, container_security, pod_security, value, volume_mount
from hostler_contract import InspectionConfig

DATASET_FILE = "dataset.json"
TRIES = 3
"""Pods of the Job: a download may fail once."""
_GRACE_SECONDS = 5
"""There is nothing to save."""


def inspection_children(
    spec: DatasetSpec,
    dataset: Mapping[str, Any],
    *,
    image: Image,
    traffic: TrafficRules | None = None,
    downloads: DownloadRules = NO_RULES,
) -> tuple[Manifest, ...]:
    """File and Job, in the order in which they are written, after a policy where there are rules. ``dataset`` is the
    Dataset's metadata."""
    policy = inspection_policy(spec, dataset, traffic=traffic, downloads=downloads)
    children = (inspection_file(spec, dataset), _job(spec, dataset, image=image, rules=downloads))
    return children if policy is None else (policy, *children)


def inspection_policy(
    spec: DatasetSpec,
    dataset: Mapping[str, Any],
    *,
    traffic: TrafficRules | None,
    downloads: DownloadRules = NO_RULES,
) -> Manifest | None:
    """What the Job's pod may reach; None where there are no rules."""
    if traffic is None:
        return None
    return inspector_policy(
        dataset["name"],
        at_mirror(spec.source, downloads),
        namespace=dataset["namespace"],
        rules=traffic,
        owner=owner_reference("Dataset", dataset),
    )


def inspection_file(spec: DatasetSpec, dataset: Mapping[str, Any]) -> Manifest:
    """What the Job's pod is asked to do."""
    config = InspectionConfig(
        name=dataset["name"],
        namespace=dataset["namespace"],
        dataset=dataset_config(spec),
        max_length=spec.max_length,
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(dataset),
        "data": {DATASET_FILE: config.to_json()},
    }


def overdue_job(job: Mapping[str, Any]) -> Manifest:
    """A Job as it is in the cluster, with a deadline that has passed: its controller ends its pods and says Failed.

    Only a deadline does that to a pod whose own container has ended and that a stranger's keeps alive, without a right
    to delete pods. All else stays: the template cannot be changed, and this release might write another one.
    """
    return _changed(job, {"activeDeadlineSeconds": 1}, tries=tries_of(job))


def interrupted_job(job: Mapping[str, Any], *, tries: int) -> Manifest:
    """A Job as it is in the cluster, suspended after so many tries: its controller deletes the pod that a stranger's
    container keeps alive, and counts nothing. How many tries there were stands at the Job, and goes with it."""
    return _changed(job, {"suspend": True}, tries=tries)


def continued_job(job: Mapping[str, Any]) -> Manifest:
    """A Job that was interrupted, with leave to make its next pod."""
    return _changed(job, {"suspend": False}, tries=tries_of(job))


def tries_of(job: Mapping[str, Any]) -> int:
    """After how many tries a Job was interrupted the last time; 0 where it never was."""
    text = (job["metadata"].get("annotations") or {}).get(INSPECTION_TRIES, "")
    return int(text) if text.isdecimal() else 0


def _changed(job: Mapping[str, Any], spec: Manifest, *, tries: int) -> Manifest:
    kept = ("name", "namespace", "labels", "ownerReferences")
    metadata = {name: job["metadata"][name] for name in kept if name in job["metadata"]}
    if tries:
        metadata["annotations"] = {INSPECTION_TRIES: str(tries)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**job["spec"], **spec}}


def _metadata(dataset: Mapping[str, Any]) -> Manifest:
    generation = int(dataset["generation"])
    return metadata(
        inspection_name(dataset["name"], generation),
        namespace=dataset["namespace"],
        labels=inspection_labels(dataset["name"], generation=generation),
        owner=owner_reference("Dataset", dataset),
    )


def _job(spec: DatasetSpec, dataset: Mapping[str, Any], *, image: Image, rules: DownloadRules) -> Manifest:
    generation = int(dataset["generation"])
    config = {"configMap": {"name": inspection_name(dataset["name"], generation)}}
    mounts = [
        Mount(name="config", path=CONFIG_DIRECTORY, source=config),
        *data_mounts(spec.source),
        *data_certificates(spec.source, rules),
        # Downloads go here, and are gone with the pod: each job downloads what it trains on.
        Mount(name="tmp", path="/tmp", source={"emptyDir": {}}, read_only=False),
    ]
    options = PodOptions(pull_secrets=spec.image_pull_secrets, service_account=spec.service_account_name)
    template = {
        "metadata": {
            "labels": NO_SIDECAR_LABELS | inspection_labels(dataset["name"], generation=generation),
            "annotations": NO_SIDECAR_ANNOTATIONS,
        },
        "spec": {
            **options.spec_fields(of_image=image.pull_secrets),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "securityContext": pod_security(),
            "containers": [_container(spec, mounts, image=image, rules=rules)],
            "volumes": [{"name": mount.name, **mount.source} for mount in mounts],
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(dataset),
        "spec": {"backoffLimit": TRIES - 1, "podReplacementPolicy": "Failed", "template": template},
    }


def _container(spec: DatasetSpec, mounts: list[Mount], *, image: Image, rules: DownloadRules) -> Manifest:
    resources = spec.resources
    return {
        "name": "inspector",
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "command": ["python", "-m", "hostler_runtime.dataset"],
        "env": [
            value("OMP_NUM_THREADS", 1),
            value("HF_HUB_OFFLINE", 1),
            value("HOME", "/tmp"),
            *data_environment(spec.source, rules),
            *credentials(spec.source),
        ],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory},
        },
        "securityContext": container_security({"drop": ["ALL"]}),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [volume_mount(mount) for mount in mounts],
    }

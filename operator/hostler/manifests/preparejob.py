"""What prepares the data of a TrainingJob before it asks for accelerators: a Job of one pod on the workspace's volume.

The pod goes to nodes of the job's pool, although it needs none of their accelerators: a volume that is made for the
first pod that mounts it, or that only one node can mount at a time, is then where the trainers come.
"""

from __future__ import annotations

from collections.abc import Sequence

from hostler.api.trainingjob import TrainingJobSpec
from hostler.manifests.configfile import CONFIG_DIRECTORY, job_config_annotation, job_config_volume
from hostler.manifests.credentials import credentials
from hostler.manifests.downloads import NO_RULES, DownloadRules, data_certificates, data_environment
from hostler.manifests.job import WORKSPACE, data_mounts
from hostler.manifests.naming import Manifest, metadata, preparation_labels
from hostler.manifests.podoptions import NO_SIDECAR_ANNOTATIONS, NO_SIDECAR_LABELS, PodOptions, scratch_volume
from hostler.manifests.podtemplate import (
    Image,
    Mount,
    container_security,
    pod_security,
    pull_secrets,
    value,
    volume_mount,
)
from hostler.planning import quantities
from hostler.planning.demand import HTTP_PORT
from hostler.planning.pools import Pool
from hostler_contract import JobConfig

FOR_GOOD = 2
"""Exit status where another try would fail in the same way; ``hostler_runtime.prepare`` has the same."""
TRIES = 4
"""Pods of the Job: each goes on from the shards that the last one has finished. Those that a drain or an eviction ends
do not count."""
_GRACE_SECONDS = 10
"""What is finished is on the disk."""


def preparation_job(
    spec: TrainingJobSpec,
    config: JobConfig,
    *,
    name: str,
    image: Image,
    pool: Pool,
    claim: str,
    owner: Manifest,
    inputs: Sequence[Mount] = (),
    downloads: DownloadRules = NO_RULES,
) -> Manifest:
    """The Job. ``inputs`` are the models whose tokenizers and configurations decide what the data becomes."""
    labels = preparation_labels(config.name)
    options = PodOptions(
        pull_secrets=spec.image_pull_secrets,
        service_account=spec.service_account_name,
        metadata=spec.pod_metadata,
        scratch=spec.scratch,
        labels=NO_SIDECAR_LABELS,
        annotations=NO_SIDECAR_ANNOTATIONS,
    )
    certificates = data_certificates(spec.dataset.source, downloads)
    mounts = _mounts(spec, options, claim=claim, inputs=[*certificates, *inputs])
    pod: Manifest = {
        **options.spec_fields(of_image=(*image.pull_secrets, *pull_secrets(mounts))),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "nodeSelector": dict(sorted(pool.spec.node_selector.items())),
        "securityContext": pod_security(),
        "containers": [_container(spec, mounts, image=image, downloads=downloads)],
        "volumes": [{"name": mount.name, **mount.source} for mount in mounts],
    }
    if pool.tolerations:
        pod["tolerations"] = pool.tolerations
    annotations = {**options.pod_annotations, **job_config_annotation(config)}
    on_exit = {"containerName": "preparer", "operator": "In", "values": [FOR_GOOD]}
    taken_away = [{"type": "DisruptionTarget", "status": "True"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, namespace=config.namespace, labels=labels, owner=owner),
        "spec": {
            "backoffLimit": TRIES - 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": on_exit},
                    {"action": "Ignore", "onPodConditions": taken_away},
                ]
            },
            "template": {
                "metadata": {"labels": {**options.pod_labels, **labels}, "annotations": annotations},
                "spec": pod,
            },
        },
    }


def _mounts(spec: TrainingJobSpec, options: PodOptions, *, claim: str, inputs: Sequence[Mount]) -> list[Mount]:
    volume = {"persistentVolumeClaim": {"claimName": claim}}
    return [
        Mount(name="config", path=CONFIG_DIRECTORY, source=job_config_volume()),
        Mount(name="workspace", path=WORKSPACE, source=volume, read_only=False),
        *data_mounts(spec.dataset.source),
        *inputs,
        Mount(name="tmp", path="/tmp", source=scratch_volume(options.scratch_limit), read_only=False),
    ]


def _container(spec: TrainingJobSpec, mounts: list[Mount], *, image: Image, downloads: DownloadRules) -> Manifest:
    resources, scratch = spec.resources, spec.scratch
    disk = {} if scratch is None or scratch.size is None else {"ephemeral-storage": scratch.size}
    return {
        "name": "preparer",
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "command": ["python", "-m", "hostler_runtime.prepare"],
        "env": [
            # As many processes prepare.
            value("OMP_NUM_THREADS", max(1, quantities.cores(resources.cpu))),
            value("HF_HUB_OFFLINE", 1),
            value("HOME", "/tmp"),
            *data_environment(spec.dataset.source, downloads),
            *credentials(spec.dataset.source),
        ],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory, **disk},
            "limits": {"memory": resources.memory, **disk},
        },
        "securityContext": container_security({"drop": ["ALL"]}),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [volume_mount(mount) for mount in mounts],
    }

"""One attempt of a TrainingJob: an Indexed Job."""

from __future__ import annotations

from collections.abc import Sequence

from hostler.api.common import Source
from hostler.api.data import JobData
from hostler.api.dataset import DatasetSpec
from hostler.api.schema import GROUP
from hostler.api.trainingjob import TrainingJobSpec
from hostler.manifests.configfile import job_config_annotation, job_config_volume
from hostler.manifests.credentials import credentials
from hostler.manifests.downloads import NO_RULES, DownloadRules, data_certificates, data_environment
from hostler.manifests.hashing import content_hash
from hostler.manifests.naming import (
    RENDEZVOUS_PORT,
    Manifest,
    attempt_labels,
    attempt_name,
    metadata,
)
from hostler.manifests.podoptions import NO_SIDECAR_ANNOTATIONS, NO_SIDECAR_LABELS, PodOptions, queue_labels
from hostler.manifests.podtemplate import Image, Mount, PodPlan, pod_template, value
from hostler.planning.pods import INDEX
from hostler.planning.poolgrowth import awaited
from hostler.planning.pools import Pool
from hostler.planning.verdicts import Seats
from hostler_contract import DatasetConfig, DatasetSource, JobConfig

WORKSPACE = "/workspace"
DATA = "/data"
ASKED = f"{GROUP}/asked"
"""Annotation on the Job: hash of what of the spec may change while the job is suspended, as it was asked for."""
GRACE_SECONDS = 60
"""Time for rank 0 to save a checkpoint after SIGTERM."""


def asked(spec: TrainingJobSpec) -> str:
    """Value of :data:`ASKED`. A Job of another value runs by a spec that has changed since.

    Without defaults, so that a release with a new field ends no attempt.
    """
    fields = {"accelerators", "pods", "resources", "checkpoint", "priority_class_name"}
    return content_hash(spec.model_dump(mode="json", include=fields, exclude_defaults=True))


def attempt_job(
    spec: TrainingJobSpec,
    config: JobConfig,
    *,
    image: Image,
    pool: Pool,
    claim: str,
    owner: Manifest,
    seats: Seats,
    inputs: Sequence[Mount] = (),
    downloads: DownloadRules = NO_RULES,
) -> Manifest:
    """The Job. It is created once and never applied again: its template cannot be changed.

    Pods that share a node are sent there by the template; pods on several nodes wait for one each, because the
    scheduler would spread them in another way than was planned, onto seats of others. Pods that wait for nodes which
    are still to come go wherever the scheduler finds room in the pool.
    """
    name = attempt_name(config.name, config.attempt)
    labels = attempt_labels(config.name, attempt=config.attempt, pool=pool.name)
    pods = config.topology.pods
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(
            name,
            namespace=config.namespace,
            labels={**labels, **queue_labels(spec.pod_metadata)},
            owner=owner,
            annotations={ASKED: asked(spec)},
        ),
        "spec": {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            # A gang starts and fails as one; the next attempt is a Job of its own.
            "backoffLimit": 0,
            # The Job counts as failed only when its pods have ended, so two attempts never run at once.
            "podReplacementPolicy": "Failed",
            "template": pod_template(
                _plan(
                    spec,
                    config,
                    image=image,
                    pool=pool,
                    claim=claim,
                    labels=labels,
                    seats=seats,
                    inputs=inputs,
                    rules=downloads,
                )
            ),
        },
    }


def _plan(
    spec: TrainingJobSpec,
    config: JobConfig,
    *,
    image: Image,
    pool: Pool,
    claim: str,
    labels: dict[str, str],
    seats: Seats,
    inputs: Sequence[Mount],
    rules: DownloadRules,
) -> PodPlan:
    name, source = attempt_name(config.name, config.attempt), spec.dataset.source
    volume = {"persistentVolumeClaim": {"claimName": claim}}
    # An autoscaler adds nodes for pods that the scheduler has tried, and does not look at those with gates.
    growing = awaited(seats) > 0
    workspace = Mount(name="workspace", path=WORKSPACE, source=volume, read_only=False)
    return PodPlan(
        container="trainer",
        image=image,
        module="hostler_runtime.launch",
        labels=labels,
        pool=pool,
        per_pod=spec.accelerators.per_pod,
        resources=spec.resources,
        config=job_config_volume(),
        annotations=job_config_annotation(config),
        env=[*_environment(config, name), *data_environment(source, rules), *credentials(source)],
        mounts=[workspace, *data_mounts(source), *data_certificates(source, rules), *inputs],
        restart_policy="Never",
        grace_seconds=GRACE_SECONDS,
        processes=config.topology.processes_per_pod,
        subdomain=name if config.topology.pods > 1 else None,
        node=next(iter(seats)) if len(seats) == 1 and not growing else None,
        gated=len(seats) > 1 and not growing,
        options=PodOptions(
            pull_secrets=spec.image_pull_secrets,
            service_account=spec.service_account_name,
            metadata=spec.pod_metadata,
            scratch=spec.scratch,
            priority_class=spec.priority_class_name,
            labels=NO_SIDECAR_LABELS,
            annotations=NO_SIDECAR_ANNOTATIONS,
        ),
    )


def _environment(config: JobConfig, name: str) -> list[Manifest]:
    rank = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    return [
        value("PET_NNODES", config.topology.pods),
        value("PET_NPROC_PER_NODE", config.topology.processes_per_pod),
        {"name": "PET_NODE_RANK", "valueFrom": rank},
        # Pod 0 of an Indexed Job has the host name <job>-0; the headless Service makes it a name. A pod that is alone
        # has no Service and finds itself.
        value("PET_MASTER_ADDR", f"{name}-0.{name}" if config.topology.pods > 1 else "localhost"),
        value("PET_MASTER_PORT", RENDEZVOUS_PORT),
        # With a shared store, the restart of one rank hangs.
        value("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", 1),
    ]


def data_mounts(source: Source | None) -> list[Mount]:
    """The whole volume, not a subPath: the kubelet would create a missing directory, and hide a wrong path."""
    if source is None:
        return []
    if source.pvc is not None:
        claim = {"persistentVolumeClaim": {"claimName": source.pvc.claim_name}}
        return [Mount(name="data", path=DATA, source=claim)]
    if source.config_map is not None:
        key = source.config_map.key
        items = {"configMap": {"name": source.config_map.name, "items": [{"key": key, "path": key}]}}
        return [Mount(name="data", path=DATA, source=items)]
    return []


def dataset_config(data: JobData | DatasetSpec, *, sha256: str | None = None) -> DatasetConfig:
    """The data in the words of the contract. With ``sha256`` nothing else is read than what has this hash."""
    if data.source is None:
        raise ValueError("a reference to a Dataset has to be resolved first: acceptance refuses such a job")
    source = dataset_source(data.source)
    return DatasetConfig(
        source=source if sha256 is None else source.model_copy(update={"sha256": sha256}),
        format=data.format.value,
        columns=dict(data.columns),
        validation_percent=data.validation_percent,
        license=data.license,
    )


def dataset_source(source: Source) -> DatasetSource:
    """Where the trainer finds the data."""
    if source.http is not None:
        return DatasetSource(kind="http", location=source.http.url, sha256=source.http.sha256)
    if source.s3 is not None:
        s3 = source.s3
        location = f"s3://{s3.bucket}/{s3.prefix}".rstrip("/")
        return DatasetSource(kind="s3", location=location, endpoint=s3.endpoint, region=s3.region)
    if source.hf is not None:
        hub = source.hf
        return DatasetSource(
            kind="hf",
            location=f"hf://datasets/{hub.repository}",
            path=hub.path.strip("/") or None,
            revision=hub.revision,
            endpoint=hub.endpoint,
        )
    if source.config_map is not None:
        return DatasetSource(kind="path", location=f"{DATA}/{source.config_map.key}")
    path = source.pvc.path.strip("/") if source.pvc is not None else ""
    return DatasetSource(kind="path", location=f"{DATA}/{path}" if path else DATA)

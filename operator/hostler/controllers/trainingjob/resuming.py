"""From the job that ``spec.resumeFrom`` names to its workspace."""

from __future__ import annotations

from pydantic import ValidationError

from hostler.api.conditions import is_true
from hostler.api.trainingjob import TrainingCondition, TrainingJobSpec, TrainingJobStatus
from hostler.controllers.ports import Object, Reader
from hostler.manifests import naming
from hostler.planning import pods as read
from hostler.planning.resuming import OtherJob


def other_job(reader: Reader, spec: TrainingJobSpec, *, namespace: str) -> OtherJob | None:
    """The job that is named, read from the caches; None where none is."""
    if spec.resume_from is None:
        return None
    name = spec.resume_from.training_job
    found = reader.get("TrainingJob", namespace=namespace, name=name)
    if found is None:
        return OtherJob(name=name, namespace=namespace)
    try:
        other = TrainingJobSpec.model_validate(found["spec"])
    except ValidationError:
        # Of another release: its own condition says so, and nothing is known of its network.
        return OtherJob(name=name, namespace=namespace)
    claim = other.storage.claim_name or name
    there = reader.get("PersistentVolumeClaim", namespace=namespace, name=claim) is not None
    return OtherJob(
        name=name,
        namespace=namespace,
        spec=other,
        under_way=_is_under_way(reader, found),
        claim=claim if there else None,
    )


def is_awaited(reader: Reader, name: str, *, namespace: str) -> bool:
    """Whether some job that has not ended is to start from the checkpoints of the one with this name."""
    for job in reader.list("TrainingJob", namespace=namespace):
        named = (job.get("spec") or {}).get("resumeFrom") or {}
        if named.get("trainingJob") == name and not _has_ended(job):
            return True
    return False


def _has_ended(job: Object) -> bool:
    conditions = TrainingJobStatus.model_validate(job.get("status") or {}).conditions
    return any(is_true(conditions, kind) for kind in (TrainingCondition.SUCCEEDED, TrainingCondition.FAILED))


def _is_under_way(reader: Reader, job: Object) -> bool:
    """Suspended jobs and those that have ended write no checkpoints, once their pods have gone."""
    conditions = TrainingJobStatus.model_validate(job.get("status") or {}).conditions
    still = (TrainingCondition.SUCCEEDED, TrainingCondition.STALLED, TrainingCondition.SUSPENDED)
    if not any(is_true(conditions, kind) for kind in still):
        return True
    metadata = job["metadata"]
    labelled = reader.list("Pod", namespace=metadata["namespace"], labels={naming.TRAINING_JOB: metadata["name"]})
    return any(not read.is_terminal(pod) and read.own_end(pod) is None for pod in labelled)

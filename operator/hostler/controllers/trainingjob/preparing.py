"""The preparation of a job's data, which comes before its seat: what is seen of it.

It holds no accelerators and is no attempt: its Job has labels of its own, and what it put out is in the status, so that
its pod need not stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from hostler.api.trainingjob import Preparation, TrainingJobSpec, TrainingJobStatus
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.ports import Object, Reader
from hostler.controllers.trainingjob.data import DataVersion
from hostler.manifests import naming
from hostler.manifests.hashing import content_hash
from hostler.planning import pods as read
from hostler_contract import JobConfig, Topology
from hostler_contract.preparing import PreparationReport

SMALL_BYTES = 64 << 20
"""Data that is known to be no larger is prepared by the training: a pod of its own would take longer to begin."""


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """In place of a seat: the data comes first."""

    name: str
    """Of the Job."""
    config: JobConfig
    """What it is asked to do."""
    job: Object | None = None
    """The Job, where it is there."""
    pods: tuple[Object, ...] = ()
    refused: str = ""
    """Sentence where its pods are refused."""
    held_up: str = ""
    """Sentence where its pod cannot mount, or the claim has no volume."""
    others: tuple[Object, ...] = ()
    """Jobs that prepare what is not wanted any more."""

    @property
    def ended(self) -> bool:
        """Whether the Job will start no further pod."""
        conditions = ((self.job or {}).get("status") or {}).get("conditions") or ()
        return any(c["type"] in {"Failed", "Complete"} and c.get("status") == "True" for c in conditions)

    @property
    def running(self) -> Object | None:
        """The pod that is at it."""
        return next((pod for pod in self.pods if read.is_running(pod)), None)

    @property
    def report(self) -> PreparationReport | None:
        """The last words of the pod that ended last, where they make sense; success before failure."""
        endings = sorted((end for pod in self.pods for end in read.endings(pod)), key=lambda end: end.finished_at)
        reports = [found for end in endings if (found := _report(end.message)) is not None]
        return next((report for report in reports if report.reason is None), reports[-1] if reports else None)


def is_wanted(
    spec: TrainingJobSpec, status: TrainingJobStatus, *, data: DataVersion | None, apart: bool, begun: bool
) -> bool:
    """Whether the data is to be prepared before training. A job that has begun otherwise goes on as it has begun."""
    if spec.preparation is Preparation.WITH_TRAINING or (begun and status.prepared is None):
        return False
    if spec.preparation is Preparation.SEPARATE:
        return True
    source = spec.dataset.source
    small = (source is not None and source.config_map is not None) or (
        data is not None and data.size_bytes <= SMALL_BYTES
    )
    return apart and not small


def asked_of(config: JobConfig) -> JobConfig:
    """What a preparation is asked to do: all that decides what the data becomes, and nothing that an attempt is apart
    from that."""
    return config.model_copy(
        update={
            "attempt": 0,
            "topology": Topology(pods=1, processes_per_pod=1),
            "shrink": 1,
            "resume_from": None,
            "prepared": None,
            "flops_per_unit": None,
            "peak_flops_per_process": None,
            "accelerator": "cpu",
        }
    )


def name_of(config: JobConfig) -> str:
    """Name of the Job: another one where something else is to be prepared."""
    decides = config.model_dump(
        mode="json", include={"name", "family", "objective", "model", "inputs", "dataset", "packing", "overlong"}
    )
    options = config.hyperparameters
    return naming.preparation_name(config.name, content_hash([decides, options.context_length, options.seed], length=8))


class Preparations:
    """Looks for what prepares data."""

    def __init__(self, reader: Reader, failures: CreationFailures) -> None:
        self._reader = reader
        self._failures = failures

    def jobs(self, job: Object) -> tuple[Object, ...]:
        """All Jobs that prepare data for this job, but those on their way out."""
        metadata = job["metadata"]
        listed = self._reader.list(
            "Job", namespace=metadata["namespace"], labels={naming.PREPARATION: metadata["name"]}
        )
        return tuple(each for each in listed if _owned_by(each, job) and not each["metadata"].get("deletionTimestamp"))

    async def look(self, config: JobConfig, *, jobs: Iterable[Object], claim: Object | None) -> Preparing:
        """How far it is."""
        name = name_of(config)
        job = next((each for each in jobs if each["metadata"]["name"] == name), None)
        others = tuple(each for each in jobs if each is not job)
        if job is None:
            return Preparing(name=name, config=config, others=others)
        listed = self._reader.list("Pod", namespace=config.namespace, labels={naming.PREPARATION: config.name})
        pods = tuple(pod for pod in listed if _owned_by(pod, job))
        return Preparing(
            name=name,
            config=config,
            job=job,
            pods=pods,
            refused=await self._failures.of_job(job, pods),
            held_up=await self._held_up(pods, claim),
            others=others,
        )

    async def _held_up(self, pods: Iterable[Object], claim: Object | None) -> str:
        waiting = [pod for pod in pods if not read.is_running(pod) and not read.is_terminal(pod)]
        for pod in waiting:
            if said := await self._failures.of_pod(pod):
                return said
        return await self._failures.of_claim(claim) if waiting and claim is not None else ""


def told(jobs: Iterable[Object], status: TrainingJobStatus) -> tuple[Object, ...]:
    """Jobs whose word is in the status: a pod that has ended would keep the workspace's claim from going away."""
    name = None if status.prepared is None else status.prepared.job
    return tuple(each for each in jobs if each["metadata"]["name"] == name)


def _owned_by(child: Object, owner: Object) -> bool:
    references = child["metadata"].get("ownerReferences") or ()
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def _report(message: str) -> PreparationReport | None:
    try:
        return PreparationReport.from_json(message)
    except ValidationError:
        return None

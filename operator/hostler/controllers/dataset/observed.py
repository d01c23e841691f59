"""Everything that one decision about a Dataset looks at, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from hostler.api.dataset import DatasetSpec, DatasetStatus
from hostler.controllers.ports import Object
from hostler.manifests.datasetjob import tries_of
from hostler.planning import pods as read
from hostler_contract import DatasetReport


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of a dataset and of what looks at it."""

    dataset: Object
    spec: DatasetSpec
    status: DatasetStatus
    job: Object | None = None
    """The Job of this generation."""
    pods: tuple[Object, ...] = ()
    """Its pods."""
    refused: str = ""
    """Sentence where its pods are refused."""
    file_missing: bool = False
    """Whether somebody has deleted the ConfigMap that a pod needs to begin."""
    held_up: str = ""
    """Sentence where its pod cannot mount, or the claim with the data has no volume."""
    missing: str = ""
    """A sentence where the claim, ConfigMap or key of the source does not exist."""
    obsolete: tuple[Object, ...] = ()
    """Children of earlier generations."""

    @property
    def generation(self) -> int:
        """The spec's generation."""
        return int(self.dataset["metadata"].get("generation") or 0)

    @property
    def inspected(self) -> bool:
        """Whether status speaks of this generation already. What was found is never looked at again."""
        return self.status.inspected_generation == self.generation

    @property
    def job_ended(self) -> bool:
        """Whether the Job will start no further pod."""
        return self.job is not None and ended(self.job)

    @property
    def outlived(self) -> bool:
        """Whether the inspector has ended, and its pod has not: a container that an admission webhook put beside it (a
        mesh's proxy) runs on, and the Job controller waits for it."""
        return any(map(read.is_outlived, self.pods))

    @property
    def failed(self) -> bool:
        """Whether an inspector ended in a way after which its Job makes another pod. One that finds fault with the data
        has done its work."""
        return any(ending.exit_code for pod in self.pods for ending in read.endings(pod))

    @property
    def interrupted(self) -> bool:
        """Whether its Job was suspended to be rid of a pod that would not end, and is to go on."""
        return self.job is not None and bool(self.job["spec"].get("suspend")) and tries_of(self.job) > 0

    @property
    def report(self) -> DatasetReport | None:
        """The last words of the pod that ended last, where they make sense; success before failure."""
        endings = sorted((end for pod in self.pods for end in read.endings(pod)), key=lambda end: end.finished_at)
        reports = [found for end in endings if (found := _report(end.message)) is not None]
        return next((report for report in reports if report.reason is None), reports[-1] if reports else None)


def ended(job: Object) -> bool:
    """Whether a Job will start no further pod."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in {"Complete", "Failed"} and c.get("status") == "True" for c in conditions)


def _report(message: str) -> DatasetReport | None:
    try:
        return DatasetReport.from_json(message)
    except ValidationError:
        return None

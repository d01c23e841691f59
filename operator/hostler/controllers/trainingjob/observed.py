"""Everything that one decision about a TrainingJob looks at, frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from hostler.api.conditions import is_true
from hostler.api.trainingjob import TrainingCondition, TrainingJobSpec, TrainingJobStatus
from hostler.controllers.ports import Object
from hostler.controllers.trainingjob.data import DataVersion
from hostler.planning.acceptance import PoolChoice, TrainingFacts
from hostler.planning.demand import Demand
from hostler.planning.models import NamedModel
from hostler_contract import Progress


class AttemptState(Enum):
    """Where the Job of an attempt stands."""

    LIVE = auto()
    """Pods of it run, or may still run."""
    COMPLETE = auto()
    FAILED = auto()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One Job with its pods."""

    number: int
    job: Object
    pods: tuple[Object, ...]

    @property
    def state(self) -> AttemptState:
        """What the Job's own conditions say."""
        true = {c["type"] for c in (self.job.get("status") or {}).get("conditions") or () if c.get("status") == "True"}
        if "Complete" in true:
            return AttemptState.COMPLETE
        return AttemptState.FAILED if "Failed" in true else AttemptState.LIVE

    @property
    def size(self) -> int:
        """Pods that it wants."""
        return int(self.job["spec"].get("parallelism") or 1)

    @property
    def deleted(self) -> bool:
        """Whether the Job is on its way out."""
        return bool(self.job["metadata"].get("deletionTimestamp"))


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of a job and of all that it depends on."""

    job: Object
    spec: TrainingJobSpec
    status: TrainingJobStatus
    attempts: tuple[Attempt, ...] = ()
    """By number. A Job of an earlier object of the same name is not among them."""
    unended: tuple[Object, ...] = ()
    """Pods under this job's name whose containers may still run, of whichever attempt."""
    unended_on_lost_nodes: tuple[str, ...] = ()
    """Nodes that are not ready and hold such a pod: nobody can confirm its end."""
    claim: Object | None = None
    """The claim named after the job."""
    model: Object | None = None
    """The Model of the name that the job puts out."""
    inputs: tuple[NamedModel, ...] = ()
    """Base and parts, by the order of the spec."""
    data: DataVersion | None = None
    """The Dataset that the job names, where it is Ready. The spec here has the data itself in place of the name."""
    facts: TrainingFacts = field(default_factory=TrainingFacts)
    pool: Callable[[], PoolChoice]
    """Looks at the pool, only when a decision needs it. Reads caches, nothing else."""
    promised: Callable[[int], Demand | None]
    """What was promised for an attempt that no cache shows yet."""
    progress: Progress | None = None
    missing: tuple[str, ...] = ()
    """Kinds among the running attempt's Service and ConfigMap that somebody has deleted."""
    obsolete: tuple[Object, ...] = ()
    """Children of attempts that are over."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.job["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The job's namespace."""
        return str(self.job["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """The job's UID."""
        return str(self.job["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """The spec's generation."""
        return int(self.job["metadata"].get("generation") or 0)

    @property
    def ended(self) -> bool:
        """Whether the job has succeeded, or failed for good. Neither is ever taken back."""
        found = self.status.conditions
        return is_true(found, TrainingCondition.SUCCEEDED) or is_true(found, TrainingCondition.STALLED)

    @property
    def newest(self) -> Attempt | None:
        """The attempt with the highest number."""
        return self.attempts[-1] if self.attempts else None

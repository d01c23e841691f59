"""Everything that one decision about a TrainingJob looks at, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from hostler.api.choice import PoolDecision
from hostler.api.conditions import is_true
from hostler.api.estimate import JobEstimate
from hostler.api.trainingjob import Retry, TrainingCondition, TrainingJobSpec, TrainingJobStatus, TrainingReason
from hostler.controllers.ports import Object
from hostler.controllers.trainingjob.data import DataVersion
from hostler.controllers.trainingjob.seat import Considered, SeatVerdict
from hostler.manifests.job import ASKED
from hostler.planning import pods as read
from hostler.planning.acceptance import PoolChoice
from hostler.planning.jobacceptance import TrainingFacts
from hostler.planning.models import NamedModel
from hostler.planning.resuming import OtherJob
from hostler.planning.verdicts import Preempt, TakeBack
from hostler_contract import Progress


class AttemptState(Enum):
    """Where an attempt stands."""

    LIVE = auto()
    """Pods of it run, or may still run."""
    COMPLETE = auto()
    """Every trainer ended well."""
    FAILED = auto()
    """A trainer did not, or a pod was lost."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One Job with its pods."""

    number: int
    job: Object
    pods: tuple[Object, ...]
    abandoned: bool = False
    """Whether a trainer ended with an error some time ago in a pod that a stranger's container keeps from ending, so
    that the Job controller will not notice."""

    @property
    def state(self) -> AttemptState:
        """What the trainers' ends say, and the Job's own conditions.

        A pod counts by its trainer. A container that an admission webhook put beside it (a mesh's proxy) may outlive
        the trainer, or end with an error of its own, and neither changes what the trainer has done.
        """
        if self._job_is("Complete") or (self._trainers_succeeded and (self._job_is("Failed") or self._outlived)):
            return AttemptState.COMPLETE
        if self._job_is("Failed") or self.abandoned:
            return AttemptState.FAILED
        return AttemptState.LIVE

    @property
    def job_ended(self) -> bool:
        """Whether the Job controller is done with it: no pod of it runs or will run."""
        return self._job_is("Complete") or self._job_is("Failed")

    @property
    def ended_at(self) -> str | None:
        """When the Job controller was done with it."""
        conditions = (self.job.get("status") or {}).get("conditions") or ()
        ends = [c for c in conditions if c["type"] in ("Complete", "Failed") and c.get("status") == "True"]
        return next((c["lastTransitionTime"] for c in ends if c.get("lastTransitionTime")), None)

    @property
    def asked(self) -> str | None:
        """What of the spec it was made from; see ``hostler.manifests.job.asked``."""
        found: str | None = (self.job["metadata"].get("annotations") or {}).get(ASKED)
        return found

    @property
    def size(self) -> int:
        """Pods that it wants."""
        return int(self.job["spec"].get("parallelism") or 1)

    @property
    def deleted(self) -> bool:
        """Whether the Job is on its way out."""
        return bool(self.job["metadata"].get("deletionTimestamp"))

    @property
    def done(self) -> tuple[Object, ...]:
        """Pods whose trainer ended well."""
        return tuple(pod for pod in self.pods if read.phase(pod) == "Succeeded" or _ended_well(pod))

    @property
    def running(self) -> tuple[Object, ...]:
        """Pods whose trainer runs."""
        return tuple(pod for pod in self.pods if read.is_running(pod) and read.own_end(pod) is None)

    @property
    def hurt(self) -> tuple[Object, ...]:
        """Pods that end, or have ended, before their work was done."""
        done = self.done
        broken = (pod for pod in self.pods if pod not in done)
        return tuple(pod for pod in broken if read.is_terminal(pod) or read.is_terminating(pod) or read.own_end(pod))

    @property
    def silent(self) -> bool:
        """Whether the last words of a trainer are still on their way: the Job may be ahead of the pods' watch."""
        return any(not read.is_terminal(pod) and read.own_end(pod) is None for pod in self.pods)

    @property
    def _trainers_succeeded(self) -> bool:
        return len(self.pods) >= self.size and all(map(_ended_well, self.pods))

    @property
    def _outlived(self) -> bool:
        return any(map(read.is_outlived, self.pods))

    def _job_is(self, condition: str) -> bool:
        conditions = (self.job.get("status") or {}).get("conditions") or ()
        return any(c["type"] == condition and c.get("status") == "True" for c in conditions)


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """What keeps pods of an attempt from starting."""

    reason: TrainingReason
    """ChildRefused where the pods are refused, else Starting."""
    message: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of a job and of all that it depends on."""

    job: Object
    spec: TrainingJobSpec
    status: TrainingJobStatus
    now: str
    """The moment: RFC 3339, UTC."""
    attempts: tuple[Attempt, ...] = ()
    """By number. A Job of an earlier object of the same name is not among them. Of a job that has ended, at most the
    newest, where it still holds its seat."""
    unended: tuple[Object, ...] = ()
    """Pods under this job's name whose containers may still run, of whichever attempt."""
    lost_nodes: tuple[str, ...] = ()
    """Nodes that are not ready and hold such a pod: nobody can confirm its end."""
    claim: Object | None = None
    """The claim named after the job."""
    model: Object | None = None
    """The Model of the name that the job puts out."""
    inputs: tuple[NamedModel, ...] = ()
    """Base and parts, by the order of the spec."""
    data: DataVersion | None = None
    """The Dataset that the job names, where it is Ready. The spec here has the data itself in place of the name."""
    other: OtherJob | None = None
    """The job whose checkpoints are the start; None where none is named, or it is not needed any more."""
    awaited: bool = False
    """Whether a job that has not ended names this one in ``spec.resumeFrom``; asked where it makes a difference."""
    facts: TrainingFacts = field(default_factory=TrainingFacts)
    pool: PoolChoice
    """What the pool of the spec has, whatever is free of it."""
    verdict: SeatVerdict = field(default_factory=Considered)
    """The answer of admission, where a seat is what the job wants."""
    taken_back: TakeBack | None = None
    """Why the job has to give its seat back; None while it may keep it."""
    preemption: Preempt | None = None
    """Why the job has to leave its seats, or some of them, for somebody else; None while it may keep them."""
    choice: PoolDecision | None = None
    """The pool that was chosen now; None where that is not asked, or stays."""
    estimate: JobEstimate | None = None
    """What it is expected to take, of an accepted job that wants a seat; None where that is not asked now."""
    obstacle: Obstacle | None = None
    """What keeps pods of the running attempt from starting."""
    start_grace_seconds: float
    """For how long an obstacle may last before the seat is given back."""
    progress: Progress | None = None
    services: tuple[Object, ...] = ()
    """Service of the newest attempt, where that is over or to be ended and there is one."""
    obsolete: tuple[Object, ...] = ()
    """Jobs of earlier attempts that nobody needs for their logs any more, and those that prepared data, once status
    has their word."""
    preparations: tuple[Object, ...] = ()
    """Jobs that prepare data."""

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
        """Whether the job has succeeded, or stopped for good."""
        found = self.status.conditions
        return is_true(found, TrainingCondition.SUCCEEDED) or is_true(found, TrainingCondition.STALLED)

    @property
    def reserved(self) -> bool:
        """Whether a seat is written down on which no attempt has begun yet, or not all of its pods have come."""
        placement = self.status.placement
        return placement is not None and bool(placement.nodes) and placement.deadline is not None

    @property
    def newest(self) -> Attempt | None:
        """The attempt with the highest number whose Job is there."""
        return self.attempts[-1] if self.attempts else None

    @property
    def remembered(self) -> int:
        """The newest attempt that status knows of; -1 before the first."""
        return -1 if self.status.attempt is None else self.status.attempt

    @property
    def latest(self) -> int:
        """The highest number ever used, which never goes back; -1 before the first."""
        return max(self.remembered, self.newest.number if self.newest else -1)

    @property
    def retry(self) -> Retry:
        """What is counted so far. A status of an older release has counted all attempts but the newest."""
        return self.status.retry or Retry(after=max(-1, self.remembered - 1))


def _ended_well(pod: Object) -> bool:
    ending = read.own_end(pod)
    return ending is not None and ending.exit_code == 0

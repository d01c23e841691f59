"""Progress of training jobs and of imports: which pods are asked for it, and what of their answers is seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hostler.api.trainingjob import TrainingProgress
from hostler.cluster.store import Change, Store
from hostler.controllers.ports import Key, Object
from hostler.controllers.trainingjob.progress import shown
from hostler.manifests import naming
from hostler.operator.podhttp import PodHttp, ProbeError
from hostler.operator.prober import Prober, Target
from hostler.planning import pods
from hostler_contract import Progress
from hostler_contract.importing import ImportProgress

PATH = "/progress"
PUBLISH_READINGS = 2
"""What a job shows stays for at least the time of so many readings: ten seconds, with the default of five."""
FIGURES_READINGS = 6
"""For this long where only figures moved that always move, such as the loss."""
_FIGURES = (
    "step",
    "loss",
    "losses",
    "learning_rate",
    "gradient_norm",
    "speed",
    "model_flops_utilization",
    "packing_factor",
    "data_wait",
    "memory",
    "eta",
)
"""What moves with every step."""
Answer = Progress | ImportProgress
_ANSWERS: dict[str, type[Progress] | type[ImportProgress]] = {"TrainingJob": Progress, "Model": ImportProgress}
"""What a pod says, by the kind of object that it works for."""


@dataclass(kw_only=True)
class _Fact:
    published: Answer
    shown: TrainingProgress | ImportProgress
    published_at: float
    heard_at: float


class ProgressFacts:
    """The ``Facts`` of ``hostler.controllers.ports``.

    An answer is *published* when it shows something else than the last one that was published, and that one has stood
    for a while. ``changed`` is called with the job or model then, and only then.
    """

    def __init__(
        self, changed: Callable[[Key], None], *, interval: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """``interval`` is the time between two readings of a pod, in seconds."""
        self._changed = changed
        self._interval = interval
        self._monotonic = monotonic
        self._facts: dict[str, _Fact] = {}

    def __len__(self) -> int:
        return len(self._facts)

    def progress(self, pod_uid: str) -> Progress | None:
        """The last published snapshot of this pod."""
        found = self._published(pod_uid)
        return found if isinstance(found, Progress) else None

    def importing(self, pod_uid: str) -> ImportProgress | None:
        """The last published snapshot of this pod, which imports a model."""
        found = self._published(pod_uid)
        return found if isinstance(found, ImportProgress) else None

    def _published(self, pod_uid: str) -> Answer | None:
        fact = self._facts.get(pod_uid)
        return fact.published if fact else None

    def age(self, pod_uid: str) -> float | None:
        """Seconds since this pod last answered."""
        fact = self._facts.get(pod_uid)
        return self._monotonic() - fact.heard_at if fact else None

    def take(self, pod_uid: str, progress: Answer, *, job: Key) -> None:
        """A pod of this job or model has answered."""
        now = self._monotonic()
        fact = self._facts.get(pod_uid)
        seen = shown(progress) if isinstance(progress, Progress) else progress
        if fact is not None:
            fact.heard_at = now
            if not _worth_showing(seen, fact.shown, readings=(now - fact.published_at) / self._interval):
                return
        self._facts[pod_uid] = _Fact(published=progress, shown=seen, published_at=now, heard_at=now)
        self._changed(job)

    def forget(self, pod_uid: str) -> None:
        """This pod is not asked any more."""
        self._facts.pop(pod_uid, None)


def _worth_showing(
    new: TrainingProgress | ImportProgress, old: TrainingProgress | ImportProgress, *, readings: float
) -> bool:
    if readings < PUBLISH_READINGS or new == old:
        return False
    if isinstance(new, ImportProgress) or isinstance(old, ImportProgress):
        return True
    without_figures: dict[str, Any] = dict.fromkeys(_FIGURES)
    return readings >= FIGURES_READINGS or new.model_copy(update=without_figures) != old.model_copy(
        update=without_figures
    )


class ProgressQuestion:
    """Asks rank 0 of a TrainingJob, and the pod that imports a Model. Who is asked follows the store's changes."""

    def __init__(self, http: PodHttp, *, store: Store, facts: ProgressFacts) -> None:
        self._http = http
        self._store = store
        self._facts = facts

    async def ask(self, target: Target) -> Answer | None:
        """The snapshot; None for a pod that belongs to no TrainingJob or Model."""
        whose = self._job_of(target)
        if whose is None:
            return None
        answer = await self._http.get(target.ip, PATH)
        try:
            return _ANSWERS[whose.kind].from_json(answer)
        except ValueError as error:
            raise ProbeError("malformed", f"GET {PATH} was answered with something that is no progress") from error

    def heard(self, target: Target, answer: Answer) -> None:
        """Into the facts with it."""
        if (job := self._job_of(target)) is not None:
            self._facts.take(target.uid, answer, job=job)

    def follow(self, change: Change, prober: Prober[Answer]) -> None:
        """Keep the targets current."""
        if change.kind != "Pod":
            return
        target = target_of(change.new) if change.new is not None else None
        before = str(change.old["metadata"].get("uid")) if change.old is not None else None
        if before is not None and (target is None or target.uid != before):
            prober.forget(before)
            self._facts.forget(before)
        if target is not None:
            prober.follow(target)

    def _job_of(self, target: Target) -> Key | None:
        """The TrainingJob or Model behind a pod, by the owners' uids: a label is anybody's to write.

        It is looked up for each question, because the watches of pods, Jobs and what they work for do not wait for each
        other.
        """
        job = self._store.get("Job", namespace=target.namespace, name=target.job)
        if job is None or job["metadata"].get("uid") != target.job_uid:
            return None
        owner = _controller(job)
        if owner is None or owner.get("kind") not in _ANSWERS:
            return None
        ours = self._store.get(owner["kind"], namespace=target.namespace, name=owner["name"])
        if ours is None or ours["metadata"].get("uid") != owner["uid"]:
            return None
        return Key(owner["kind"], target.namespace, owner["name"])


def target_of(pod: Object) -> Target | None:
    """Rank 0 of an attempt, or what imports a model or prepares data, where it can be asked now; None for every other
    pod."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    alone = naming.MODEL in labels or naming.PREPARATION in labels
    asked = pods.index(pod) == 0 if naming.TRAINING_JOB in labels else alone
    address, owner = pods.ip(pod), _controller(pod)
    if not asked or not pods.is_running(pod) or address is None:
        return None
    if owner is None or owner.get("kind") != "Job":
        return None
    return Target(
        uid=metadata["uid"], namespace=metadata["namespace"], ip=address, job=owner["name"], job_uid=owner["uid"]
    )


def _controller(obj: Object) -> Object | None:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)

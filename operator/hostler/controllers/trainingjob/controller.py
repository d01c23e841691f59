"""The loop body of TrainingJob."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import ValidationError

from hostler.api.trainingjob import TrainingJobStatus, TrainingReason
from hostler.controllers import triggers
from hostler.controllers.ledger import Ledger, Workload
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.ports import Clock, Facts, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import change, conditions
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import wording
from hostler.controllers.trainingjob.decide import Decision, decide
from hostler.controllers.trainingjob.gather import Gatherer
from hostler.controllers.trainingjob.observed import AttemptState, Observed
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming
from hostler.planning import pods as read
from hostler_contract import Progress


class TrainingJobController:
    """Gather, decide, act, status."""

    kind = "TrainingJob"

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        facts: Facts,
        settings: Settings,
        ledger: Ledger,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._facts = facts
        self._settings = settings
        self._ledger = ledger
        self._gatherer = Gatherer(reader, clock, ledger)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one job a step further."""
        job = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        if job is None or job["metadata"].get("deletionTimestamp"):
            # Children have the job as their owner; the garbage collector takes them.
            return Outcome()
        try:
            seen = await self._gatherer.gather(job)
        except ValidationError as error:
            return await write_status(self._writer, job, self._invalid(job, error))
        seen = replace(seen, progress=self._progress(seen))
        decision = self._decide(key, seen)
        plan = decision.plan
        try:
            await write_children(self._writer, plan)
        except RefusedError as refusal:
            plan = self._refused(seen, decision, refusal)
        return await write_status(self._writer, job, plan)

    def affected(self, kind: str, changed: Object) -> Iterable[Key]:
        """Jobs that a change of any watched object may concern."""
        return triggers.affected(self._reader, self.kind, label=naming.TRAINING_JOB, kind=kind, changed=changed)

    def _decide(self, key: Key, seen: Observed) -> Decision:
        # There must be no await between the look at the pool, inside decide, and the note of the promise.
        decision = decide(seen, now=self._clock.now(), settings=self._settings)
        if decision.promise is not None:
            name, demand = decision.promise
            workload = Workload(naming.TRAINING_JOB, key.namespace, key.name)
            self._ledger.note(workload, "Job", name=name, demand=demand)
        return decision

    def _progress(self, seen: Observed) -> Progress | None:
        """What rank 0 of the attempt under way has told; nobody waits for it here."""
        attempt = seen.newest
        if attempt is None or attempt.state is not AttemptState.LIVE or seen.ended:
            return None
        first = next((pod for pod in attempt.pods if read.index(pod) == 0 and read.is_running(pod)), None)
        return self._facts.progress(first["metadata"]["uid"]) if first else None

    def _refused(self, seen: Observed, decision: Decision, refusal: RefusedError) -> Plan:
        """Nothing was started: say what the server said, and try again later."""
        if decision.promise is not None:
            self._ledger.drop("Job", namespace=seen.namespace, name=decision.promise[0])
        if refusal.name_taken:
            said = wording.rejected(TrainingReason.NAME_TAKEN, f"{refusal}.")
        else:
            said = wording.refused(wording.Standing(), f"The API server refused {refusal}")
        return self._saying(seen.job, seen.status, said)

    def _invalid(self, job: Object, error: ValidationError) -> Plan:
        said = wording.rejected(TrainingReason.INVALID_SPEC, invalid_spec_sentence(error))
        return self._saying(job, TrainingJobStatus.model_validate(job.get("status") or {}), said)

    def _saying(self, job: Object, status: TrainingJobStatus, said: wording.Wording) -> Plan:
        generation = int(job["metadata"].get("generation") or 0)
        after = conditions(status.conditions, said, generation=generation, now=self._clock.now())
        shown = status.model_copy(update={"observed_generation": generation, "conditions": after})
        return Plan(
            status=shown.model_dump(mode="json", by_alias=True, exclude_none=True),
            happening=change(status.conditions, after, warnings=wording.WARNINGS),
            requeue_after=self._settings.recheck_seconds,
        )

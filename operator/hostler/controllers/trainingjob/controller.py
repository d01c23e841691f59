"""The loop body of TrainingJob."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import ValidationError

from hostler.api.trainingjob import TrainingJobStatus, TrainingReason
from hostler.cluster.store import Change
from hostler.controllers import triggers
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.ports import Admission, Clock, Facts, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import change, conditions
from hostler.controllers.settings import Settings
from hostler.controllers.trainingjob import wording
from hostler.controllers.trainingjob.decide import decide
from hostler.controllers.trainingjob.gather import Gatherer
from hostler.controllers.trainingjob.observed import AttemptState, Observed
from hostler.controllers.trainingjob.preparing import Preparing
from hostler.controllers.validity import invalid_spec_sentence
from hostler.controllers.workloads import is_managed_elsewhere, workload_of
from hostler.manifests import naming
from hostler.planning import pods as read
from hostler.planning.verdicts import Workload
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
        admission: Admission,
        failures: CreationFailures,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._facts = facts
        self._settings = settings
        self._admission = admission
        self._gatherer = Gatherer(reader, clock, admission=admission, failures=failures, settings=settings)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one job a step further."""
        job = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        workload = Workload(self.kind, key.namespace, key.name)
        if job is None or job["metadata"].get("deletionTimestamp"):
            # Children have the job as their owner; the garbage collector takes them. A look that was under way when the
            # job was deleted may have asked since.
            self._admission.withdraw(workload)
            return Outcome()
        if is_managed_elsewhere(job):
            return await self._leave_alone(job)
        try:
            seen = await self._gatherer.gather(job)
        except ValidationError as error:
            # What nobody can read is no request any more, and would stand before others for ever.
            self._admission.withdraw(workload)
            return await write_status(self._writer, job, self._invalid(job, error))
        seen = replace(seen, progress=self._progress(seen))
        plan = decide(seen, settings=self._settings)
        try:
            await write_children(self._writer, job, plan)
        except RefusedError as refusal:
            plan = self._refused(seen, plan, refusal)
        return await write_status(self._writer, job, plan)

    def affected(self, change: Change) -> Iterable[Key]:
        """Jobs that a change of any watched object may concern."""
        found = dict.fromkeys(triggers.affected(self._reader, self.kind, label=naming.TRAINING_JOB, change=change))
        for obj in filter(None, (change.old, change.new)):
            if named := (obj["metadata"].get("labels") or {}).get(naming.PREPARATION):
                found[Key(self.kind, obj["metadata"].get("namespace", ""), named)] = None
        return found

    async def _leave_alone(self, job: Object) -> Outcome:
        """Another controller carries the job out. It writes the status; one that says nothing yet says whose it is."""
        self._admission.withdraw(workload_of(job))
        status = job.get("status") or {}
        if status.get("conditions"):
            return Outcome()
        plan = self._saying(job, TrainingJobStatus(), wording.managed_elsewhere(str(job["spec"]["managedBy"])))
        return await write_status(self._writer, job, replace(plan, requeue_after=None, happening=None))

    def _progress(self, seen: Observed) -> Progress | None:
        """What rank 0 of the attempt under way has told, or the pod that prepares the data; nobody waits for it
        here."""
        if isinstance(seen.verdict, Preparing):
            at_it = seen.verdict.running
            return self._facts.progress(at_it["metadata"]["uid"]) if at_it else None
        attempt = seen.newest
        if attempt is None or attempt.state is not AttemptState.LIVE or seen.ended:
            return None
        first = next((pod for pod in attempt.pods if read.index(pod) == 0 and read.is_running(pod)), None)
        return self._facts.progress(first["metadata"]["uid"]) if first else None

    def _refused(self, seen: Observed, plan: Plan, refusal: RefusedError) -> Plan:
        """Nothing was started: say what the server said, and try again later, on the same seat until its deadline."""
        if refusal.name_taken:
            said = wording.rejected(TrainingReason.NAME_TAKEN, f"{refusal}.")
        else:
            said = wording.refused(wording.Standing(), f"The API server refused {refusal}")
        status = TrainingJobStatus.model_validate(plan.status) if plan.status_first else seen.status
        return self._saying(seen.job, status, said)

    def _invalid(self, job: Object, error: ValidationError) -> Plan:
        said = wording.rejected(TrainingReason.INVALID_SPEC, invalid_spec_sentence(error))
        return self._saying(job, TrainingJobStatus.model_validate(job.get("status") or {}), said)

    def _saying(self, job: Object, status: TrainingJobStatus, said: wording.Wording) -> Plan:
        generation = int(job["metadata"].get("generation") or 0)
        after = conditions(status.conditions, said, generation=generation, now=self._clock.now())
        shown = status.model_copy(update={"observed_generation": generation, "conditions": after, "queue": None})
        return Plan(
            status=shown.model_dump(mode="json", by_alias=True, exclude_none=True),
            happening=change(status.conditions, after, warnings=wording.WARNINGS),
            requeue_after=self._settings.recheck_seconds,
        )

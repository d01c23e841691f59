"""The loop body of InferenceService."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from hostler.api.inferenceservice import InferenceServiceStatus, ServiceReason
from hostler.controllers import triggers
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.inferenceservice import wording
from hostler.controllers.inferenceservice.decide import Decision, decide
from hostler.controllers.inferenceservice.gather import Gatherer
from hostler.controllers.inferenceservice.observed import Observed
from hostler.controllers.ledger import Ledger, Workload
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import change, conditions
from hostler.controllers.settings import Settings
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming


class InferenceServiceController:
    """Gather, decide, act, status."""

    kind = "InferenceService"

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        settings: Settings,
        ledger: Ledger,
        failures: CreationFailures,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._ledger = ledger
        self._gatherer = Gatherer(reader, ledger=ledger, failures=failures)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one service a step further."""
        service = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return Outcome()
        try:
            seen = await self._gatherer.gather(service)
        except ValidationError as error:
            return await write_status(self._writer, service, self._invalid(service, error))
        decision = self._decide(key, seen)
        try:
            plan = await write_children(self._writer, decision.plan)
        except RefusedError as refusal:
            plan = self._refused(seen, refusal)
        return await write_status(self._writer, service, plan)

    def affected(self, kind: str, changed: Object) -> Iterable[Key]:
        """Services that a change of any watched object may concern."""
        return triggers.affected(self._reader, self.kind, label=naming.INFERENCE_SERVICE, kind=kind, changed=changed)

    def _decide(self, key: Key, seen: Observed) -> Decision:
        # There must be no await between the look at the pool, inside decide, and the note of the promise.
        decision = decide(seen, now=self._clock.now(), settings=self._settings)
        if decision.promise is not None:
            workload = Workload(naming.INFERENCE_SERVICE, key.namespace, key.name)
            self._ledger.note(workload, "Deployment", name=key.name, demand=decision.promise)
        return decision

    def _refused(self, seen: Observed, refusal: RefusedError) -> Plan:
        self._ledger.drop("Deployment", namespace=seen.namespace, name=seen.name)
        if refusal.name_taken:
            said = wording.rejected(ServiceReason.NAME_TAKEN, f"{refusal}.")
        else:
            said = wording.refused(f"The API server refused {refusal}")
        return self._saying(seen.service, said)

    def _invalid(self, service: Object, error: ValidationError) -> Plan:
        return self._saying(service, wording.rejected(ServiceReason.INVALID_SPEC, invalid_spec_sentence(error)))

    def _saying(self, service: Object, said: wording.Wording) -> Plan:
        status = InferenceServiceStatus.model_validate(service.get("status") or {})
        generation = int(service["metadata"].get("generation") or 0)
        after = conditions(status.conditions, said, generation=generation, now=self._clock.now())
        shown = status.model_copy(update={"observed_generation": generation, "conditions": after})
        return Plan(
            status=shown.model_dump(mode="json", by_alias=True, exclude_none=True),
            happening=change(status.conditions, after, warnings=wording.WARNINGS),
            requeue_after=self._settings.recheck_seconds,
        )

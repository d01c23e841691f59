"""The loop body of InferenceService."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import ValidationError

from hostler.api.inferenceservice import InferenceServiceStatus, ServiceReason
from hostler.cluster.store import Change
from hostler.controllers import triggers
from hostler.controllers.creationfailures import CreationFailures
from hostler.controllers.inferenceservice import wording
from hostler.controllers.inferenceservice.admission import Ground, consider
from hostler.controllers.inferenceservice.decide import decide
from hostler.controllers.inferenceservice.gather import Gatherer
from hostler.controllers.inferenceservice.observed import Observed
from hostler.controllers.inferenceservice.seating import find_seats, workload_of
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.ports import Admission, Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import change, conditions
from hostler.controllers.settings import Settings
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming
from hostler.planning.verdicts import Workload


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
        admission: Admission,
        failures: CreationFailures,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._admission = admission
        self._gatherer = Gatherer(reader, admission=admission, failures=failures)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one service a step further."""
        service = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        workload = Workload(self.kind, key.namespace, key.name)
        if service is None or service["metadata"].get("deletionTimestamp"):
            # A look that was under way when the service was deleted may have asked since.
            self._admission.withdraw(workload)
            return Outcome()
        try:
            seen = await self._gatherer.gather(service)
        except ValidationError as error:
            # What nobody can read is no request any more, and would stand before others for ever.
            self._admission.withdraw(workload)
            return await write_status(self._writer, service, self._invalid(service, error))
        plan = decide(seen, self._ground(seen), now=self._clock.now(), settings=self._settings)
        try:
            plan = await write_children(self._writer, service, plan)
        except RefusedError as refusal:
            plan = self._refused(seen, plan, refusal)
        return await write_status(self._writer, service, plan)

    def affected(self, change: Change) -> Iterable[Key]:
        """Services that a change of any watched object may concern."""
        return triggers.affected(self._reader, self.kind, label=naming.INFERENCE_SERVICE, change=change)

    def _ground(self, seen: Observed) -> Ground | wording.Wording:
        """What replicas can be built on, seats included, or what is in the way."""
        ground = consider(seen, settings=self._settings)
        if not isinstance(ground, Ground):
            self._admission.withdraw(workload_of(seen))
            return ground
        seating, asked = find_seats(
            seen, view=ground.view, replacing=ground.replacing, lost=seen.taken_back, ask=self._admission.ask
        )
        if not asked:
            self._admission.withdraw(workload_of(seen))
        return replace(ground, seating=seating)

    def _refused(self, seen: Observed, plan: Plan, refusal: RefusedError) -> Plan:
        if refusal.name_taken:
            said = wording.rejected(ServiceReason.NAME_TAKEN, f"{refusal}.")
        else:
            said = wording.refused(f"The API server refused {refusal}")
        return self._saying(seen.service, said, status=plan.status if plan.status_first else None)

    def _invalid(self, service: Object, error: ValidationError) -> Plan:
        return self._saying(service, wording.rejected(ServiceReason.INVALID_SPEC, invalid_spec_sentence(error)))

    def _saying(self, service: Object, said: wording.Wording, *, status: Object | None = None) -> Plan:
        before = InferenceServiceStatus.model_validate(status or service.get("status") or {})
        generation = int(service["metadata"].get("generation") or 0)
        after = conditions(before.conditions, said, generation=generation, now=self._clock.now())
        shown = before.model_copy(update={"observed_generation": generation, "conditions": after, "queue": None})
        return Plan(
            status=shown.model_dump(mode="json", by_alias=True, exclude_none=True),
            happening=change(before.conditions, after, warnings=wording.WARNINGS),
            requeue_after=self._settings.recheck_seconds,
        )

"""The loop body of InferenceService."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from hostler.api.inferenceservice import (
    InferenceServiceSpec,
    InferenceServiceStatus,
    ServiceReason,
)
from hostler.controllers import triggers
from hostler.controllers.inferenceservice import wording
from hostler.controllers.inferenceservice.decide import Decision, decide
from hostler.controllers.inferenceservice.observed import Observed, config_name, superseded_names
from hostler.controllers.ledger import Ledger, Workload
from hostler.controllers.named import named_model
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.poolstate import choose
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import change, conditions
from hostler.controllers.settings import Settings
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming
from hostler.planning.models import NamedModel


class InferenceServiceController:
    """Gather, decide, act, status."""

    kind = "InferenceService"

    def __init__(self, reader: Reader, writer: Writer, *, clock: Clock, settings: Settings, ledger: Ledger) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._settings = settings
        self._ledger = ledger

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one service a step further."""
        service = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return Outcome()
        try:
            seen = await self._gather(service)
        except ValidationError as error:
            return await write_status(self._writer, service, self._invalid(service, error))
        decision = self._decide(key, seen)
        plan = decision.plan
        try:
            await write_children(self._writer, plan)
        except RefusedError as refusal:
            plan = self._refused(seen, refusal)
        return await write_status(self._writer, service, plan)

    def affected(self, kind: str, changed: Object) -> Iterable[Key]:
        """Services that a change of any watched object may concern."""
        return triggers.affected(self._reader, self.kind, label=naming.INFERENCE_SERVICE, kind=kind, changed=changed)

    async def _gather(self, service: Object) -> Observed:
        spec = InferenceServiceSpec.model_validate(service["spec"])
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        asks = Workload(naming.INFERENCE_SERVICE, namespace, name)
        served = named_model(self._reader, spec.model_ref, path="spec.modelRef", namespace=namespace)
        deployment = self._own(self._reader.get("Deployment", namespace=namespace, name=name), service)
        settled = _all_ready(deployment)
        return Observed(
            service=service,
            spec=spec,
            status=InferenceServiceStatus.model_validate(service.get("status") or {}),
            model=served.model,
            claim_exists=served.claim_exists,
            adapters=tuple(self._adapters(spec, namespace)),
            deployment=deployment,
            endpoint=self._own(self._reader.get("Service", namespace=namespace, name=name), service),
            pods=tuple(self._reader.list("Pod", namespace=namespace, labels={naming.INFERENCE_SERVICE: name})),
            config_missing=not settled and await self._config_missing(deployment, namespace),
            superseded=await self._superseded(deployment, namespace),
            pool=lambda: choose(self._reader, self._ledger, spec.accelerators.pool, asks=asks),
        )

    def _adapters(self, spec: InferenceServiceSpec, namespace: str) -> Iterator[NamedModel]:
        for index, adapter in enumerate(spec.adapters):
            path = f"spec.adapters[{index}].modelRef"
            yield named_model(self._reader, adapter.model_ref, path=path, namespace=namespace)

    def _own(self, child: Object | None, service: Object) -> Object | None:
        """A child of exactly this service; one of an earlier service of the same name is being removed."""
        owners = (child or {}).get("metadata", {}).get("ownerReferences") or ()
        return child if any(owner["uid"] == service["metadata"]["uid"] for owner in owners) else None

    async def _config_missing(self, deployment: Object | None, namespace: str) -> bool:
        name = config_name(deployment)
        # Not watched: a watch would keep every ConfigMap of the cluster in memory.
        return name is not None and await self._reader.live("ConfigMap", namespace=namespace, name=name) is None

    async def _superseded(self, deployment: Object | None, namespace: str) -> tuple[Object, ...]:
        found = [
            await self._reader.live("ConfigMap", namespace=namespace, name=name)
            for name in superseded_names(deployment)
        ]
        return tuple(config for config in found if config is not None)

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


def _all_ready(deployment: Object | None) -> bool:
    status = (deployment or {}).get("status") or {}
    return bool(status.get("replicas")) and status.get("readyReplicas") == status.get("replicas")

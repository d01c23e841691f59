"""Model and ClusterModel: whether the place of the artifacts exists, and whether the figures pass the gates."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from hostler.api.model import ModelCondition, ModelReason, ModelSpec, ModelStatus
from hostler.controllers.plan import Plan, write_status
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import Said, change, conditions, no, yes
from hostler.controllers.triggers import key_of
from hostler.controllers.validity import invalid_spec_sentence
from hostler.planning.models import obstacle

_WARNINGS = frozenset(reason.value for reason in ModelReason if reason is not ModelReason.ARTIFACTS_AVAILABLE)


class ModelController:
    """Writes nothing but status. One class for both kinds, because they have one schema."""

    def __init__(self, reader: Reader, writer: Writer, *, clock: Clock, kind: str) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self.kind = kind

    async def reconcile(self, key: Key) -> Outcome:
        """Look whether the artifacts' place is there."""
        model = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        if model is None or model["metadata"].get("deletionTimestamp"):
            return Outcome()
        claim = (model["spec"]["artifacts"]["source"].get("pvc") or {}).get("claimName")
        found = claim and self._reader.get("PersistentVolumeClaim", namespace=key.namespace, name=claim)
        plan = decide(model, claim_exists=bool(found), now=self._clock.now())
        return await write_status(self._writer, model, plan)

    def affected(self, kind: str, changed: Object) -> Iterable[Key]:
        """The model itself, and models on a claim."""
        if kind == self.kind:
            return [key_of(changed)]
        if kind != "PersistentVolumeClaim" or self.kind != "Model":
            return []
        name = changed["metadata"]["name"]
        return [
            key_of(model)
            for model in self._reader.list(self.kind, namespace=changed["metadata"]["namespace"])
            if (model["spec"]["artifacts"]["source"].get("pvc") or {}).get("claimName") == name
        ]


def decide(model: Object, *, claim_exists: bool, now: str) -> Plan:
    """The status of a model."""
    before = ModelStatus.model_validate(model.get("status") or {})
    generation = int(model["metadata"].get("generation") or 0)
    said = {ModelCondition.READY: _said(model, claim_exists=claim_exists)}
    after = conditions(before.conditions, said, generation=generation, now=now)
    status = before.model_copy(update={"observed_generation": generation, "conditions": after})
    return Plan(
        status=status.model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, after, warnings=_WARNINGS),
    )


def _said(model: Object, *, claim_exists: bool) -> Said:
    try:
        spec = ModelSpec.model_validate(model["spec"])
    except ValidationError as error:
        return no(ModelReason.INVALID_SPEC, invalid_spec_sentence(error))
    if found := obstacle(spec, claim_exists=claim_exists, namespace=model["metadata"].get("namespace", "")):
        return no(*found)
    source = spec.artifacts.source.pvc
    assert source is not None  # every other source is an obstacle
    where = f"claim {source.claim_name}, {source.path}" if source.path else f"claim {source.claim_name}"
    return yes(ModelReason.ARTIFACTS_AVAILABLE, f"The artifacts are on {where}.")

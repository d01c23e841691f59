"""Model and ClusterModel: whether the artifacts can be counted on, whether the figures pass the gates, who uses it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from hostler.api.model import USED_BY_LIMIT, ModelCondition, ModelReason, ModelSpec, ModelStatus, ModelUser
from hostler.cluster.store import Change
from hostler.controllers.catalog import Catalog, entries_of
from hostler.controllers.modelimport import ModelImports
from hostler.controllers.modelusers import models_of, users_of
from hostler.controllers.plan import Plan, write_status
from hostler.controllers.ports import Clock, Key, Object, Outcome, Reader, Writer
from hostler.controllers.said import Said, change, conditions, no, yes
from hostler.controllers.triggers import key_of, referring
from hostler.controllers.validity import invalid_spec_sentence
from hostler.manifests import naming
from hostler.planning.imports import facts_of, imported_of, is_imported
from hostler.planning.models import SAVE_FILES, missed_gates, obstacle

_WARNINGS = frozenset(reason.value for reason in ModelReason if reason is not ModelReason.ARTIFACTS_AVAILABLE)
_NAMED = 3
"""Users that a sentence names."""


class ModelController:
    """Writes nothing but status, and has others import. One class for both kinds, because they have one schema."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        *,
        clock: Clock,
        kind: str,
        imports: ModelImports | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        """``imports`` is for Models, ``catalog`` for ClusterModels."""
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._imports = imports
        self._catalog = catalog
        self.kind = kind

    async def reconcile(self, key: Key) -> Outcome:
        """Look whether the artifacts' place is there, and who needs them."""
        model = self._reader.get(self.kind, namespace=key.namespace, name=key.name)
        if model is None:
            return Outcome()
        name = _claim_name(model)
        claim = self._reader.get("PersistentVolumeClaim", namespace=key.namespace, name=name) if name else None
        # Names of one namespace are not shown to all others.
        users = users_of(self._reader, key) if self.kind == "Model" else ()
        spec = _importable(model)
        if self._imports is not None and spec is not None:
            return await self._imports.reconcile(model, spec, users)
        if self._catalog is not None and spec is not None:
            return await self._catalog.reconcile(model, spec, now=self._clock.now())
        plan = decide(model, claim=claim, users=users, now=self._clock.now())
        return await write_status(self._writer, model, plan)

    def affected(self, change: Change) -> Iterable[Key]:
        """The model itself, models on a claim, and those that a service or job begins or ends to use."""
        if change.kind == self.kind:
            return [key_of(obj) for obj in (change.old, change.new) if obj is not None]
        if self.kind != "Model":
            return entries_of(change) if self._catalog is not None else []
        found = [*map(key_of, referring(self._reader, self.kind, change)), *models_of(change)]
        if change.kind in {"Job", "Pod"} and self._imports is not None:
            found += _importers(change)
        return found


def _importers(change: Change) -> Iterable[Key]:
    """Models that a Job or pod imports."""
    for obj in filter(None, (change.old, change.new)):
        if named := (obj["metadata"].get("labels") or {}).get(naming.MODEL):
            yield Key("Model", obj["metadata"]["namespace"], named)


def _importable(model: Object) -> ModelSpec | None:
    """The spec of a model whose files are imported; None where there is nothing to import, or nobody who could."""
    if model["metadata"].get("deletionTimestamp"):
        return None
    spec = _spec(model)
    return spec if isinstance(spec, ModelSpec) and is_imported(spec.artifacts.source) else None


def decide(model: Object, *, claim: Object | None, users: Sequence[ModelUser], now: str) -> Plan:
    """The status of a model."""
    before = ModelStatus.model_validate(model.get("status") or {})
    generation = int(model["metadata"].get("generation") or 0)
    spec = _spec(model)
    said = {ModelCondition.READY: _said(model, claim=claim, users=users)}
    after = conditions(before.conditions, said, generation=generation, now=now)
    update = {"observed_generation": generation, "conditions": after, "used_by": tuple(users[:USED_BY_LIMIT])}
    if isinstance(spec, ModelSpec):
        found = imported_of(spec, before)
        # What an earlier source brought is nobody's news once the source is a claim.
        update |= {"facts": facts_of(spec, found), "imported": found}
    return Plan(
        status=before.model_copy(update=update).model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=change(before.conditions, after, warnings=_WARNINGS),
    )


def _said(model: Object, *, claim: Object | None, users: Sequence[ModelUser]) -> Said:
    spec = _spec(model)
    if isinstance(spec, ValidationError):
        return no(ModelReason.INVALID_SPEC, invalid_spec_sentence(spec))
    if model["metadata"].get("deletionTimestamp"):
        text = f"The model is being deleted, and its files with it. {SAVE_FILES}"
        return no(ModelReason.BEING_DELETED, text + _used_by(users))
    source = spec.artifacts.source.pvc
    where = f"claim {source.claim_name}" + (f", {source.path}" if source.path else "") if source else ""
    if model["kind"] == "ClusterModel" and source is not None:
        # Whether a namespace has the claim is said where it is used.
        if missed := missed_gates(spec):
            return no(ModelReason.GATE_MISSED, f"{' '.join(missed)} Name a better one, or change spec.gates.")
        return yes(ModelReason.ARTIFACTS_AVAILABLE, f"The artifacts are on {where}, of each namespace that uses it.")
    if found := obstacle(spec, claim=claim, namespace=model["metadata"].get("namespace", "")):
        reason, text = found
        return no(reason, text + _used_by(users))
    return yes(ModelReason.ARTIFACTS_AVAILABLE, f"The artifacts are on {where}.")


def _spec(model: Object) -> ModelSpec | ValidationError:
    try:
        return ModelSpec.model_validate(model["spec"])
    except ValidationError as error:
        return error


def _used_by(users: Sequence[ModelUser]) -> str:
    if not users:
        return ""
    named = ", ".join(f"{user.kind} {user.name}" for user in users[:_NAMED])
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    return f" It is used by {named}{more}."


def _claim_name(model: Object) -> str:
    return str((model["spec"]["artifacts"]["source"].get("pvc") or {}).get("claimName") or "")

"""ClusterModels of hubs: each becomes a Model in every namespace that uses it, which is imported as any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hostler.api.common import Conditions
from hostler.api.conditions import find
from hostler.api.model import ModelCondition, ModelReason, ModelSpec, ModelStatus
from hostler.cluster.store import Change
from hostler.controllers.modelusers import KINDS
from hostler.controllers.plan import Plan, RefusedError, write_children, write_status
from hostler.controllers.ports import Key, Object, Outcome, Reader, Writer
from hostler.controllers.references import reference
from hostler.controllers.said import Said, change, conditions, no, unknown, yes
from hostler.controllers.triggers import ended
from hostler.manifests import naming
from hostler.manifests.catalogmodel import catalog_model
from hostler.planning.imports import facts_of

_QUIET = (ModelReason.ARTIFACTS_AVAILABLE, ModelReason.IMPORTING, ModelReason.NOT_USED)
_WARNINGS = frozenset(reason.value for reason in ModelReason if reason not in _QUIET)


class Catalog:
    """Writes Models, and the status of the entry that they come from."""

    def __init__(self, reader: Reader, writer: Writer, *, recheck: float) -> None:
        """``recheck`` is the time in seconds after which a refused Model is tried again."""
        self._reader = reader
        self._writer = writer
        self._recheck = recheck

    async def reconcile(self, entry: Object, spec: ModelSpec, *, now: str) -> Outcome:
        """Have a Model in each namespace that uses the entry."""
        name = entry["metadata"]["name"]
        refused = 0
        for namespace in sorted({user["metadata"]["namespace"] for user in self._users(name)}):
            child = catalog_model(entry, namespace=namespace)
            try:
                await write_children(self._writer, entry, Plan(apply=(child,), status=entry.get("status") or {}))
            except RefusedError:
                refused += 1
        models = self._reader.list("Model", labels=naming.catalog_labels(name))
        plan = decide(entry, spec, models, refused=refused, now=now, recheck=self._recheck)
        return await write_status(self._writer, entry, plan)

    def _users(self, name: str) -> Iterator[Object]:
        value = reference("ClusterModel", name=name)
        for kind in KINDS:
            for user in self._reader.referring(kind, value):
                if not user["metadata"].get("deletionTimestamp") and not ended(user):
                    yield user


def entries_of(change: Change) -> Iterable[Key]:
    """Entries that a change of a user, or of a Model that one became, may concern."""
    for obj in filter(None, (change.old, change.new)):
        if change.kind == "Model" and (name := (obj["metadata"].get("labels") or {}).get(naming.CLUSTER_MODEL)):
            yield Key("ClusterModel", "", name)
        if change.kind in KINDS and _matters(change):
            yield from (Key("ClusterModel", "", name) for name in _named(obj))


def _matters(change: Change) -> bool:
    """Whether a user came, goes, ends or names others: its own status is no news here."""
    return change.old is None or change.new is None or _spec(change.old) != _spec(change.new)


def _spec(obj: Object) -> object:
    return obj["metadata"].get("generation"), obj["metadata"].get("deletionTimestamp"), ended(obj)


def _named(user: Object) -> Iterator[str]:
    """Entries that a service or job names. Specs may be of another release."""
    spec = user["spec"]
    adapters = (adapter.get("modelRef") for adapter in spec.get("adapters") or ())
    for found in (spec.get("modelRef"), spec.get("base"), *(spec.get("parts") or {}).values(), *adapters):
        if found and found.get("kind") == "ClusterModel" and found.get("name"):
            yield found["name"]


def decide(entry: Object, spec: ModelSpec, models: Sequence[Object], *, refused: int, now: str, recheck: float) -> Plan:
    """The status of an entry: what its Models have come to, without a name of theirs, which all others could read."""
    before = ModelStatus.model_validate(entry.get("status") or {})
    generation = int(entry["metadata"].get("generation") or 0)
    statuses = [ModelStatus.model_validate(model.get("status") or {}) for model in models]
    after = conditions(
        before.conditions, {ModelCondition.READY: _said(entry, statuses, refused)}, generation=generation, now=now
    )
    there = next((each.imported for each in statuses if each.imported and each.imported.complete), None)
    update = {"observed_generation": generation, "conditions": after, "facts": facts_of(spec, there)}
    return Plan(
        status=before.model_copy(update=update).model_dump(mode="json", by_alias=True, exclude_none=True),
        happening=None if _is_new(before, after) else change(before.conditions, after, warnings=_WARNINGS),
        requeue_after=recheck if refused else None,
    )


def _is_new(before: ModelStatus, after: Conditions) -> bool:
    """Whether all there is to tell is that there is an entry: forty of them at once would be forty Events."""
    ready = find(after, ModelCondition.READY)
    first = find(before.conditions, ModelCondition.READY) is None
    return first and ready is not None and ready.reason == ModelReason.NOT_USED


def _said(entry: Object, statuses: Sequence[ModelStatus], refused: int) -> Said:
    name = naming.catalog_name(entry["metadata"]["name"])
    if refused:
        where = _namespaces(refused)
        text = f"The API server refuses Model {name} in {where}: another one has the name, or a rule forbids it."
        return no(ModelReason.CHILD_REFUSED, text)
    found = [ready for each in statuses if (ready := find(each.conditions, ModelCondition.READY)) is not None]
    if wrong := [each for each in found if each.status == "False"]:
        reasons = ", ".join(sorted({each.reason for each in wrong}))
        where = f"{len(wrong)} of {_namespaces(len(statuses))}"
        text = f"It is not ready in {where} ({reasons}): Model {name} there says why."
        return no(wrong[0].reason, text)
    there = sum(each.status == "True" for each in found)
    if there < len(statuses):
        return unknown(ModelReason.IMPORTING, f"It is on its way into {_namespaces(len(statuses) - there)}.")
    if there:
        return yes(ModelReason.ARTIFACTS_AVAILABLE, f"It is in {_namespaces(there)}, as Model {name}.")
    text = "It is in no namespace: it is brought into one once a service or job there names it."
    return no(ModelReason.NOT_USED, text)


def _namespaces(count: int) -> str:
    return "1 namespace" if count == 1 else f"{count} namespaces"

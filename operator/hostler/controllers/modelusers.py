"""Who uses which Model: services that serve it, and unfinished jobs that are made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostler.api.model import ModelUser
from hostler.cluster.store import Change
from hostler.controllers.ports import Key, Object, Reader
from hostler.controllers.references import reference
from hostler.controllers.triggers import ended
from hostler.manifests.naming import catalog_name

KINDS = ("InferenceService", "TrainingJob")


def users_of(reader: Reader, model: Key) -> tuple[ModelUser, ...]:
    """Users of a Model, sorted by kind and name; found by what they refer to, not by looking at all of them."""
    value = reference("Model", namespace=model.namespace, name=model.name)
    return tuple(
        ModelUser(kind=kind, name=user["metadata"]["name"])
        for kind in KINDS
        for user in reader.referring(kind, value)
        if model.name in _used(user)
    )


def models_of(change: Change) -> Iterable[Key]:
    """Models whose users may be others after a change of a service or job."""
    if change.kind not in KINDS:
        return []
    before, after = _used(change.old), _used(change.new)
    obj = change.new or change.old
    assert obj is not None
    return [Key("Model", obj["metadata"]["namespace"], name) for name in sorted(before ^ after)]


def _used(user: Object | None) -> frozenset[str]:
    """Names of Models of its namespace that a service or job needs now. Of a job at its end, none: one that a person
    resumes after all says then what it lacks."""
    if user is None or user["metadata"].get("deletionTimestamp") or ended(user):
        return frozenset()
    return frozenset(_named(user))


def _named(user: Object) -> Iterator[str]:
    """Names of Models of its namespace that a service or job is made from. Specs may be of another release."""
    spec = user["spec"]
    adapters = (adapter.get("modelRef") for adapter in spec.get("adapters") or ())
    references = (spec.get("modelRef"), spec.get("base"), *(spec.get("parts") or {}).values(), *adapters)
    for found in references:
        if found and found.get("name"):
            # An entry of the catalog is used as the Model that it becomes here.
            yield found["name"] if found.get("kind", "Model") == "Model" else catalog_name(found["name"])

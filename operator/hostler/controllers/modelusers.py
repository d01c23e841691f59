"""Who uses which Model: services that serve it, and unfinished jobs that are made from it.

Looking through all services and jobs for each Model would cost models x jobs at every resync, so one look through them
answers for all Models, until a service or job changes that names one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostler.api.model import ModelUser
from hostler.controllers.ports import Clock, Key, Object, Reader

KINDS = ("InferenceService", "TrainingJob")
_TRUST_SECONDS = 60.0
"""A standby hears of changes without being told here."""


class ModelUsers:
    """Users by Model, put together from the caches when it is asked for."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._users: dict[tuple[str, str], list[ModelUser]] = {}
        self._good_until = 0.0

    def of(self, model: Key) -> tuple[ModelUser, ...]:
        """Users of a Model, sorted by kind and name."""
        if self._clock.monotonic() >= self._good_until:
            self._look()
        return tuple(self._users.get((model.namespace, model.name), ()))

    def changed(self, kind: str, user: Object) -> Iterable[Key]:
        """Models whose users may be others now, because this object has changed."""
        if kind not in KINDS:
            return []
        # Finished ones too: it may have been unfinished a moment ago.
        names = sorted(set(_named(user)))
        if names:
            self._good_until = 0.0
        return [Key("Model", user["metadata"]["namespace"], name) for name in names]

    def _look(self) -> None:
        self._users = {}
        # Lists are sorted by namespace and name, and the kinds here by name.
        for kind in KINDS:
            for user in self._reader.list(kind):
                metadata = user["metadata"]
                if metadata.get("deletionTimestamp") or _ended(user):
                    continue
                for name in set(_named(user)):
                    found = self._users.setdefault((metadata["namespace"], name), [])
                    found.append(ModelUser(kind=kind, name=metadata["name"]))
        self._good_until = self._clock.monotonic() + _TRUST_SECONDS


def _named(user: Object) -> Iterator[str]:
    """Names of Models of its namespace that a service or job is made from. Specs may be of another release."""
    spec = user["spec"]
    adapters = (adapter.get("modelRef") for adapter in spec.get("adapters") or ())
    references = (spec.get("modelRef"), spec.get("base"), *(spec.get("parts") or {}).values(), *adapters)
    for reference in references:
        if reference and reference.get("kind", "Model") == "Model" and reference.get("name"):
            yield reference["name"]


def _ended(user: Object) -> bool:
    """Whether it is a job at its end, good or bad. One that a person resumes after all says then what it lacks."""
    found = (user.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Succeeded", "Stalled") and c["status"] == "True" for c in found)

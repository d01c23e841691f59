"""Which objects a change concerns. Too many is a little work; too few is an object that waits for ever.

Nobody is woken because a pool has more or less room: whoever waits for a seat is woken by admission, with a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostler.cluster.store import Change
from hostler.controllers.ports import Key, Object, Reader
from hostler.controllers.references import reference
from hostler.manifests import naming
from hostler.planning import pods as read


def affected(reader: Reader, own: str, *, label: str, change: Change) -> Iterable[Key]:
    """Keys of a workload kind (``TrainingJob`` or ``InferenceService``), whose children carry ``label``."""
    found: dict[Key, None] = {}
    for obj in filter(None, (change.old, change.new)):
        metadata = obj["metadata"]
        if change.kind == own:
            found[Key(own, metadata["namespace"], metadata["name"])] = None
        if named := (metadata.get("labels") or {}).get(label):
            found[Key(own, metadata.get("namespace", ""), named)] = None
    for workload in referring(reader, own, change):
        found[key_of(workload)] = None
    return found


def key_of(obj: Object) -> Key:
    """The queue's key of one of our objects."""
    return Key(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def referring(reader: Reader, own: str, change: Change) -> Iterator[Object]:
    """Objects of a kind whose spec names what has changed, where the change can matter to them."""
    if change.kind not in _MATTERS or not _MATTERS[change.kind](change):
        return
    obj = change.new or change.old
    assert obj is not None
    metadata = obj["metadata"]
    value = reference(change.kind, namespace=metadata.get("namespace", ""), name=metadata["name"])
    if change.kind == "Pod":
        value = reference("TrainingJob", namespace=metadata["namespace"], name=_job_of(obj))
    values = [value]
    if change.kind == "PriorityClass" and any(each and each.get("globalDefault") for each in (change.old, change.new)):
        # The default of those who name none.
        values.append(reference("PriorityClass", name=""))
    if change.kind == "AcceleratorPool":
        # Those who name none, and choose.
        values.append(reference("AcceleratorPool", name=""))
    if change.kind == "PersistentVolumeClaim" and own in _USERS_OF_MODELS:
        # Models and checkpoints lie on claims, and are as ready as those.
        values += [
            reference(kind, namespace=metadata["namespace"], name=found["metadata"]["name"])
            for kind in ("Model", "TrainingJob")
            for found in reader.referring(kind, value)
        ]
        everywhere = reference("PersistentVolumeClaim", name=metadata["name"])
        values += [
            reference("ClusterModel", name=model["metadata"]["name"])
            for model in reader.referring("ClusterModel", everywhere)
        ]
    for each in values:
        yield from (workload for workload in reader.referring(own, each) if not ended(workload))


def ended(workload: Object) -> bool:
    """Whether it has come to its end: whatever happens to what it was made from, it is done."""
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return any(c["type"] in _ENDS and c["status"] == "True" for c in conditions)


_USERS_OF_MODELS = frozenset({"TrainingJob", "InferenceService"})
_ENDS = frozenset({"Succeeded", "Stalled"})
_RESTS = _ENDS | {"Suspended"}


def _spec_changed(change: Change) -> bool:
    """Whether it came, goes, or is another one by its spec: its own status is nobody else's news."""
    if change.old is None or change.new is None:
        return True
    old, new = change.old["metadata"], change.new["metadata"]
    fields = ("uid", "generation", "deletionTimestamp")
    return any(old.get(field) != new.get(field) for field in fields)


def _lets_go(change: Change) -> bool:
    """Whether it came, goes, is another one by its spec, or has come to rest: others may start from its checkpoints."""
    if change.old is None or change.new is None or _spec_changed(change):
        return True
    return _rests(change.old) != _rests(change.new)


def _rests(job: Object) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in _RESTS and c["status"] == "True" for c in conditions)


def _trainer_has_ended(change: Change) -> bool:
    """Whether a pod of a job writes no checkpoints any more."""
    pod = change.new or change.old
    assert pod is not None
    if not _job_of(pod):
        return False
    return change.new is None or read.is_terminal(pod) or read.own_end(pod) is not None


def _job_of(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(naming.TRAINING_JOB, ""))


def _model_changed(change: Change) -> bool:
    """Whether it is another one by its spec, or its files have come, which the spec does not say."""
    return _spec_changed(change) or _files(change.old) != _files(change.new)


def _files(model: Object | None) -> tuple[str, str]:
    imported = ((model or {}).get("status") or {}).get("import") or {}
    return imported.get("claimName", ""), imported.get("path", "")


def _anything(change: Change) -> bool:
    return True


_MATTERS = {
    "AcceleratorPool": _spec_changed,
    "Model": _model_changed,
    "ClusterModel": _spec_changed,
    "Dataset": _anything,
    "PriorityClass": _anything,
    "PersistentVolumeClaim": _anything,
    "Pod": _trainer_has_ended,
    "TrainingJob": _lets_go,
}

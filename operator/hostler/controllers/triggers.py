"""Which objects a change may concern. Too many is a little work; too few is an object that waits for ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostler.controllers.ports import Key, Object, Reader
from hostler.manifests import naming
from hostler.planning import nodes, pods


def affected(reader: Reader, own: str, *, label: str, kind: str, changed: Object) -> Iterable[Key]:
    """Keys of a workload kind (``TrainingJob`` or ``InferenceService``), whose children carry ``label``."""
    metadata = changed["metadata"]
    namespace = metadata.get("namespace", "")
    found: dict[Key, None] = {}
    if kind == own:
        found[Key(own, namespace, metadata["name"])] = None
    if named := (metadata.get("labels") or {}).get(label):
        found[Key(own, namespace, named)] = None
    for workload in _indirectly(reader, own, kind, changed):
        found[key_of(workload)] = None
    return list(found)


def key_of(obj: Object) -> Key:
    """The queue's key of one of our objects."""
    return Key(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _indirectly(reader: Reader, own: str, kind: str, changed: Object) -> Iterator[Object]:
    metadata = changed["metadata"]
    namespace = metadata.get("namespace", "")
    match kind:
        case "AcceleratorPool":
            yield from _on_pools(reader, own, {metadata["name"]}, unsettled_only=False)
        case "Node":
            yield from _on_pools(reader, own, _pools_with(reader, changed), unsettled_only=True)
        case "Pod" if _frees(changed):
            node = reader.get("Node", name=str(pods.node_name(changed)))
            if node is not None:
                yield from _on_pools(reader, own, _pools_with(reader, node), unsettled_only=True)
        case "Job" | "Deployment":
            # Its end, or fewer replicas, may make room under a quota.
            pool = (metadata.get("labels") or {}).get(naming.POOL)
            yield from _on_pools(reader, own, {pool} if pool else set(), unsettled_only=True)
        case "PersistentVolumeClaim" | "Model":
            yield from (w for w in reader.list(own, namespace=namespace) if _names(w, metadata["name"]) or unsettled(w))
        case "Dataset":
            yield from (w for w in reader.list(own, namespace=namespace) if _dataset_of(w) == metadata["name"])
        case "ClusterModel":
            yield from (w for w in reader.list(own) if _names(w, metadata["name"]))
        case _:
            return


def unsettled(workload: Object) -> bool:
    """Whether it waits for something outside: not accepted, or not admitted, and not at its end."""
    true = {c["type"]: c["status"] for c in (workload.get("status") or {}).get("conditions") or ()}
    if true.get("Succeeded") == "True" or true.get("Stalled") == "True":
        return False
    return true.get("Accepted") != "True" or true.get("Admitted") != "True"


def _on_pools(reader: Reader, own: str, pools: set[str], *, unsettled_only: bool) -> Iterator[Object]:
    if not pools:
        return
    for workload in reader.list(own):
        if workload["spec"]["accelerators"]["pool"] in pools and (not unsettled_only or unsettled(workload)):
            yield workload


def _pools_with(reader: Reader, node: Object) -> set[str]:
    return {
        pool["metadata"]["name"]
        for pool in reader.list("AcceleratorPool")
        if nodes.matches(node, pool["spec"]["nodeSelector"])
    }


def _frees(pod: Object) -> bool:
    """Whether this pod may have given something back: only then does anybody who waits care."""
    return pods.node_name(pod) is not None and (pods.is_terminal(pod) or pods.is_terminating(pod))


def _dataset_of(workload: Object) -> str | None:
    named: str | None = ((workload["spec"].get("dataset") or {}).get("ref") or {}).get("name")
    return named


def _names(workload: Object, name: str) -> bool:
    """Whether a spec refers to this model or claim, or puts out a Model of this name."""
    spec = workload["spec"]
    model = spec.get("modelRef") or {}
    source = ((spec.get("dataset") or {}).get("source") or {}).get("pvc") or {}
    inputs = [spec.get("base") or {}, *(spec.get("parts") or {}).values()]
    adapters = [adapter.get("modelRef") or {} for adapter in spec.get("adapters") or ()]
    return name in {
        model.get("name"),
        source.get("claimName"),
        (spec.get("storage") or {}).get("claimName"),
        workload["metadata"]["name"],
        *(reference.get("name") for reference in (*inputs, *adapters)),
    }

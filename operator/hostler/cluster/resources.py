"""The table of kinds that the operator reads or writes: where they live, which are watched, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hostler.api.kinds import KINDS
from hostler.api.schema import GROUP, VERSION

OURS = "app.kubernetes.io/managed-by=hostler"
"""Label selector of our children."""
SERVERS = f"{OURS},hostler.dev/inference-service"
"""Label selector of children of InferenceServices: slices of trainers' Services say nothing that their pods do not."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind, as the REST API knows it."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool
    watched: bool = True
    """Kept in the store; else it can only be read live."""
    selector: str = ""
    """Label selector of what is watched; empty watches everything."""
    everywhere: bool = False
    """Watched in all namespaces, although only some may be served: what strangers there use is used."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def scopes(self, namespaces: Iterable[str]) -> tuple[str, ...]:
        """Namespaces to watch where only these are served; one empty name for the whole cluster."""
        return (tuple(namespaces) if self.namespaced and not self.everywhere else ()) or ("",)

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """REST path of a collection (cluster-wide without a namespace) or of one object."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *filter(None, (name, subresource))])


class UnknownKindError(LookupError):
    """A kind that is not in the table."""

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        super().__init__(f"kind {kind!r} is not in hostler.cluster.resources; it knows {', '.join(sorted(known))}")


def _core(kind: str, plural: str, *, namespaced: bool = True, watched: bool = True, selector: str = "") -> Resource:
    return Resource(
        kind=kind, group="", version="v1", plural=plural, namespaced=namespaced, watched=watched, selector=selector
    )


def _table() -> dict[str, Resource]:
    ours = [
        Resource(kind=k.kind, group=GROUP, version=VERSION, plural=k.plural, namespaced=k.namespaced) for k in KINDS
    ]
    children = [
        # Written beside the pods that it restricts, where an administrator wants that.
        Resource(
            kind="NetworkPolicy",
            group="networking.k8s.io",
            version="v1",
            plural="networkpolicies",
            namespaced=True,
            selector=OURS,
        ),
        _core("Service", "services", selector=OURS),
        Resource(kind="Deployment", group="apps", version="v1", plural="deployments", namespaced=True, selector=OURS),
        Resource(kind="Job", group="batch", version="v1", plural="jobs", namespaced=True, selector=OURS),
        Resource(
            kind="PodDisruptionBudget",
            group="policy",
            version="v1",
            plural="poddisruptionbudgets",
            namespaced=True,
            selector=SERVERS,
        ),
        # Not ours: their controller copies the labels of our Services.
        Resource(
            kind="EndpointSlice",
            group="discovery.k8s.io",
            version="v1",
            plural="endpointslices",
            namespaced=True,
            selector=SERVERS,
        ),
    ]
    others = [
        _core("Node", "nodes", namespaced=False),
        Resource(
            kind="PriorityClass", group="scheduling.k8s.io", version="v1", plural="priorityclasses", namespaced=False
        ),
        # Every pod, because strangers hold accelerators too.
        replace(_core("Pod", "pods"), everywhere=True),
        # Claims of users as well: a job may read its data from one.
        _core("PersistentVolumeClaim", "persistentvolumeclaims"),
    ]
    unwatched = [
        # A watch would keep every ConfigMap of the cluster in memory.
        _core("ConfigMap", "configmaps", watched=False),
        _core("Event", "events", watched=False),
        # Read once each, where a claim that is mounted has one.
        _core("PersistentVolume", "persistentvolumes", namespaced=False, watched=False),
        Resource(
            kind="Lease", group="coordination.k8s.io", version="v1", plural="leases", namespaced=True, watched=False
        ),
    ]
    return {resource.kind: resource for resource in (*ours, *children, *others, *unwatched)}


TABLE = _table()
WATCHED = tuple(resource for resource in TABLE.values() if resource.watched)


def watched(*, policies: bool) -> tuple[Resource, ...]:
    """What is watched where workloads get NetworkPolicies, or else: then there is no right to read those."""
    return tuple(resource for resource in WATCHED if policies or resource.kind != "NetworkPolicy")


def resource_of(kind: str) -> Resource:
    """The entry of a kind. Raises :class:`UnknownKindError`."""
    try:
        return TABLE[kind]
    except KeyError:
        raise UnknownKindError(kind, TABLE) from None

"""Who may do what: the one table from which the roles of the chart are written.

Least privilege: no wildcard, no verb on secrets, none on ``pods/exec``, nothing that escalates. Each grant says what
it is for, so that a verb without a use stands out in review; a test with a real API server compares the table with
what the operator really asks for, in both directions. Children refer to their owner without ``blockOwnerDeletion``, so
no verb on ``finalizers`` is needed either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from hostler.api.kinds import KINDS, Kind
from hostler.api.schema import GROUP, OPERATOR

Manifest = dict[str, Any]

FOLLOW = ("list", "watch")
READ = ("get", *FOLLOW)
KEEP = ("create", "patch")
CHANGE = ("create", "delete", "patch")
_API = "rbac.authorization.k8s.io"


class Scope(Enum):
    """Where a grant holds."""

    CLUSTER = "the whole cluster, whatever namespaces are watched"
    WATCHED = "the watched namespaces, which are all of them unless some are named"
    OWN = "the operator's own namespace"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Verbs on one resource, and their reason."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    scope: Scope = Scope.WATCHED
    names: tuple[str, ...] = ()
    """Only objects of these names; empty means all."""

    def rule(self) -> Manifest:
        """As an entry of a role's ``rules``."""
        names = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": [self.resource], **names, "verbs": sorted(self.verbs)}


_BEYOND_READING = {
    "Model": (KEEP, "a trained model is registered as a Model, an entry of the catalog becomes one"),
    "TrainingJob": (("delete",), "the specs; a job that has ended goes when its ttlSecondsAfterFinished has passed"),
}


def _own(kind: Kind) -> tuple[Grant, ...]:
    scope = Scope.WATCHED if kind.namespaced else Scope.CLUSTER
    more, why = _BEYOND_READING.get(kind.kind, ((), "the specs"))
    return (
        Grant(group=GROUP, resource=kind.plural, verbs=(*READ, *more), why=why, scope=scope),
        Grant(
            group=GROUP,
            resource=f"{kind.plural}/status",
            verbs=("patch",),
            why="conditions and progress",
            scope=scope,
        ),
    )


OPERATOR_GRANTS: tuple[Grant, ...] = (
    Grant(
        group="",
        resource="configmaps",
        verbs=("get", *KEEP),
        why="ledgers of what was spent, where tenants do not write",
        scope=Scope.OWN,
    ),
    # ConfigMaps are read by name only: a watch would keep every ConfigMap of the cluster in memory.
    Grant(
        group="",
        resource="configmaps",
        verbs=("get", *CHANGE),
        why="data of jobs; configuration of servers, inspections and imports",
    ),
    Grant(
        group="",
        resource="events",
        verbs=("list", *KEEP),
        why="state changes, for people; why pods of a Job are refused, which its controller says nowhere else",
    ),
    Grant(group="", resource="nodes", verbs=FOLLOW, why="capacity and health of pools", scope=Scope.CLUSTER),
    Grant(
        group="",
        resource="persistentvolumeclaims",
        verbs=(*READ, *KEEP),
        why="workspaces of training jobs, claims of imported models",
    ),
    Grant(
        group="",
        resource="persistentvolumes",
        verbs=("get",),
        why="from which nodes a volume can be mounted",
        scope=Scope.CLUSTER,
    ),
    Grant(
        group="",
        resource="pods",
        verbs=FOLLOW,
        why="what runs, what failed, which accelerators are held: by strangers of any namespace as well",
        scope=Scope.CLUSTER,
    ),
    Grant(group="", resource="pods", verbs=("patch",), why="which node a pod of ours goes to"),
    Grant(group="", resource="services", verbs=(*READ, *CHANGE), why="rendezvous of trainers, address of servers"),
    Grant(group="apps", resource="deployments", verbs=(*READ, *KEEP), why="replicas of inference services"),
    Grant(
        group="batch",
        resource="jobs",
        verbs=(*READ, *CHANGE),
        why="attempts of training jobs, looks at datasets, imports of models",
    ),
    # Authorization of a create does not know the name yet, so this verb cannot be limited to one Lease.
    Grant(group="coordination.k8s.io", resource="leases", verbs=("create",), why="the first leader", scope=Scope.OWN),
    Grant(
        group="coordination.k8s.io",
        resource="leases",
        names=(OPERATOR,),
        verbs=("get", "update"),
        why="leader election",
        scope=Scope.OWN,
    ),
    Grant(group="discovery.k8s.io", resource="endpointslices", verbs=FOLLOW, why="who serves behind a name"),
    *(grant for kind in sorted(KINDS, key=lambda kind: kind.plural) for grant in _own(kind)),
    Grant(
        group="policy",
        resource="poddisruptionbudgets",
        verbs=(*READ, *CHANGE),
        why="how many replicas of a service a drain may take",
    ),
    Grant(
        group="scheduling.k8s.io",
        resource="priorityclasses",
        verbs=FOLLOW,
        why="who comes first in line",
        scope=Scope.CLUSTER,
    ),
)
"""What the operator may do, by group and resource."""

EVENTS_NAMESPACE = "default"
"""Where Kubernetes keeps Events of cluster-scoped objects, such as a pool."""

POLICY_GRANTS: tuple[Grant, ...] = (
    Grant(
        group="networking.k8s.io",
        resource="networkpolicies",
        verbs=(*READ, *KEEP),
        why="what workloads may reach, and who may reach them",
    ),
)
"""What the operator may do beside that where workloads get NetworkPolicies. Policies add up, so who may write one may
also allow more than others do."""

SIMULATOR = "hostler-device-simulator"
SIMULATOR_GRANTS: tuple[Grant, ...] = (
    Grant(group="", resource="nodes", verbs=("get", "patch", "watch"), why="which devices to simulate, node labels"),
    Grant(group="", resource="pods", verbs=("get",), why="CPU limit of the pod that holds a device"),
)
"""What the device simulator may do. It runs on nodes without real devices only."""


def operator_roles(*, namespace: str, name: str = OPERATOR, watched: Iterable[str] = ()) -> list[Manifest]:
    """Roles of the operator and their bindings to its ServiceAccount.

    ``name`` is that of the ServiceAccount and of the Lease. Without ``watched`` namespaces one ClusterRole holds what
    is done in all of them; with them, each has a Role, and the ClusterRole keeps what has no namespace and the right
    to see pods.
    """
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    namespaces = list(watched)
    everywhere = [Scope.CLUSTER] if namespaces else [Scope.CLUSTER, Scope.WATCHED]
    roles = [
        _role("ClusterRole", name, _in(*everywhere)),
        _binding("ClusterRole", name, subject=subject),
        *_role_in(namespace, f"{name}-leader-election", _leases(name), subject=subject),
        *_role_in(namespace, f"{name}-ledgers", _ledgers(), subject=subject),
    ]
    for one in namespaces:
        roles += _role_in(one, name, _in(Scope.WATCHED), subject=subject)
    if namespaces:
        events = [replace(grant, verbs=KEEP) for grant in _in(Scope.WATCHED) if grant.resource == "events"]
        roles += _role_in(EVENTS_NAMESPACE, f"{name}-events", events, subject=subject)
    return roles


def policy_roles(*, namespace: str, name: str = OPERATOR, watched: Iterable[str] = ()) -> list[Manifest]:
    """The operator's roles for NetworkPolicies of workloads and their bindings, as in :func:`operator_roles`."""
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    title, namespaces = f"{name}-network-policies", list(watched)
    if namespaces:
        return [role for one in namespaces for role in _role_in(one, title, POLICY_GRANTS, subject=subject)]
    return [_role("ClusterRole", title, POLICY_GRANTS), _binding("ClusterRole", title, subject=subject)]


def simulator_roles(*, namespace: str, name: str = SIMULATOR) -> list[Manifest]:
    """The role of the device simulator and its binding."""
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [
        _role("ClusterRole", name, SIMULATOR_GRANTS),
        _binding("ClusterRole", name, subject=subject),
    ]


def user_roles(*, name: str = "hostler") -> list[Manifest]:
    """What people may do with our objects.

    ``-edit`` and ``-view`` join the cluster's own roles: who may view or edit a namespace may view or edit our objects
    in it. A RoleBinding reaches no object without a namespace, though, and every spec names a pool: ``-pool-reader`` is
    for a ClusterRoleBinding, which the chart makes for groups of the administrator's choice.
    """
    kinds = sorted(KINDS, key=lambda kind: kind.plural)
    change = ("create", "delete", "patch", "update")
    view = [Grant(group=GROUP, resource=kind.plural, verbs=READ, why="see them") for kind in kinds]
    edit = [
        Grant(group=GROUP, resource=kind.plural, verbs=change, why="change them") for kind in kinds if kind.namespaced
    ]
    read = [
        Grant(group=GROUP, resource=kind.plural, verbs=READ, why="choose one") for kind in kinds if not kind.namespaced
    ]
    return [
        _role("ClusterRole", f"{name}-edit", edit, aggregate=("admin", "edit")),
        _role("ClusterRole", f"{name}-view", view, aggregate=("admin", "edit", "view")),
        _role("ClusterRole", f"{name}-pool-reader", read),
    ]


def _in(*scopes: Scope) -> list[Grant]:
    return [grant for grant in OPERATOR_GRANTS if grant.scope in scopes]


def _leases(name: str) -> list[Grant]:
    """The grants of the own namespace, for a Lease of this name."""
    found = [grant for grant in _in(Scope.OWN) if grant.resource == "leases"]
    return [replace(grant, names=(name,)) if grant.names else grant for grant in found]


def _ledgers() -> list[Grant]:
    return [grant for grant in _in(Scope.OWN) if grant.resource != "leases"]


def _role_in(namespace: str, name: str, grants: Iterable[Grant], *, subject: Manifest) -> list[Manifest]:
    return [
        _role("Role", name, grants, namespace=namespace),
        _binding("Role", name, subject=subject, namespace=namespace),
    ]


def _role(
    kind: str, name: str, grants: Iterable[Grant], *, namespace: str = "", aggregate: tuple[str, ...] = ()
) -> Manifest:
    metadata: Manifest = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if aggregate:
        metadata["labels"] = {f"{_API}/aggregate-to-{role}": "true" for role in aggregate}
    rules = [grant.rule() for grant in grants]
    return {"apiVersion": f"{_API}/v1", "kind": kind, "metadata": metadata, "rules": rules}


def _binding(kind: str, name: str, *, subject: Manifest, namespace: str = "") -> Manifest:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {
        "apiVersion": f"{_API}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _API, "kind": kind, "name": name},
        "subjects": [subject],
    }

"""Who may do what: the one table from which the roles of the chart are written.

Least privilege: no wildcard, no verb on secrets, none on ``pods/exec``, nothing that escalates. Each grant says what
it is for, so that a verb without a use stands out in review. Children refer to their owner without
``blockOwnerDeletion``, so no verb on ``finalizers`` is needed either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hostler.api.kinds import KINDS, Kind
from hostler.api.schema import GROUP, OPERATOR

Manifest = dict[str, Any]

READ = ("get", "list", "watch")
CHANGE = ("create", "delete", "patch")
_API = "rbac.authorization.k8s.io"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Verbs on one resource, and their reason."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()
    """Only objects of these names; empty means all."""

    def rule(self) -> Manifest:
        """As an entry of a role's ``rules``."""
        names = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": [self.resource], **names, "verbs": sorted(self.verbs)}


def _own(kind: Kind) -> tuple[Grant, ...]:
    register = kind.kind == "Model"
    return (
        Grant(
            group=GROUP,
            resource=kind.plural,
            verbs=(*READ, "create", "patch") if register else READ,
            why="a trained model is registered as a Model" if register else "the specs",
        ),
        Grant(group=GROUP, resource=f"{kind.plural}/status", verbs=("patch", "update"), why="conditions and progress"),
    )


CLUSTER_GRANTS: tuple[Grant, ...] = (
    # ConfigMaps are read by name only: a watch would keep every ConfigMap of the cluster in memory.
    Grant(group="", resource="configmaps", verbs=("get", *CHANGE), why="configuration of trainers and servers"),
    Grant(
        group="",
        resource="events",
        verbs=("create", "list", "patch"),
        why="state changes, for people; why pods of a Job are refused, which its controller says nowhere else",
    ),
    Grant(group="", resource="nodes", verbs=READ, why="capacity and health of pools"),
    Grant(group="", resource="persistentvolumeclaims", verbs=(*READ, *CHANGE), why="workspaces of training jobs"),
    Grant(group="", resource="pods", verbs=READ, why="what runs, what failed, which accelerators are held"),
    Grant(group="", resource="services", verbs=(*READ, *CHANGE), why="rendezvous of trainers, address of servers"),
    Grant(group="apps", resource="deployments", verbs=(*READ, *CHANGE), why="replicas of inference services"),
    Grant(group="batch", resource="jobs", verbs=(*READ, *CHANGE), why="attempts of training jobs"),
    Grant(group="discovery.k8s.io", resource="endpointslices", verbs=("list", "watch"), why="who serves behind a name"),
    *(grant for kind in sorted(KINDS, key=lambda kind: kind.plural) for grant in _own(kind)),
    Grant(
        group="policy",
        resource="poddisruptionbudgets",
        verbs=(*READ, *CHANGE),
        why="how many replicas of a service a drain may take",
    ),
)
"""What the operator may do in every namespace, by group and resource."""

NAMESPACE_GRANTS: tuple[Grant, ...] = (
    # Authorization of a create does not know the name yet, so this verb cannot be limited to one Lease.
    Grant(group="coordination.k8s.io", resource="leases", verbs=("create",), why="the first leader"),
    Grant(
        group="coordination.k8s.io",
        resource="leases",
        names=(OPERATOR,),
        verbs=("get", "patch", "update"),
        why="leader election",
    ),
)
"""What the operator may do in its own namespace only."""


POLICY_GRANTS: tuple[Grant, ...] = (
    Grant(
        group="networking.k8s.io",
        resource="networkpolicies",
        verbs=("create", "get", "patch"),
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


def operator_roles(*, namespace: str) -> list[Manifest]:
    """Roles of the operator and their bindings to its ServiceAccount."""
    subject = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": namespace}
    return [
        _role("ClusterRole", OPERATOR, CLUSTER_GRANTS),
        _binding("ClusterRole", OPERATOR, subject=subject),
        _role("Role", OPERATOR, NAMESPACE_GRANTS, namespace=namespace),
        _binding("Role", OPERATOR, subject=subject, namespace=namespace),
    ]


def policy_roles(*, namespace: str) -> list[Manifest]:
    """The operator's role for NetworkPolicies and its binding."""
    subject = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": namespace}
    name = f"{OPERATOR}-network-policies"
    return [_role("ClusterRole", name, POLICY_GRANTS), _binding("ClusterRole", name, subject=subject)]


def simulator_roles(*, namespace: str) -> list[Manifest]:
    """The role of the device simulator and its binding."""
    subject = {"kind": "ServiceAccount", "name": SIMULATOR, "namespace": namespace}
    return [
        _role("ClusterRole", SIMULATOR, SIMULATOR_GRANTS),
        _binding("ClusterRole", SIMULATOR, subject=subject),
    ]


def user_roles() -> list[Manifest]:
    """What joins the cluster's own roles: who may view or edit a namespace may view or edit our objects in it."""
    view = [Grant(group=GROUP, resource=kind.plural, verbs=READ, why="see them") for kind in _by_plural(KINDS)]
    edit = [
        Grant(group=GROUP, resource=kind.plural, verbs=("create", "delete", "patch", "update"), why="change them")
        for kind in _by_plural(KINDS)
        if kind.namespaced
    ]
    return [
        _role("ClusterRole", "hostler-edit", edit, aggregate=("admin", "edit")),
        _role("ClusterRole", "hostler-view", view, aggregate=("admin", "edit", "view")),
    ]


def _by_plural(kinds: Iterable[Kind]) -> list[Kind]:
    return sorted(kinds, key=lambda kind: kind.plural)


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

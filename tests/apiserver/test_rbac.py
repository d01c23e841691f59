"""The roles on a real API server: what the operator's account may do, and what it may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from kubeclient import KubeClient, eventually

from hostler.manifests.rbac import operator_roles

RBAC = "/apis/rbac.authorization.k8s.io/v1"
PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}


class Access(NamedTuple):
    """One question to the API server; ``namespace`` is 'own' for the operator's, 'team' for another."""

    sentence: str
    verb: str
    group: str
    resource: str
    allowed: bool
    subresource: str = ""
    name: str = ""
    namespace: str = "team"


QUESTIONS = (
    Access("it watches training jobs", "watch", "hostler.dev", "trainingjobs", True),
    Access("it writes their status", "patch", "hostler.dev", "trainingjobs", True, subresource="status"),
    Access("it never writes a job's spec", "patch", "hostler.dev", "trainingjobs", False),
    Access("it never deletes a job", "delete", "hostler.dev", "trainingjobs", False),
    Access("it registers models", "create", "hostler.dev", "models", True),
    Access("it never deletes a model", "delete", "hostler.dev", "models", False),
    Access("it starts jobs", "patch", "batch", "jobs", True),
    Access("it watches pods", "watch", "", "pods", True),
    Access("it starts no pod itself", "create", "", "pods", False),
    Access("it runs nothing in a pod", "create", "", "pods", False, subresource="exec"),
    Access("it reads no secret", "get", "", "secrets", False),
    Access("it lists no secrets", "list", "", "secrets", False),
    Access("it does not list ConfigMaps", "list", "", "configmaps", False),
    Access("it reads one ConfigMap", "get", "", "configmaps", True, name="text"),
    Access("it changes no node", "patch", "", "nodes", False),
    Access("it grants nothing", "create", "rbac.authorization.k8s.io", "roles", False),
    Access(
        "it takes its Lease", "update", "coordination.k8s.io", "leases", True, name="hostler-operator", namespace="own"
    ),
    Access("no other Lease", "update", "coordination.k8s.io", "leases", False, name="other", namespace="own"),
    Access("no Lease elsewhere", "update", "coordination.k8s.io", "leases", False, name="hostler-operator"),
)


@pytest.fixture
def own(api: KubeClient, namespace: str) -> Iterator[str]:
    """The operator's namespace, with its roles."""
    paths = []
    for role in operator_roles(namespace=namespace):
        inside = f"/namespaces/{namespace}" if "namespace" in role["metadata"] else ""
        path = f"{RBAC}{inside}/{PLURALS[role['kind']]}/{role['metadata']['name']}"
        answer = api.apply(path, role)
        assert answer.is_success, answer.text
        paths.append(path)
    last = Access("", "get", "coordination.k8s.io", "leases", True, name="hostler-operator", namespace="own")
    eventually(lambda: _allowed(api, last, own=namespace), what="the roles to take effect")
    yield namespace
    for path in paths:
        api.delete(path)


def test_the_operator_may_do_its_work_and_nothing_else(api: KubeClient, own: str) -> None:
    wrong = [question.sentence for question in QUESTIONS if _allowed(api, question, own=own) is not question.allowed]
    assert wrong == []


def _allowed(api: KubeClient, question: Access, *, own: str) -> bool:
    attributes = {
        "verb": question.verb,
        "group": question.group,
        "resource": question.resource,
        "subresource": question.subresource,
        "name": question.name,
        "namespace": own if question.namespace == "own" else question.namespace,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": f"system:serviceaccount:{own}:hostler-operator", "resourceAttributes": attributes},
    }
    answer = api.http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=body)
    assert answer.is_success, answer.text
    return bool(answer.json()["status"]["allowed"])

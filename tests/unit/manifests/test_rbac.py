"""The table of grants: least privilege, and nothing that would let the operator be used against its cluster."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hostler.api.kinds import KINDS
from hostler.cluster.resources import TABLE
from hostler.manifests.rbac import (
    CLUSTER_GRANTS,
    NAMESPACE_GRANTS,
    POLICY_GRANTS,
    SIMULATOR_GRANTS,
    Grant,
    operator_roles,
    simulator_roles,
    user_roles,
)

ALL = (*CLUSTER_GRANTS, *NAMESPACE_GRANTS, *POLICY_GRANTS, *SIMULATOR_GRANTS)
HARMLESS_VERBS = {"create", "delete", "get", "list", "patch", "update", "watch"}
FORBIDDEN = {"secrets", "serviceaccounts", "serviceaccounts/token", "pods/exec", "pods/attach", "nodes/proxy"}


@pytest.mark.parametrize("grant", ALL, ids=lambda grant: f"{grant.group or 'core'}/{grant.resource}")
def test_a_grant_is_narrow_and_says_what_it_is_for(grant: Grant) -> None:
    assert grant.resource not in FORBIDDEN
    assert "*" not in {grant.group, grant.resource, *grant.verbs}
    assert set(grant.verbs) <= HARMLESS_VERBS, "no escalate, bind, impersonate, deletecollection"
    assert grant.why


def test_grants_are_sorted_so_that_none_is_missed_or_said_twice() -> None:
    keys = [(grant.group, grant.resource) for grant in CLUSTER_GRANTS]
    assert all(earlier < later for earlier, later in pairwise(keys)), keys


def test_our_kinds_can_be_watched_and_only_their_status_written() -> None:
    verbs = {grant.resource: set(grant.verbs) for grant in CLUSTER_GRANTS if grant.group == "hostler.dev"}
    for kind in KINDS:
        want = {"get", "list", "watch"} | ({"create", "patch"} if kind.kind == "Model" else set())
        assert verbs[kind.plural] == want
        assert verbs[f"{kind.plural}/status"] == {"patch", "update"}


def test_what_the_operator_watches_it_may_watch_and_nothing_else() -> None:
    granted = {(grant.group, grant.resource): set(grant.verbs) for grant in CLUSTER_GRANTS}
    for resource in TABLE.values():
        watching = {"watch"} & granted.get((resource.group, resource.plural), set())
        assert watching == ({"watch"} if resource.watched else set()), resource.kind


def test_only_the_operators_own_lease_can_be_changed() -> None:
    changing = [grant for grant in NAMESPACE_GRANTS if set(grant.verbs) != {"create"}]
    assert [grant.names for grant in changing] == [("hostler-operator",)]


def test_roles_are_bound_to_one_account_each() -> None:
    roles = operator_roles(namespace="here")
    assert [role["kind"] for role in roles] == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    for binding in roles[1::2]:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hostler-operator", "namespace": "here"}]
    (binding,) = simulator_roles(namespace="here")[1:]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hostler-device-simulator", "namespace": "here"}]


def test_who_may_view_a_namespace_may_not_change_our_objects_in_it() -> None:
    roles = {role["metadata"]["name"]: role for role in user_roles()}
    view, edit = roles["hostler-view"], roles["hostler-edit"]
    assert {verb for rule in view["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    namespaced = {kind.plural for kind in KINDS if kind.namespaced}
    assert {name for rule in edit["rules"] for name in rule["resources"]} == namespaced

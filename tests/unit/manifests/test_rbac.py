"""The table of grants: least privilege, and nothing that would let the operator be used against its cluster."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hostler.api.kinds import KINDS
from hostler.cluster.resources import TABLE, watched
from hostler.manifests.rbac import (
    OPERATOR_GRANTS,
    POLICY_GRANTS,
    SIMULATOR_GRANTS,
    Grant,
    Manifest,
    Scope,
    operator_roles,
    policy_roles,
    simulator_roles,
    user_roles,
)

ALL = (*OPERATOR_GRANTS, *POLICY_GRANTS, *SIMULATOR_GRANTS)
HARMLESS_VERBS = {"create", "delete", "get", "list", "patch", "update", "watch"}
FORBIDDEN = {"secrets", "serviceaccounts", "serviceaccounts/token", "pods/exec", "pods/attach", "nodes/proxy"}


@pytest.mark.parametrize("grant", ALL, ids=lambda grant: f"{grant.group or 'core'}/{grant.resource}")
def test_a_grant_is_narrow_and_says_what_it_is_for(grant: Grant) -> None:
    assert grant.resource not in FORBIDDEN
    assert "*" not in {grant.group, grant.resource, *grant.verbs}
    assert set(grant.verbs) <= HARMLESS_VERBS, "no escalate, bind, impersonate, deletecollection"
    assert grant.why


def test_grants_are_sorted_so_that_none_is_missed_or_said_twice() -> None:
    keys = [(grant.group, grant.resource, grant.names, grant.scope.name) for grant in OPERATOR_GRANTS]
    assert all(earlier < later for earlier, later in pairwise(keys)), keys


def test_our_kinds_can_be_watched_and_only_their_status_written() -> None:
    verbs = {grant.resource: set(grant.verbs) for grant in OPERATOR_GRANTS if grant.group == "hostler.dev"}
    for kind in KINDS:
        # A Model is registered, and a job that has ended is deleted when its time has passed.
        beyond = {"Model": {"create", "patch"}, "TrainingJob": {"delete"}}.get(kind.kind, set())
        want = {"get", "list", "watch"} | beyond
        assert verbs[kind.plural] == want
        assert verbs[f"{kind.plural}/status"] == {"patch"}


def test_what_the_operator_watches_it_may_watch_and_nothing_else() -> None:
    granted: dict[tuple[str, str], set[str]] = {}
    for grant in (*OPERATOR_GRANTS, *POLICY_GRANTS):
        granted.setdefault((grant.group, grant.resource), set()).update(grant.verbs)
    for resource in TABLE.values():
        watching = {"watch"} & granted.get((resource.group, resource.plural), set())
        assert watching == ({"watch"} if resource.watched else set()), resource.kind


def test_policies_are_watched_only_where_there_is_the_right_to_it() -> None:
    (more,) = set(watched(policies=True)) - set(watched(policies=False))
    granted = {(grant.group, grant.resource) for grant in POLICY_GRANTS}
    assert granted == {(more.group, more.plural)}


def test_what_has_no_namespace_or_is_watched_everywhere_is_granted_in_the_cluster_and_nothing_else_is() -> None:
    """A RoleBinding reaches no cluster-scoped object, so such a grant in a Role would be a grant of nothing."""
    known = {(resource.group, resource.plural): resource for resource in TABLE.values()}
    for grant in OPERATOR_GRANTS:
        resource = known.get((grant.group, grant.resource.partition("/")[0]))
        cluster = resource is not None and (not resource.namespaced or (resource.everywhere and "watch" in grant.verbs))
        assert (grant.scope is Scope.CLUSTER) is cluster, grant


def test_only_the_operators_own_lease_can_be_changed() -> None:
    leases = [grant for grant in OPERATOR_GRANTS if grant.resource == "leases"]
    assert {grant.scope for grant in leases} == {Scope.OWN}
    changing = [grant for grant in leases if set(grant.verbs) != {"create"}]
    assert [grant.names for grant in changing] == [("hostler-operator",)]


def test_the_lease_of_a_renamed_operator_has_its_name() -> None:
    roles = operator_roles(namespace="here", name="other-operator")
    (role,) = [
        role for role in roles if role["metadata"]["name"] == "other-operator-leader-election" and "rules" in role
    ]
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, ["other-operator"]]


@pytest.mark.parametrize("watched", [(), ("one", "two")], ids=["all namespaces", "two namespaces"])
def test_roles_are_bound_to_one_account_each(watched: tuple[str, ...]) -> None:
    roles = operator_roles(namespace="here", watched=watched)
    for role, binding in zip(roles[::2], roles[1::2], strict=True):
        assert binding["kind"] == f"{role['kind']}Binding"
        assert binding["roleRef"]["name"] == role["metadata"]["name"] == binding["metadata"]["name"]
        assert binding["metadata"].get("namespace") == role["metadata"].get("namespace")
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hostler-operator", "namespace": "here"}]
    (binding,) = simulator_roles(namespace="here")[1:]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hostler-device-simulator", "namespace": "here"}]


def _granted(roles: list[Manifest], namespace: str) -> set[tuple[str, str, str]]:
    """Group, resource and verb that the roles of a namespace grant; "" asks for the ClusterRole."""
    return {
        (group, resource, verb)
        for role in roles
        if "rules" in role and role["metadata"].get("namespace", "") == namespace
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_with_namespaces_each_has_what_the_whole_cluster_would_have_had() -> None:
    everywhere = _granted(operator_roles(namespace="here"), "")
    named = operator_roles(namespace="here", watched=("one", "two"))
    assert _granted(named, "one") == _granted(named, "two")
    assert _granted(named, "") | _granted(named, "one") == everywhere
    cluster = {resource.partition("/")[0] for _, resource, _ in _granted(named, "")}
    assert cluster == {"nodes", "persistentvolumes", "pods", "priorityclasses"} | {
        kind.plural for kind in KINDS if not kind.namespaced
    }
    assert _granted(named, "default") == {("", "events", "create"), ("", "events", "patch")}, "Events of pools"


def test_the_operators_own_namespace_may_be_among_the_watched_ones() -> None:
    names = [
        (role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"])
        for role in operator_roles(namespace="here", watched=("here", "default"))
    ]
    assert len(names) == len(set(names))


def test_network_policies_are_granted_apart_and_only_where_workloads_are() -> None:
    """Policies add up: who may write one may allow what others forbid, so nobody has this who does not need it."""
    wanted = {("networking.k8s.io", "networkpolicies", verb) for verb in ("create", "get", "list", "patch", "watch")}
    assert not wanted & _granted(operator_roles(namespace="here"), "")
    assert _granted(policy_roles(namespace="here"), "") == wanted
    named = policy_roles(namespace="here", watched=("one", "two"))
    assert (_granted(named, ""), _granted(named, "one"), _granted(named, "two")) == (set(), wanted, wanted)


def test_who_may_view_a_namespace_may_not_change_our_objects_in_it() -> None:
    roles = {role["metadata"]["name"]: role for role in user_roles()}
    view, edit = roles["hostler-view"], roles["hostler-edit"]
    assert {verb for rule in view["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    namespaced = {kind.plural for kind in KINDS if kind.namespaced}
    assert {name for rule in edit["rules"] for name in rule["resources"]} == namespaced


def test_everybody_may_be_let_read_what_has_no_namespace_and_nothing_else() -> None:
    reader = next(role for role in user_roles() if role["metadata"]["name"] == "hostler-pool-reader")
    assert _granted([reader], "") == {
        ("hostler.dev", kind.plural, verb) for kind in KINDS if not kind.namespaced for verb in ("get", "list", "watch")
    }
    assert "labels" not in reader["metadata"], "nothing aggregates to it by itself"

"""Additions of others: what is drift in a child of ours, and what the server itself fills in."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hostler.cluster.drift import drift

Object = dict[str, Any]

SERVICE: Object = {
    "kind": "Service",
    "metadata": {"name": "s", "labels": {"ours": "x"}},
    "spec": {
        "selector": {"app": "s"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
    },
}
POD: Object = {
    "nodeSelector": {"pool": "a"},
    "securityContext": {"runAsNonRoot": True},
    "containers": [
        {
            "name": "server",
            "image": "i:1",
            "env": [
                {"name": "A", "value": "1"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "1000m"}, "limits": {"x/y": "1"}},
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 2},
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "config", "configMap": {"name": "c"}}],
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
}
DEPLOYMENT: Object = {
    "kind": "Deployment",
    "metadata": {"name": "d"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "d"}},
        "template": {"metadata": {"labels": {"app": "d"}}, "spec": POD},
    },
}
JOB: Object = {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": POD}}}
CONFIG: Object = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"job.json": "{}"}}

_CONTAINER = "spec.template.spec.containers.0"
# Sentence: what is wanted, what differs in the cluster, the paths that are too many.
CASES: dict[str, tuple[Object, dict[str, Any], list[str]]] = {
    "nothing differs": (SERVICE, {}, []),
    "labels and annotations are everybody's": (
        SERVICE, {"metadata.labels.theirs": "y", "metadata.annotations": {"theirs": "y"}}, [],
    ),
    "status is not ours": (SERVICE, {"status": {"loadBalancer": {}}}, []),
    "one more key in a selector": (SERVICE, {"spec.selector.more": "x"}, ["spec.selector.more"]),
    "what the server fills into a Service": (
        SERVICE,
        {
            "spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.1"], "spec.type": "ClusterIP",
            "spec.sessionAffinity": "None", "spec.internalTrafficPolicy": "Cluster", "spec.ipFamilies": ["IPv4"],
            "spec.ipFamilyPolicy": "SingleStack",
        },
        [],
    ),
    "another value than the server's": (SERVICE, {"spec.sessionAffinity": "ClientIP"}, ["spec.sessionAffinity"]),
    "a Service that was opened to the world": (SERVICE, {"spec.type": "NodePort"}, ["spec.type"]),
    "one more port": (SERVICE, {"spec.ports.1": {"name": "x", "port": 81, "protocol": "TCP"}}, ["spec.ports[1]"]),
    "a port with another number": (SERVICE, {"spec.ports.0.port": 81}, ["spec.ports[0]"]),
    "a changed value is put back by apply": (SERVICE, {"spec.ports.0.targetPort": 9999}, []),
    "what the server fills into a Deployment": (
        DEPLOYMENT,
        {
            "spec.progressDeadlineSeconds": 600, "spec.revisionHistoryLimit": 10,
            "spec.strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "spec.template.metadata.creationTimestamp": None, "spec.template.spec.dnsPolicy": "ClusterFirst",
            "spec.template.spec.schedulerName": "default-scheduler", "spec.template.spec.restartPolicy": "Always",
            "spec.template.spec.terminationGracePeriodSeconds": 30,
            f"{_CONTAINER}.imagePullPolicy": "IfNotPresent", f"{_CONTAINER}.terminationMessagePolicy": "File",
            f"{_CONTAINER}.terminationMessagePath": "/dev/termination-log", f"{_CONTAINER}.ports.0.protocol": "TCP",
            f"{_CONTAINER}.env.1.valueFrom.fieldRef.apiVersion": "v1", f"{_CONTAINER}.resources.requests.cpu": "1",
            f"{_CONTAINER}.readinessProbe.timeoutSeconds": 1, f"{_CONTAINER}.readinessProbe.successThreshold": 1,
            f"{_CONTAINER}.readinessProbe.failureThreshold": 3, f"{_CONTAINER}.readinessProbe.httpGet.scheme": "HTTP",
            "spec.template.spec.volumes.1.configMap.defaultMode": 420,
        },
        [],
    ),
    "a restart by kubectl": (DEPLOYMENT, {"spec.template.metadata.annotations": {"restartedAt": "now"}}, []),
    "one more variable": (
        DEPLOYMENT, {f"{_CONTAINER}.env.2": {"name": "DEBUG", "value": "1"}}, [f"{_CONTAINER}.env[2]"],
    ),
    "a variable under another name": (DEPLOYMENT, {f"{_CONTAINER}.env.0.name": "B"}, [f"{_CONTAINER}.env[0]"]),
    "one more limit": (DEPLOYMENT, {f"{_CONTAINER}.resources.limits.cpu": "1"}, [f"{_CONTAINER}.resources.limits.cpu"]),
    "arguments where we give none": (DEPLOYMENT, {f"{_CONTAINER}.args": ["--x"]}, [f"{_CONTAINER}.args"]),
    "one more node label": (
        DEPLOYMENT, {"spec.template.spec.nodeSelector.zone": "b"}, ["spec.template.spec.nodeSelector.zone"],
    ),
    "one more toleration": (
        DEPLOYMENT, {"spec.template.spec.tolerations.1": {"key": "all"}}, ["spec.template.spec.tolerations[1]"],
    ),
    "one more volume and its mount": (
        DEPLOYMENT,
        {
            "spec.template.spec.volumes.2": {"name": "x", "hostPath": {"path": "/", "type": ""}},
            f"{_CONTAINER}.volumeMounts.1": {"name": "x", "mountPath": "/host"},
        },
        [f"{_CONTAINER}.volumeMounts[1]", "spec.template.spec.volumes[2]"],
    ),
    "a bound on a volume": (
        DEPLOYMENT, {"spec.template.spec.volumes.0.emptyDir.sizeLimit": "1Mi"},
        ["spec.template.spec.volumes[0].emptyDir.sizeLimit"],
    ),
    "one more container": (
        DEPLOYMENT, {"spec.template.spec.containers.1": {"name": "x", "image": "y"}},
        ["spec.template.spec.containers[1]"],
    ),
    "the host's network": (DEPLOYMENT, {"spec.template.spec.hostNetwork": True}, ["spec.template.spec.hostNetwork"]),
    "another account": (
        DEPLOYMENT,
        {"spec.template.spec.serviceAccountName": "root", "spec.template.spec.serviceAccount": "root"},
        ["spec.template.spec.serviceAccountName", "spec.template.spec.serviceAccount"],
    ),
    "a pause": (DEPLOYMENT, {"spec.paused": True}, ["spec.paused"]),
    "a selector of ours that is wider now": (
        DEPLOYMENT, {"spec.selector.matchExpressions": [{"key": "x", "operator": "Exists"}]},
        ["spec.selector.matchExpressions"],
    ),
    "one more file": (CONFIG, {"data.more": "x"}, ["data.more"]),
    "one more binary file": (CONFIG, {"binaryData": {"more": "eA=="}}, ["binaryData.more"]),
    "a Job's template can never be changed": (JOB, {"spec.template.spec.nodeSelector.zone": "b"}, []),
}  # fmt: skip


def changed(obj: Object, changes: dict[str, Any]) -> Object:
    """A copy with other values at these paths; a number past the end of a list appends."""
    found = copy.deepcopy(obj)
    for path, value in changes.items():
        *way, last = path.split(".")
        at: Any = found
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        if not isinstance(at, list):
            at[last] = value
        elif int(last) < len(at):
            at[int(last)] = value
        else:
            at.append(value)
    return found


@pytest.mark.parametrize("case", CASES)
def test_what_is_too_much(case: str) -> None:
    wanted, changes, want = CASES[case]
    found = drift(changed(wanted, changes), wanted)
    assert sorted(found.paths) == sorted(path.replace(".0.", "[0].").replace(".1.", "[1].") for path in want)
    assert (found.parts is None) == (not want)


@pytest.mark.parametrize("case", [case for case, (_, _, want) in CASES.items() if want])
def test_what_is_put_in_its_place_is_no_drift_and_has_all_that_was_wanted(case: str) -> None:
    wanted, changes, _ = CASES[case]
    there = changed(wanted, changes)
    parts = drift(there, wanted).parts
    assert parts is not None
    mended = {**there, **parts}
    assert drift(mended, wanted).paths == ()
    for root in parts:
        assert (mended[root] or {}) == wanted.get(root, {}), "here the server has filled in nothing"


def test_what_the_server_filled_in_stays_when_an_addition_goes() -> None:
    there = changed(SERVICE, {"spec.clusterIP": "10.0.0.1", "spec.selector.more": "x", "spec.ports.0.port": 81})
    parts = drift(there, SERVICE).parts
    assert parts == {"spec": {**SERVICE["spec"], "clusterIP": "10.0.0.1"}}


def test_the_servers_own_order_is_no_drift() -> None:
    there = copy.deepcopy(DEPLOYMENT)
    there["spec"]["template"]["spec"]["volumes"].reverse()
    there["spec"]["template"]["spec"]["containers"][0]["env"].reverse()
    assert drift(there, DEPLOYMENT).paths == ()

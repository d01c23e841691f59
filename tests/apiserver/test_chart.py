"""The Helm chart: lint, the objects that it renders for different values, their names and their rights."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from apiserver.charts import CHART, EVERYTHING, NAMESPACE, named, operator, pods, template

from hostler.manifests.rbac import operator_roles

PRIVILEGED = {"hostler-accelerator-exporter", "hostler-device-simulator"}
"""DaemonSets that open the kubelet's sockets, which belong to root."""


def test_the_chart_passes_lint(helm: Path) -> None:
    done = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param(
            (), {"Deployment": {"hostler-operator"}, "DaemonSet": {"hostler-accelerator-exporter"}}, id="default"
        ),
        pytest.param(("exporter.enabled=false",), {"DaemonSet": set()}, id="without the exporter"),
        pytest.param(
            ("simulator.enabled=true",),
            {"DaemonSet": {"hostler-accelerator-exporter", "hostler-device-simulator"}},
            id="simulated devices are asked for by name",
        ),
        pytest.param(("crds.enabled=false",), {"CustomResourceDefinition": set()}, id="CRDs installed elsewhere"),
        pytest.param((), {"PodDisruptionBudget": set()}, id="one replica has no disruption budget"),
        pytest.param(
            ("operator.replicas=2",), {"PodDisruptionBudget": {"hostler-operator"}}, id="two replicas have one"
        ),
        pytest.param((), {"NetworkPolicy": set(), "PodMonitor": set()}, id="nothing that needs more than Kubernetes"),
        pytest.param(
            ("monitoring.enabled=true",),
            {
                "PodMonitor": {"hostler-workloads", "hostler-accelerator-exporter"},
                "ServiceMonitor": {"hostler-operator"},
            },
            id="monitors for the Prometheus Operator",
        ),
    ],
)
def test_what_is_rendered(helm: Path, values: tuple[str, ...], want: dict[str, set[str]]) -> None:
    documents = template(helm, *values)
    for kind, names in want.items():
        assert set(named(documents, kind)) == names, kind


@pytest.mark.parametrize(
    ("release", "values", "want"),
    [
        pytest.param("hostler", (), "hostler", id="the usual release"),
        pytest.param("team", (), "team-hostler", id="another release, so that two can be in one cluster"),
        pytest.param("my-hostler", (), "my-hostler", id="a release that says what it is"),
        pytest.param("team", ("nameOverride=models",), "team-models", id="another name of the chart"),
        pytest.param("team", ("fullnameOverride=models",), "models", id="another name of everything"),
    ],
)
def test_names_follow_the_release(helm: Path, release: str, values: tuple[str, ...], want: str) -> None:
    documents = template(helm, *EVERYTHING, 'operator.watchNamespaces=["one"]', *values, release=release)
    # What Helm did not make is chosen by those who use it: entries of the catalog have the names of their models.
    ours = [d for d in documents if d["kind"] not in ("CustomResourceDefinition", "ClusterModel")]
    assert [d["metadata"]["name"] for d in ours if not d["metadata"]["name"].startswith(want)] == []
    name = f"{want}-operator"
    account = f"{want}-operator"
    assert name in named(documents, "ServiceAccount")
    assert operator(documents, name)["spec"]["template"]["spec"]["serviceAccountName"] == account
    (container,) = operator(documents, name)["spec"]["template"]["spec"]["containers"]
    assert f"--lease={name}" in container["args"]
    (rule,) = [r for r in named(documents, "Role")[f"{name}-leader-election"]["rules"] if "resourceNames" in r]
    assert rule["resourceNames"] == [name], "the Lease that it is told to take"
    for binding in (d for d in documents if d["kind"] in ("RoleBinding", "ClusterRoleBinding")):
        role = binding["kind"].removesuffix("Binding")
        place = binding["metadata"].get("namespace")
        assert binding["roleRef"]["name"] in [
            d["metadata"]["name"] for d in documents if d["kind"] == role and d["metadata"].get("namespace") == place
        ]


@pytest.mark.parametrize("watched", [(), ("one", "two")], ids=["all namespaces", "two namespaces"])
def test_the_chart_grants_what_the_table_says(helm: Path, watched: tuple[str, ...]) -> None:
    values = (f"operator.watchNamespaces={json.dumps(list(watched))}",)
    rendered = {_place(d): d for d in template(helm, *values)}
    for role in operator_roles(namespace=NAMESPACE, watched=watched):
        found = rendered.pop(_place(role))
        assert {key: found[key] for key in ("rules", "roleRef", "subjects") if key in found} == {
            key: role[key] for key in ("rules", "roleRef", "subjects") if key in role
        }
    left = [place for place in rendered if "Role" in place[0] and place[2].startswith("hostler-operator")]
    assert left == [], "nothing beside the table"


def _place(obj: dict[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), ["system:authenticated"], id="everybody who is logged in"),
        pytest.param(('access.poolReaders=["ml","ops"]',), ["ml", "ops"], id="groups"),
        pytest.param(("access.poolReaders=[]",), None, id="nobody"),
    ],
)
def test_who_may_read_pools(helm: Path, values: tuple[str, ...], want: list[str] | None) -> None:
    documents = template(helm, *values)
    binding = named(documents, "ClusterRoleBinding").get("hostler-pool-reader")
    assert (binding and [subject["name"] for subject in binding["subjects"]]) == want
    assert "hostler-pool-reader" in named(documents, "ClusterRole"), "to be bound by hand"


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), ["Warn"], id="a warning"),
        pytest.param(("modelProtection=deny",), ["Deny"], id="a refusal"),
        pytest.param(("modelProtection=none",), None, id="neither"),
    ],
)
def test_how_models_in_use_are_protected(helm: Path, values: tuple[str, ...], want: list[str] | None) -> None:
    documents = template(helm, *values)
    binding = named(documents, "ValidatingAdmissionPolicyBinding").get("hostler-model-protection")
    assert (binding and binding["spec"]["validationActions"]) == want
    if binding:
        assert binding["spec"]["policyName"] in named(documents, "ValidatingAdmissionPolicy")


def test_the_operator_learns_what_administrators_allow_and_forbid(helm: Path) -> None:
    values = (
        "allowedEndpoints[0]=*.example.org",
        "images.pullSecrets[0]=registry",
        "networkPolicy.workloads.enabled=true",
        "networkPolicy.workloads.metricsNamespaces[0]=monitoring",
        "networkPolicy.workloads.dataNetworks[0]=10.20.0.0/16",
        "networkPolicy.workloads.blockedNetworks[0]=203.0.113.0/28",
        "imports.hubEndpoint=https://mirror.example.org",
        "imports.proxy.https=http://proxy.example.org:3128",
        "imports.proxy.noProxy=.svc\\,10.0.0.0/8",
        "imports.caBundle.configMap=company-ca",
        "imports.imageVolumes=true",
    )
    documents = template(helm, *values)
    (container,) = named(documents, "Deployment")["hostler-operator"]["spec"]["template"]["spec"]["containers"]
    assert {
        "--allowed-endpoint=*.example.org",
        "--workload-pull-secret=registry",
        "--workload-policies",
        "--metrics-namespace=monitoring",
        "--data-network=10.20.0.0/16",
        "--blocked-network=203.0.113.0/28",
        "--hub-endpoint=https://mirror.example.org",
        "--import-proxy=HTTPS_PROXY=http://proxy.example.org:3128",
        "--import-proxy=NO_PROXY=.svc,10.0.0.0/8",
        "--ca-config-map=company-ca",
        "--image-volumes=true",
        "--ca-key=ca.crt",
    } <= set(container["args"])
    assert any(name.endswith("network-policies") for name in named(documents, "ClusterRole"))
    assert not any(name.endswith("network-policies") for name in named(template(helm), "ClusterRole"))


def test_crds_survive_an_uninstall_unless_that_is_switched_off(helm: Path) -> None:
    kept = named(template(helm), "CustomResourceDefinition")
    assert len(kept) == 6
    for name, crd in kept.items():
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", name
    for name, crd in named(template(helm, "crds.keep=false"), "CustomResourceDefinition").items():
        assert "helm.sh/resource-policy" not in crd["metadata"].get("annotations", {}), name


def test_every_pod_is_locked_down(helm: Path) -> None:
    found = pods(template(helm, *EVERYTHING))
    assert {name for name, _ in found} >= PRIVILEGED | {"hostler-operator", "hostler-test"}
    for name, pod in found:
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not pod.get("hostNetwork") or name == "hostler-device-simulator", name
        assert not pod.get("hostPID"), name
        assert pod["imagePullSecrets"] == [{"name": "registry"}], name
        if name not in PRIVILEGED:
            assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name


def _exporter(helm: Path, *values: str) -> dict[str, Any]:
    daemonset = named(template(helm, *values), "DaemonSet")["hostler-accelerator-exporter"]
    pod: dict[str, Any] = daemonset["spec"]["template"]["spec"]
    return pod


def test_the_exporter_runs_on_every_node_with_a_kubelet(helm: Path) -> None:
    """Pools select nodes by any label, and clusters taint accelerator nodes as they like."""
    pod = _exporter(helm)
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {rule["operator"] for rule in term["matchExpressions"]} == {"NotIn"}, "no label is asked for"


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param(
            ("exporter.nodeSelector.accelerator=yes",),
            {"nodeSelector": {"kubernetes.io/os": "linux", "accelerator": "yes"}},
            id="fewer nodes, by label",
        ),
        pytest.param(("exporter.affinity=null",), {"affinity": None}, id="no affinity"),
        pytest.param(
            ("exporter.tolerations[0].key=nvidia.com/gpu", "exporter.tolerations[0].operator=Exists"),
            {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]},
            id="fewer nodes, by taint",
        ),
        pytest.param(("exporter.priorityClassName=high",), {"priorityClassName": "high"}, id="a priority"),
    ],
)
def test_the_exporters_nodes_can_be_chosen(helm: Path, values: tuple[str, ...], want: dict[str, Any]) -> None:
    pod = _exporter(helm, *values)
    assert {key: pod.get(key) for key in want} == want


def test_the_kubelets_directory_can_be_elsewhere(helm: Path) -> None:
    volumes = {
        volume["name"]: volume for volume in _exporter(helm, "exporter.kubeletDir=/var/lib/k0s/kubelet/")["volumes"]
    }
    assert volumes["pod-resources"]["hostPath"]["path"] == "/var/lib/k0s/kubelet/pod-resources"


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), None, id="without peers everybody may scrape"),
        pytest.param(
            ("networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=metrics",),
            [
                {"namespaceSelector": {"matchLabels": {"team": "metrics"}}},
                {
                    "podSelector": {
                        "matchLabels": {
                            "app.kubernetes.io/name": "hostler",
                            "app.kubernetes.io/instance": "hostler",
                            "app.kubernetes.io/component": "test",
                        }
                    }
                },
            ],
            id="named peers, and the chart's own test",
        ),
    ],
)
def test_who_may_read_the_operators_metrics(helm: Path, values: tuple[str, ...], want: list[Any] | None) -> None:
    policy = named(template(helm, "networkPolicy.enabled=true", *values), "NetworkPolicy")["hostler-operator"]
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert rule.get("from") == want
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_a_start_that_a_busy_node_draws_out_is_not_taken_for_a_hang(helm: Path) -> None:
    """A process that is killed while it starts begins again from nothing, with a longer wait each time."""
    for name, pod in pods(template(helm, *EVERYTHING)):
        for container in pod["containers"]:
            if "livenessProbe" in container:
                startup = container["startupProbe"]
                assert startup["periodSeconds"] * startup["failureThreshold"] >= 60, name


def test_rendering_is_reproducible(helm: Path) -> None:
    assert template(helm, *EVERYTHING) == template(helm, *EVERYTHING)


def test_no_role_reads_secrets_or_uses_wildcards(helm: Path) -> None:
    documents = template(helm, *EVERYTHING)
    roles = [d for d in documents if d["kind"] in ("ClusterRole", "Role")]
    assert roles
    for role in roles:
        for rule in role["rules"]:
            assert "secrets" not in rule.get("resources", []), role["metadata"]["name"]
            for key in ("apiGroups", "resources", "verbs"):
                assert "*" not in rule.get(key, []), role["metadata"]["name"]

"""The Helm chart: lint, what it renders for different values, and what its schema refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostler.local.tools import ensure_binaries

CHART = Path(__file__).parents[2] / "helm" / "hostler"
NAMESPACE = "hostler-system"
EVERYTHING = (
    "simulator.enabled=true",
    "monitoring.enabled=true",
    "networkPolicy.enabled=true",
    "operator.replicas=2",
    "image.pullSecrets[0]=registry",
)
PRIVILEGED = {"hostler-accelerator-exporter", "hostler-device-simulator"}
"""DaemonSets that open the kubelet's sockets, which belong to root."""


@pytest.fixture(scope="module")
def helm() -> Path:
    return ensure_binaries(lambda _: None).program("helm")


def template(helm: Path, *values: str) -> list[dict[str, Any]]:
    command = [str(helm), "template", "hostler", str(CHART), "-n", NAMESPACE, "--kube-version", "1.34.0"]
    done = subprocess.run([*command, *_sets(values)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def _sets(values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def _named(documents: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


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
        assert set(_named(documents, kind)) == names, kind


def test_the_operator_learns_of_images_for_other_variants(helm: Path) -> None:
    deployment = _named(template(helm, "images.variants.train-rocm=example.org/train:1-rocm"), "Deployment")
    (container,) = deployment["hostler-operator"]["spec"]["template"]["spec"]["containers"]
    assert "--variant-image=train-rocm=example.org/train:1-rocm" in container["args"]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), "cpu", id="the images of this repository"),
        pytest.param(("images.defaultVariant=cuda",), "cuda", id="images of one's own"),
    ],
)
def test_the_operator_learns_what_the_default_images_were_built_for(
    helm: Path, values: tuple[str, ...], want: str
) -> None:
    (container,) = _named(template(helm, *values), "Deployment")["hostler-operator"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert f"--default-variant={want}" in container["args"]


def test_crds_survive_an_uninstall_unless_that_is_switched_off(helm: Path) -> None:
    kept = _named(template(helm), "CustomResourceDefinition")
    assert len(kept) == 6
    for name, crd in kept.items():
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", name
    for name, crd in _named(template(helm, "crds.keep=false"), "CustomResourceDefinition").items():
        assert "helm.sh/resource-policy" not in crd["metadata"].get("annotations", {}), name


def _pods(documents: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    found = [(d["metadata"]["name"], d["spec"]) for d in documents if d["kind"] == "Pod"]
    workloads = [d for d in documents if d["kind"] in ("Deployment", "DaemonSet")]
    return found + [(d["metadata"]["name"], d["spec"]["template"]["spec"]) for d in workloads]


def test_every_pod_is_locked_down(helm: Path) -> None:
    pods = _pods(template(helm, *EVERYTHING))
    assert {name for name, _ in pods} >= PRIVILEGED | {"hostler-operator", "hostler-test"}
    for name, pod in pods:
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
    policy = _named(template(helm, "networkPolicy.enabled=true", *values), "NetworkPolicy")["hostler-operator"]
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert rule.get("from") == want
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_a_start_that_a_busy_node_draws_out_is_not_taken_for_a_hang(helm: Path) -> None:
    """A process that is killed while it starts begins again from nothing, with a longer wait each time."""
    for name, pod in _pods(template(helm, *EVERYTHING)):
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


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param("operator.replicas=0", "replicas", id="no operator at all"),
        pytest.param("operator.logLevel=loud", "logLevel", id="a log level that does not exist"),
        pytest.param("operater.replicas=1", "operater", id="a misspelled section"),
        pytest.param("monitoring.interval=often", "interval", id="an interval that is no duration"),
        pytest.param("exporter.targets[0]=http://nowhere", "targets", id="a target without a type"),
        pytest.param("images.variants.rocm=a:1", "rocm", id="a variant without its verb"),
        pytest.param("images.defaultVariant=", "defaultVariant", id="default images built for nothing"),
        pytest.param("image.registry=example.org/", "registry", id="a registry with a slash at its end"),
    ],
)
def test_bad_values_are_refused_with_their_name(helm: Path, value: str, want: str) -> None:
    command = [str(helm), "template", "hostler", str(CHART), "--kube-version", "1.34.0", "--set", value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert want in done.stderr

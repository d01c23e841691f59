"""The operator's Deployment for different values: what it is told, where it runs, what it may take its time for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apiserver.charts import EVERYTHING, container, named, operator, pods, template

from hostler.operator.command import run

START_CPU_SECONDS = 5.0
"""CPU time from exec to ready in docs/operations/operator.md, of an image without any bytecode."""


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), "--default-variant=cpu", id="the images of this repository"),
        pytest.param(("images.defaultVariant=cuda",), "--default-variant=cuda", id="images of one's own"),
        pytest.param(
            ("images.variants.train-rocm=example.org/train:1-rocm",),
            "--variant-image=train-rocm=example.org/train:1-rocm",
            id="images for other variants",
        ),
        pytest.param((), "--log-format=plain", id="lines for people"),
        pytest.param(("operator.logFormat=json",), "--log-format=json", id="lines for machines"),
        pytest.param(("operator.logLevel=debug",), "--log-level=debug", id="more of them"),
        pytest.param(
            ('operator.watchNamespaces=["one","two"]',), "--watch-namespaces=one,two", id="namespaces to serve"
        ),
        pytest.param((), "--lease=hostler-operator", id="a Lease of its own name"),
        pytest.param(('operator.extraArgs=["--resync=60"]',), "--resync=60", id="what the chart does not know"),
        pytest.param(("operator.ports.metrics=9090",), "--metrics-port=9090", id="another port"),
    ],
)
def test_what_the_operator_is_told(helm: Path, values: tuple[str, ...], want: str) -> None:
    assert want in container(template(helm, *values))["args"]


def test_the_operator_serves_all_namespaces_unless_some_are_named(helm: Path) -> None:
    assert not [flag for flag in container(template(helm))["args"] if flag.startswith("--watch-namespaces")]


def test_every_flag_of_the_chart_is_one_of_the_operator(helm: Path) -> None:
    known = {name for option in run.params for name in option.opts}
    values = ("images.variants.train-rocm=a:1", 'allowedEndpoints=["minio.example"]', 'operator.watchNamespaces=["a"]')
    given = {flag.partition("=")[0] for flag in container(template(helm, *values))["args"]}
    assert given <= known


def test_pods_may_be_labelled_but_not_taken_away_from_their_selectors(helm: Path) -> None:
    values = (
        'operator.podLabels={"team": "ml", "app.kubernetes.io/name": "other"}',
        'operator.podAnnotations={"note": "x", "prometheus.io/scrape": "false"}',
        'operator.annotations={"note": "y"}',
        'exporter.podLabels={"team": "ml"}',
    )
    documents = template(helm, *values)
    deployment = operator(documents)
    pod = deployment["spec"]["template"]["metadata"]
    assert pod["labels"]["team"] == "ml"
    assert deployment["spec"]["selector"]["matchLabels"].items() <= pod["labels"].items()
    assert (pod["annotations"]["note"], pod["annotations"]["prometheus.io/scrape"]) == ("x", "false")
    assert pod["annotations"]["prometheus.io/port"] == "8080"
    assert deployment["metadata"]["annotations"] == {"note": "y"}
    exporter = named(documents, "DaemonSet")["hostler-accelerator-exporter"]["spec"]
    assert exporter["template"]["metadata"]["labels"]["team"] == "ml"


@pytest.mark.parametrize(
    ("value", "field", "want"),
    [
        pytest.param("operator.priorityClassName=high", "priorityClassName", "high", id="priority"),
        pytest.param('operator.nodeSelector={"a": "b"}', "nodeSelector", {"a": "b"}, id="nodes"),
        pytest.param(
            'operator.tolerations=[{"operator": "Exists"}]', "tolerations", [{"operator": "Exists"}], id="taints"
        ),
        pytest.param(
            'operator.affinity={"podAntiAffinity": {"x": 1}}', "affinity", {"podAntiAffinity": {"x": 1}}, id="affinity"
        ),
    ],
)
def test_where_the_operator_runs(helm: Path, value: str, field: str, want: object) -> None:
    assert operator(template(helm, value))["spec"]["template"]["spec"][field] == want


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), None, id="one pod needs no spread"),
        pytest.param(
            ("operator.replicas=2",),
            {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"},
            id="two go to two nodes where that is possible",
        ),
        pytest.param(
            (
                "operator.replicas=2",
                'operator.topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", '
                '"whenUnsatisfiable": "DoNotSchedule"}]',
            ),
            {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
            id="as somebody says, of the operator's own pods",
        ),
    ],
)
def test_how_replicas_spread(helm: Path, values: tuple[str, ...], want: dict[str, str] | None) -> None:
    spec = operator(template(helm, *values))["spec"]
    spread = spec["template"]["spec"].get("topologySpreadConstraints")
    expected = want and [{"maxSkew": 1, **want, "labelSelector": spec["selector"]}]
    assert spread == expected


def test_a_spread_that_counts_other_pods_keeps_its_selector(helm: Path) -> None:
    theirs = {"matchLabels": {"team": "ml"}}
    entry = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": theirs}
    spec = operator(template(helm, f"operator.topologySpreadConstraints={json.dumps([entry])}"))["spec"]
    assert spec["template"]["spec"]["topologySpreadConstraints"] == [entry]


DIGEST = "sha256:" + "a" * 64


def test_images_may_be_pinned_by_digest(helm: Path) -> None:
    names = ("operator", "runtimeTrain", "runtimeServe", "acceleratorExporter", "deviceSimulator")
    pinned = [f"images.{name}.digest={DIGEST}" for name in names]
    documents = template(helm, *EVERYTHING, "image.registry=r.example", *pinned)
    images = [one["image"] for _, pod in pods(documents) for one in pod["containers"]]
    env = {entry["name"]: entry.get("value", "") for entry in container(documents)["env"]}
    images += [env["HOSTLER_TRAIN_IMAGE"], env["HOSTLER_SERVE_IMAGE"]]
    assert {image.partition(":")[0] for image in images} == {
        f"r.example/{name}"
        for name in ("operator", "runtime-train", "runtime-serve", "accelerator-exporter", "device-simulator")
    }
    assert all(image.endswith(f"@{DIGEST}") for image in images), images


def test_the_operator_finds_an_api_server_elsewhere(helm: Path) -> None:
    values = ("apiServer.host=api.example", "apiServer.port=7443", "networkPolicy.enabled=true")
    documents = template(
        helm, *values, 'networkPolicy.apiServerCidrs=["10.1.2.3/32"]', 'operator.extraEnv=[{"name": "A", "value": "b"}]'
    )
    env = {entry["name"]: entry.get("value") for entry in container(documents)["env"]}
    assert (env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]) == ("api.example", "7443")
    assert env["A"] == "b"
    egress = named(documents, "NetworkPolicy")["hostler-operator"]["spec"]["egress"]
    assert egress[1] == {"ports": [{"port": 7443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}]}


@pytest.mark.parametrize(
    ("values", "want"),
    [
        pytest.param((), {"periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 90}, id="a slow node has time"),
        pytest.param(
            ("operator.probes.startup.failureThreshold=5", "operator.probes.startup.initialDelaySeconds=3"),
            {"periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 5, "initialDelaySeconds": 3},
            id="as somebody says",
        ),
    ],
)
def test_timings_of_probes(helm: Path, values: tuple[str, ...], want: dict[str, int]) -> None:
    probe = container(template(helm, *values))["startupProbe"]
    assert {key: value for key, value in probe.items() if key != "httpGet"} == want


def test_a_start_has_time_on_a_node_three_times_slower_that_gives_no_more_than_was_asked_for(helm: Path) -> None:
    """docs/operations/operator.md has the measurement; here is that the chart's figures belong together."""
    rendered = container(template(helm))
    assert "cpu" not in rendered["resources"]["limits"], "a quota would stall renewals of the Lease"
    share = float(rendered["resources"]["requests"]["cpu"].removesuffix("m")) / 1000
    probe = rendered["startupProbe"]
    patience = probe["periodSeconds"] * probe["failureThreshold"]
    assert patience * share >= 3 * START_CPU_SECONDS

"""What workloads may reach, and who may reach them."""

from __future__ import annotations

import os
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from tables import table

from hostler.api.common import Source
from hostler.manifests.naming import owner_reference
from hostler.manifests.networkpolicy import (
    TrafficRules,
    importer_policy,
    inspector_policy,
    server_policy,
    trainer_policy,
)
from hostler.manifests.yamltext import to_yaml

Object = dict[str, Any]

GOLDEN = Path(__file__).parent / "golden"
RULES = TrafficRules(
    operator_namespace="hostler-system",
    metrics_namespaces=("monitoring", "hostler-system"),
    data_networks=(ip_network("10.20.0.0/16"),),
    blocked_networks=(ip_network("10.20.30.0/24"), ip_network("203.0.113.0/28")),
)
PLAIN = TrafficRules(operator_namespace="hostler-system")
PVC = {"pvc": {"claimName": "data"}}
WEB = {"http": {"url": "http://example.org/a.txt"}}
STORE = {"s3": {"bucket": "pictures", "endpoint": "http://minio.storage.svc:9000"}}
HUB = {"hf": {"repository": "org/set"}}
REGISTRY = {"oci": {"reference": "registry.example.org/models/tiny:v1"}}
REGISTRY_AT = {"oci": {"reference": "registry.example.org:5000/models/tiny:v1"}}


def trainer(source: Object, rules: TrafficRules = PLAIN) -> Object:
    """The policy of a job with this data."""
    owner = owner_reference("TrainingJob", {"name": "tiny", "uid": "uid-of-job"})
    return trainer_policy("tiny", Source.model_validate(source), namespace="default", rules=rules, owner=owner)


def server() -> Object:
    """The policy of a service."""
    owner = owner_reference("InferenceService", {"name": "tiny", "uid": "uid-of-service"})
    return server_policy("tiny", namespace="default", pool="gpu", owner=owner)


def inspector(source: Object) -> Object:
    """The policy of a dataset."""
    owner = owner_reference("Dataset", {"name": "books", "uid": "uid-of-dataset"})
    given = Source.model_validate(source)
    return inspector_policy("books", given, namespace="default", rules=PLAIN, owner=owner)


def importer() -> Object:
    """The policy of a model from a hub of one's own."""
    owner = owner_reference("Model", {"name": "tiny", "uid": "uid-of-model"})
    given = Source.model_validate({"hf": {"repository": "acme/tiny", "endpoint": "http://hub.models.svc:8080"}})
    return importer_policy("tiny", given, namespace="default", rules=RULES, owner=owner)


@table(
    ("name", "build"),
    {
        "a job on data of a store of one's own": ("networkpolicy-trainer", lambda: trainer(STORE, RULES)),
        "a service": ("networkpolicy-server", server),
        "a dataset of a hub": ("networkpolicy-inspector", lambda: inspector(HUB)),
        "a model of a hub": ("networkpolicy-importer", importer),
    },
)
def test_a_policy_is_what_the_golden_file_says(name: str, build: Callable[[], Object]) -> None:
    path, made = GOLDEN / f"{name}.yaml", build()
    if os.environ.get("HOSTLER_WRITE_GOLDEN"):
        path.write_text(to_yaml(made), encoding="utf-8")
    assert made == yaml.safe_load(path.read_text(encoding="utf-8"))


def reaches(policy: Object, address: str, port: int) -> bool:
    """Whether the policy's pods may open a connection, as a network plugin reads it."""
    return any(_ports(rule, port) and _peers(rule, address) for rule in policy["spec"]["egress"])


def _ports(rule: Object, port: int) -> bool:
    return "ports" not in rule or any(each["port"] == port and each["protocol"] == "TCP" for each in rule["ports"])


def _peers(rule: Object, address: str) -> bool:
    where = ip_address(address)
    blocks = [peer["ipBlock"] for peer in rule.get("to", ()) if "ipBlock" in peer]
    named = any(
        where in ip_network(block["cidr"]) and not any(where in ip_network(out) for out in block.get("except", ()))
        for block in blocks
    )
    return named or "to" not in rule


@table(
    ("policy", "address", "port", "want"),
    {
        "a registry": (trainer(REGISTRY), "203.0.113.9", 443, "reaches"),
        "a registry at a port of its own": (trainer(REGISTRY_AT), "203.0.113.9", 5000, "reaches"),
        "that registry's tokens": (trainer(REGISTRY_AT), "203.0.113.9", 443, "reaches"),
        "data of a claim needs no way out": (trainer(PVC), "203.0.113.9", 443, ""),
        "the public hub": (trainer(HUB), "203.0.113.9", 443, "reaches"),
        "over IPv6": (trainer(HUB), "2001:db8::1", 443, "reaches"),
        "on no other port": (trainer(HUB), "203.0.113.9", 22, ""),
        "a site without encryption": (trainer(WEB), "203.0.113.9", 80, "reaches"),
        "and where it leads to": (trainer(WEB), "203.0.113.9", 443, "reaches"),
        "the cloud's metadata service": (trainer(WEB), "169.254.169.254", 80, ""),
        "the same over IPv6": (trainer(WEB), "fd00:ec2::254", 80, ""),
        "the API server's Service": (trainer(HUB), "10.96.0.1", 443, ""),
        "the API server itself": (trainer(HUB), "192.168.1.10", 443, ""),
        "a store in the cluster that nobody named": (trainer(STORE), "10.20.0.7", 9000, ""),
        "a store in a network that is named": (trainer(STORE, RULES), "10.20.0.7", 9000, "reaches"),
        "whatever port its pods have": (trainer(STORE, RULES), "10.20.0.7", 9001, "reaches"),
        "what is blocked in that network": (trainer(STORE, RULES), "10.20.30.1", 9000, ""),
        "a public address that is blocked": (trainer(HUB, RULES), "203.0.113.9", 443, ""),
        "names": (trainer(PVC), "10.96.0.10", 53, "reaches"),
        "names from the node's own resolver": (trainer(PVC), "169.254.20.10", 53, "reaches"),
        "a server asks nobody": (server(), "203.0.113.9", 443, ""),
        "not even for names": (server(), "10.96.0.10", 53, ""),
        "a dataset is fetched": (inspector(HUB), "203.0.113.9", 443, "reaches"),
        "and looked at without the API server": (inspector(HUB), "10.96.0.1", 443, ""),
    },
)
def test_where_pods_get(policy: Object, address: str, port: int, want: str) -> None:
    assert reaches(policy, address, port) == bool(want)


def test_progress_is_for_the_operator_and_prometheus() -> None:
    each_other, readers = trainer(HUB, RULES)["spec"]["ingress"]
    assert each_other == {"from": [{"podSelector": {"matchLabels": {"hostler.dev/training-job": "tiny"}}}]}
    names = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in readers["from"]]
    assert names == ["hostler-system", "monitoring"], "each once"
    assert readers["ports"] == [{"port": 8080, "protocol": "TCP"}]


def test_requests_come_from_anywhere_and_nobody_asks_an_inspector() -> None:
    assert server()["spec"]["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert inspector(HUB)["spec"]["ingress"] == []


@pytest.mark.parametrize("policy", [trainer(HUB, RULES), inspector(STORE)])
def test_an_exception_lies_within_its_network(policy: Object) -> None:
    """The API server refuses any other."""
    blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule.get("to", ()) if "ipBlock" in peer]
    for block in blocks:
        outer = ip_network(block["cidr"])
        for text in block.get("except", ()):
            inner = ip_network(text)
            assert inner.version == outer.version
            assert inner != outer
            assert inner.network_address in outer


def test_a_network_that_is_blocked_as_a_whole_is_no_way_to_data() -> None:
    rules = TrafficRules(
        operator_namespace="o", data_networks=(ip_network("10.1.0.0/16"),), blocked_networks=(ip_network("10.0.0.0/8"),)
    )
    assert not reaches(trainer(STORE, rules), "10.1.0.1", 9000)

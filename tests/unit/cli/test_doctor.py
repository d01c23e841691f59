"""`hostler doctor`: each thing that may be missing, found from facts alone; then the command with its exit codes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from builders import make_pool
from click.testing import CliRunner
from floor import node
from rich.console import Console
from tables import table
from unit.cli.kubeserver import KubeServer

from hostler.api.crd import crds
from hostler.cli import doctor as command
from hostler.cli.diagnosis import Facts, Result, diagnosis
from hostler.cli.main import main
from hostler.cli.tables import fitting, table_of

Object = dict[str, Any]
NOW = "2026-11-30T20:00:00Z"
A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}


def named(name: str, **rest: Any) -> Object:
    return {"metadata": {"name": name}} | rest


def lease(holder: str = "hostler-0", renewed: str | None = "2026-11-30T19:59:58.123456Z") -> Object:
    return named("hostler-operator", spec={"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15})


def pool(*, status: str = "True", reason: str = "DevicesAvailable", message: str = "", **spec: Any) -> Object:
    price = {"amount": "2.79", "currency": "EUR", "source": "contract", "date": "2026-06-01"}
    ready = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return make_pool("gpu", **{"price": price} | spec) | {"status": {"conditions": [ready]}}


def price(day: str | None) -> Object:
    return {"amount": "2.79", "currency": "EUR", "source": "contract"} | ({"date": day} if day else {})


def deployment(*arguments: str) -> Object:
    container = {"name": "operator", "args": ["--default-variant=cpu", *arguments]}
    return named("hostler-operator", spec={"template": {"spec": {"containers": [container]}}})


def policy(name: str, *, types: tuple[str, ...] = ("Ingress", "Egress"), **spec: Any) -> Object:
    return named(name, spec={"podSelector": {}, "policyTypes": list(types)} | spec)


CUDA = ("--variant-image=train-cuda=train:1", "--variant-image=serve-cuda=serve:1")
HEALTHY = Facts(
    now=NOW,
    namespace="team-a",
    operator_namespace="hostler-system",
    leases=[lease()],
    crds=crds(),
    served=frozenset(crd["spec"]["names"]["plural"] for crd in crds()),
    pools=[pool()],
    nodes=[node("n0", labels=A100)],
    storage_classes=[
        {"metadata": {"name": "nfs", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
    ],
    volumes=[named("pv", spec={"storageClassName": "nfs", "accessModes": ["ReadWriteMany"]})],
    deployments=[deployment(*CUDA)],
    monitors=frozenset({"PodMonitor"}),
    namespace_labels={},
    policies=[],
)


def test_nothing_is_wrong_with_a_healthy_cluster() -> None:
    assert [each for each in diagnosis(HEALTHY) if each.result is not Result.OK] == []
    assert {each.check for each in diagnosis(HEALTHY)} == {
        "operator", "CRDs", "permissions", "pools", "prices", "device plugins", "storage", "images", "namespace",
        "monitoring",
    }  # fmt: skip


OTHER_SCHEMA = [crds()[0] | {"spec": crds()[0]["spec"] | {"versions": [{"storage": True}]}}, *crds()[1:]]


@table(
    ("facts", "check", "result", "want"),
    {
        "no operator": ({"leases": []}, "operator", "FAIL", "there is no Lease of an operator in namespace"),
        "nobody leads": ({"leases": [lease(holder="")]}, "operator", "FAIL", "no operator has led"),
        "the leader is silent": (
            {"leases": [lease(renewed="2026-11-30T19:00:00Z")]}, "operator", "FAIL", "no operator has led for 1h00m",
        ),
        "never renewed": ({"leases": [lease(renewed=None)]}, "operator", "FAIL", "no operator has led"),
        "the leader's clock is ahead": (
            {"leases": [lease(renewed="2026-11-30T20:05:00Z")]}, "operator", "OK", "hostler-0 leads",
        ),
        "leases that may not be seen": ({"leases": None}, "operator", "WARN", "you may not list the Leases"),
        "no CRDs": ({"served": frozenset()}, "CRDs", "FAIL", "the API server does not know acceleratorpools"),
        "CRDs of another release": ({"crds": OTHER_SCHEMA}, "CRDs", "WARN", "schema: acceleratorpools.hostler.dev"),
        "CRDs that may not be seen": ({"crds": None}, "CRDs", "WARN", "you may not list CustomResourceDefinitions"),
        "no right to run jobs": (
            {"denied": frozenset({"create trainingjobs"})}, "permissions", "FAIL", "you may not create trainingjobs",
        ),
        "no right to see pools": (
            {"denied": frozenset({"list acceleratorpools"})}, "permissions", "WARN", "may not list acceleratorpools",
        ),
        "no pools": ({"pools": []}, "pools", "FAIL", "there are no AcceleratorPools"),
        "a pool that is not ready": (
            {"pools": [pool(status="False", reason="DevicesMissing", message="0 of 8.")]}, "pools", "FAIL",
            "gpu (DevicesMissing): 0 of 8.",
        ),
        "a pool that nobody looked at": ({"pools": [make_pool("gpu")]}, "pools", "FAIL", "nobody has looked at it"),
        "no price": ({"pools": [pool(price=None)]}, "prices", "WARN", "gpu has no price"),
        "a price without date": ({"pools": [pool(price=price(None))]}, "prices", "WARN", "gpu has no date"),
        "an old price": ({"pools": [pool(price=price("2025-11-29"))]}, "prices", "WARN", "older than a year"),
        "a price of a year": ({"pools": [pool(price=price("2025-11-30"))]}, "prices", "OK", "2.79 EUR of 2025-11-30"),
        "a price to come": ({"pools": [pool(price=price("2026-12-01"))]}, "prices", "FAIL", "is of the future"),
        "no device plugin": (
            {"nodes": [named("n1", status={"capacity": {"cpu": "8"}}, metadata={"name": "n1", "labels": A100})]},
            "device plugins", "FAIL", "(nvidia.com/gpu) and advertise none: n1",
        ),
        "a node without accelerators": ({"nodes": [node("n2", gpus=0, labels={"a": "b"})]}, "device plugins", "OK", ""),
        "no default class": (
            {"storage_classes": [named("nfs")]}, "storage", "FAIL", "there is no default StorageClass (nfs)",
        ),
        "no class at all": ({"storage_classes": []}, "storage", "FAIL", "StorageClass (there are none)"),
        "nothing is shared": ({"volumes": []}, "storage", "WARN", "no volume is ReadWriteMany"),
        "no image for the type": (
            {"deployments": [deployment()]}, "images", "FAIL", "pool gpu (nvidia-a100-80) needs one of serve-cuda",
        ),
        "a namespace that is restricted": (
            {"namespace_labels": {"pod-security.kubernetes.io/enforce": "restricted"}}, "namespace", "OK",
            "Pod Security of team-a (restricted) admits our pods",
        ),
        "a pool that needs more than that": (
            {
                "namespace_labels": {"pod-security.kubernetes.io/enforce": "restricted"},
                "pools": [pool(allowedPrivileges=["hostIPC"])],
            },
            "namespace", "WARN", "enforces Pod Security restricted, and pods on gpu need more",
        ),
        "all traffic is closed": (
            {"policies": [policy("deny")]}, "namespace", "WARN", "deny of team-a keeps pods from",
        ),
        "one direction is closed": (
            {"policies": [policy("deny", types=("Ingress",))]}, "namespace", "WARN", "deny of team-a keeps pods from",
        ),
        "closed, and opened by ours": (
            {"policies": [policy("deny")], "deployments": [deployment(*CUDA, "--workload-policies")]}, "namespace",
            "OK", "no NetworkPolicy of team-a",
        ),
        "a policy of other pods": (
            {"policies": [policy("db", podSelector={"matchLabels": {"app": "db"}})]}, "namespace", "OK",
            "no NetworkPolicy of team-a",
        ),
        "no Prometheus Operator": ({"monitors": None}, "monitoring", "WARN", "is not installed"),
        "no monitors of ours": ({"monitors": frozenset()}, "monitoring", "WARN", "nothing of Hostler is scraped"),
    },
)  # fmt: skip
def test_what_is_missing_is_found_and_has_a_way_out(facts: Object, check: str, result: str, want: str) -> None:
    found = [each for each in diagnosis(replace(HEALTHY, **facts)) if each.check == check]
    assert any(each.result == result and want in each.message for each in found), found
    assert all(each.way_out for each in found if each.result is not Result.OK)


def test_nothing_may_be_seen_and_every_check_says_so() -> None:
    blind = Facts(now=NOW, namespace="team-a", operator_namespace="hostler-system")
    found = diagnosis(blind)
    assert {each.result for each in found if each.check not in ("permissions",)} == {Result.WARN}


def test_ten_thousand_broken_nodes_are_one_row() -> None:
    nodes = [node(f"n{number}", gpus=0, labels=A100) for number in range(10_000)]
    for each in nodes:
        each["status"]["capacity"] = {"cpu": "8"}
    (found,) = [f for f in diagnosis(replace(HEALTHY, nodes=nodes)) if f.check == "device plugins"]
    assert "and 9995 more" in found.message


@table(
    ("facts", "options", "code"),
    {
        "all is well": ({}, (), 0),
        "a warning": ({"monitors": None}, (), 0),
        "a warning, strictly": ({"monitors": None}, ("--strict",), 1),
        "a failure": ({"pools": []}, (), 2),
        "a failure, as a document": ({"pools": []}, ("--json",), 2),
    },
)
def test_scripts_get_exit_codes(
    kube: KubeServer, monkeypatch: pytest.MonkeyPatch, facts: Object, options: tuple[str, ...], code: int
) -> None:
    async def read(*_: Any, **__: Any) -> Facts:
        return replace(HEALTHY, **facts)

    monkeypatch.setattr(command, "read_facts", read)
    result = CliRunner().invoke(main, ["doctor", *options])
    assert result.exit_code == code, result.output
    if "--json" in options:
        assert {"check", "result", "message", "way_out"} == set(json.loads(result.stdout)[0])
    else:
        assert "in order." in result.output


def test_the_table_fits_eighty_columns() -> None:
    out = io.StringIO()
    rows = [(f.check, f.result, f.message, f.way_out) for f in diagnosis(replace(HEALTHY, pools=[], monitors=None))]
    columns = command._COLUMNS
    Console(file=out, width=80).print(table_of(columns, rows, kept=fitting(columns, rows, width=80)))
    assert max(map(len, out.getvalue().splitlines())) <= 80

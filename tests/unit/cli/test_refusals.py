"""What a new user is told after the typical mistakes: one sentence that says what is wrong, with a way out."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner
from tables import table
from unit.cli.kubeserver import KUBECONFIG, KubeServer

from hostler.cli.main import main
from hostler.cli.refusals import sentence
from hostler.cluster.errors import Conflict, Forbidden, Gone, Invalid, TooManyRequests, Unavailable

COMMANDS = {
    "get": ("get", "jobs"),
    "queue": ("queue",),
    "pools": ("pools",),
    "explain": ("explain", "tiny"),
    "logs": ("logs", "tiny"),
    "suspend": ("suspend", "tiny"),
    "resume": ("resume", "tiny"),
    "cancel": ("cancel", "tiny", "--yes"),
    "catalog": ("catalog",),
    "download": ("download", "tiny", "--to", "/nonexistent/tiny"),
}
NO_SUCH_KIND = "the server could not find the requested resource"
MAY_NOT = (
    'trainingjobs.hostler.dev is forbidden: User "ada" cannot list resource "trainingjobs" in API group "hostler.dev" '
    'in the namespace "team-a"'
)


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_without_a_kubeconfig_the_ways_to_give_one_are_named(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "there is no ~/.kube/config; set --kubeconfig or $KUBECONFIG" in refused(*command)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_server_that_is_not_there_is_named_with_where_its_address_stands(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        file = tmp_path / "config"
        server = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        file.write_text(KUBECONFIG.format(server=server, token="secret"))
        monkeypatch.setenv("KUBECONFIG", str(file))
        said = refused(*command)
    assert f"the API server {server} cannot be reached: is the cluster running" in said
    assert "kubectl config view --minify" in said


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_credentials_that_have_expired_are_told_from_rights(command: tuple[str, ...], kube: KubeServer) -> None:
    kube.errors["/"] = (401, {"message": "Unauthorized", "reason": "Unauthorized"})
    said = refused(*command)
    assert "does not accept your credentials (401): they have expired" in said
    assert "log in again" in said
    assert "secret" not in said, "a token is nobody's to read"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_cluster_without_hostler_is_told_as_that(command: tuple[str, ...], kube: KubeServer) -> None:
    for path in ("/apis/hostler.dev",):
        kube.errors[path] = (404, {"message": NO_SUCH_KIND, "reason": "NotFound"})
    said = refused(*command)
    assert "Hostler's CRDs are not installed there" in said
    assert "install the chart (helm/hostler)" in said


def test_a_group_that_was_never_installed_is_answered_without_json(kube: KubeServer) -> None:
    kube.errors["/apis/hostler.dev"] = (404, "404 page not found\n")
    assert "Hostler's CRDs are not installed there" in refused("get", "jobs")


@table(
    ("message", "want"),
    {
        "no right to see jobs": (MAY_NOT, "you may not list trainingjobs: ask an administrator for a binding to the "
                                 "ClusterRole hostler-view"),
        "no right to change them": (MAY_NOT.replace("cannot list", "cannot patch"), "the ClusterRole hostler-edit"),
        "no right to see pools": (
            MAY_NOT.replace('"trainingjobs"', '"acceleratorpools"'), "the ClusterRole hostler-pool-reader",
        ),
        "no right to see pods": (MAY_NOT.replace('"trainingjobs"', '"pods"'), "the ClusterRole view"),
        "a policy refuses": (
            "ValidatingAdmissionPolicy 'who-may-come-first' denied request: only namespace product may",
            "refuses it: ValidatingAdmissionPolicy 'who-may-come-first' denied request: only namespace product may",
        ),
    },
)  # fmt: skip
def test_what_is_forbidden_names_the_role_that_allows_it(message: str, want: str) -> None:
    assert want in sentence(Forbidden(message, code=403), server="https://cluster.example")


def failed(cause: BaseException) -> Unavailable:
    error = Unavailable("GET /version failed", code=0)
    error.__cause__ = cause
    return error


KEY: Any = type("Key", (), {"host": "c.example", "port": 6443, "ssl": True, "is_ssl": True})()


@table(
    ("error", "want"),
    {
        "a name that nobody knows": (
            failed(aiohttp.ClientConnectorDNSError(KEY, OSError("Name or service not known"))),
            "has no address: the name in the kubeconfig is wrong, or you are outside its network",
        ),
        "a certificate of another cluster": (
            failed(ssl.SSLCertVerificationError("self-signed certificate")),
            "shows a certificate that the kubeconfig does not trust",
        ),
        "no answer in time": (failed(TimeoutError()), "gave no answer in time"),
        "nobody listens": (
            failed(aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "Connection refused"))),
            "cannot be reached: is the cluster running, and is this its address?",
        ),
        "the server breaks down": (Unavailable("etcd is down", code=503), "is in trouble (503): etcd is down"),
        "somebody was faster": (Conflict("changed", code=409), "look at it again, and repeat"),
        "too much at once": (TooManyRequests("slow", code=429, retry_after=7.0), "too many requests: try again in 7 s"),
        "too much, without a time": (TooManyRequests("slow", code=429), "try again in a moment"),
        "a list that took too long": (Gone("old", code=410), "try again"),
        "what the schema does not allow": (Invalid("spec.steps: too low", code=422), "accept it: spec.steps: too low"),
    },
)
def test_each_failure_is_a_sentence_with_a_way_out(error: Exception, want: str) -> None:
    said = sentence(error, server="https://cluster.example")
    assert want in said
    assert "\n" not in said
    assert said.count("https://cluster.example") <= 1

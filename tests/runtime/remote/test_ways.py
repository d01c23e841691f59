"""Whose proxy a request goes through, and whose certificates are trusted: the same for every kind of data."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.training.hubserver import HubServer
from runtime.training.proxyserver import ProxyServer
from runtime.training.s3server import S3Server
from runtime.training.webserver import Site

from hostler_contract import DatasetSource
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.remote.ways import direct
from hostler_runtime.training.sources import find

ROWS = b'{"text": "a"}'
KINDS = ("http", "s3", "hf")


@pytest.mark.parametrize(
    ("no_proxy", "url", "want"),
    [
        pytest.param("", "https://hub.example.org", "proxy", id="nothing is named"),
        pytest.param("example.org", "https://hub.example.org", "direct", id="a name above it"),
        pytest.param(".example.org", "https://hub.example.org", "direct", id="a name above it, with a dot"),
        pytest.param("*.example.org", "https://hub.example.org", "direct", id="a name above it, with a star"),
        pytest.param("ample.org", "https://hub.example.org", "proxy", id="the end of a name is no name"),
        pytest.param("a.org, HUB.example.org", "https://hub.example.org", "direct", id="a list, in any case"),
        pytest.param("hub.example.org:8443", "https://hub.example.org", "proxy", id="another port"),
        pytest.param("hub.example.org:443", "https://hub.example.org", "direct", id="the port of its scheme"),
        pytest.param(".svc", "http://minio.storage.svc:9000", "direct", id="a name of the cluster"),
        pytest.param("10.0.0.0/8", "http://10.1.2.3:9000", "direct", id="a network"),
        pytest.param("10.0.0.0/8", "http://11.1.2.3:9000", "proxy", id="another network"),
        pytest.param("10.0.0.0/8", "https://hub.example.org", "proxy", id="names are not looked up"),
        pytest.param("fd00::/8", "http://[fd00::1]:9000", "direct", id="a network of IPv6"),
        pytest.param("*", "https://hub.example.org", "direct", id="all"),
    ],
)
def test_what_is_asked_directly(no_proxy: str, url: str, want: str) -> None:
    assert ("direct" if direct(url, {"NO_PROXY": no_proxy}) else "proxy") == want


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    server = ProxyServer()
    yield server
    server.close()


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[tuple[Any, DatasetSource]]:
    """A server of the kind that the test asks for, and the same rows there."""
    kind = request.param
    if kind == "http":
        site = Site()
        server: Any = site
        source = DatasetSource(kind="http", location=site.url("/rows.jsonl", (200, ROWS, None)))
    elif kind == "s3":
        server = S3Server({"books/rows.jsonl": ROWS})
        source = DatasetSource(kind="s3", location="s3://books", endpoint=server.url)
    else:
        server = HubServer("me/books", {"main": {"rows.jsonl": ROWS}})
        source = DatasetSource(kind="hf", location="hf://datasets/me/books", endpoint=server.url)
    yield server, source
    server.close()


def rows(source: DatasetSource, tmp_path: Path) -> bytes:
    """What comes of a source."""
    located = find(source, cache=tmp_path / "cache", pause=lambda seconds: None)
    return b"".join(file.read_bytes() for file in located.files)


@pytest.mark.parametrize("host", KINDS, indirect=True)
@pytest.mark.parametrize(
    ("no_proxy", "want"),
    [
        pytest.param("", "all", id="through the proxy"),
        pytest.param("127.0.0.0/8", "none", id="a network that is asked directly"),
    ],
)
def test_data_comes_through_the_proxy_that_is_named(
    no_proxy: str,
    want: str,
    host: tuple[Any, DatasetSource],
    proxy: ProxyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, source = host
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert rows(source, tmp_path) == ROWS
    assert len(proxy.seen) == (len(server.requests) if want == "all" else 0)
    assert server.requests


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that nobody known has signed, and its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = tmp_path_factory.mktemp("authority") / "host.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=host -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", *request.split(), "-keyout", str(made.with_suffix(".key")), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def secured(server: Any, source: DatasetSource, authority: Path) -> DatasetSource:
    """The same server behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, authority.with_suffix(".key"))
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    if source.kind == "http":
        return source.model_copy(update={"location": source.location.replace("http:", "https:")})
    server.url = server.url.replace("http:", "https:")
    return source.model_copy(update={"endpoint": server.url})


@pytest.mark.parametrize("host", KINDS, indirect=True)
@pytest.mark.parametrize("way", ["directly", "through a proxy"])
def test_a_private_authority_is_trusted_where_its_bundle_is_named(
    way: str,
    host: tuple[Any, DatasetSource],
    proxy: ProxyServer,
    authority: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = secured(*host, authority)
    if way == "through a proxy":
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with pytest.raises(RuntimeFailure, match=r"imports\.caBundle"):
        rows(source, tmp_path)

    monkeypatch.setenv("HOSTLER_CA_BUNDLE", str(authority))

    assert rows(source, tmp_path) == ROWS
    assert any(line.startswith("CONNECT") for line in proxy.seen) == (way == "through a proxy")


def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTLER_CA_BUNDLE", str(tmp_path / "none.crt"))

    with pytest.raises(RuntimeFailure, match=r"none\.crt cannot be read .* correct imports\.caBundle"):
        rows(DatasetSource(kind="s3", location="s3://books", endpoint="https://127.0.0.1:1"), tmp_path)


def test_the_mirror_stands_for_the_public_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = HubServer("me/books", {"main": {"rows.jsonl": ROWS}})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    try:
        assert rows(DatasetSource(kind="hf", location="hf://datasets/me/books"), tmp_path) == ROWS
    finally:
        server.close()

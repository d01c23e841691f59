"""Certificates and kubeconfigs of one cluster, made by the openssl command line.

Keys are elliptic-curve ones: a dozen RSA keys would take longer than the API server needs to start.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from hostler.local.errors import StartError
from hostler.local.naming import Names

_DAYS = "3650"


@dataclass(frozen=True)
class Identity:
    """One certificate: who it stands for and the names it answers to."""

    file: str
    user: str
    groups: tuple[str, ...] = ()
    alternative_names: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return "".join(f"/O={group}" for group in self.groups) + f"/CN={self.user}"


def identities(names: Names, nodes: Sequence[str]) -> list[Identity]:
    """All certificates of a cluster."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    server_names = tuple(f"DNS:{name}" for name in (*service, "localhost"))
    server_ips = tuple(f"IP:{ip}" for ip in (names.api_ip, names.api_service_ip, "127.0.0.1"))
    found = [
        Identity("apiserver", "kube-apiserver", alternative_names=server_names + server_ips),
        Identity("admin", "admin", ("system:masters",)),
        Identity("front-proxy", "front-proxy-client"),
    ]
    for index, node in enumerate(nodes):
        san = (f"DNS:{node}", f"IP:{names.node_ip(index)}")
        found.append(Identity(f"kubelet-{node}", f"system:node:{node}", ("system:nodes",), san))
    return found


def create(directory: Path, wanted: Sequence[Identity]) -> None:
    """Make the authority, the key for service account tokens and every certificate."""
    directory.mkdir(parents=True, exist_ok=True)
    _key(directory / "sa.key")
    _key(directory / "ca.key")
    _openssl(
        "req", "-x509", "-new", "-key", directory / "ca.key", "-days", _DAYS, "-subj", "/CN=hostler-local",
        "-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign", "-out", directory / "ca.crt",
    )  # fmt: skip
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda pair: _certificate(directory, pair[1], serial=pair[0] + 1), enumerate(wanted)))


def _key(path: Path) -> None:
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    path.chmod(0o600)


def _certificate(directory: Path, identity: Identity, *, serial: int) -> None:
    stem = directory / identity.file
    _key(stem.with_suffix(".key"))
    extensions = ["keyUsage=digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"]
    if identity.alternative_names:
        extensions.append("subjectAltName=" + ",".join(identity.alternative_names))
    stem.with_suffix(".ext").write_text("\n".join(extensions) + "\n")
    _openssl("req", "-new", "-key", f"{stem}.key", "-subj", identity.subject, "-out", f"{stem}.csr")
    _openssl(
        "x509", "-req", "-in", f"{stem}.csr", "-CA", directory / "ca.crt", "-CAkey", directory / "ca.key",
        "-set_serial", str(serial), "-days", _DAYS, "-extfile", f"{stem}.ext", "-out", f"{stem}.crt",
    )  # fmt: skip


def kubeconfig(names: Names, directory: Path, *, identity: str, embed: bool = False) -> str:
    """A kubeconfig of an identity; it refers to the certificate files, or holds copies of them with `embed`."""

    def material(key: str, file: str) -> dict[str, str]:
        path = directory / file
        if not embed:
            return {key: str(path)}
        return {f"{key}-data": base64.b64encode(path.read_bytes()).decode()}

    cluster = {"server": names.api_url, **material("certificate-authority", "ca.crt")}
    user = {**material("client-certificate", f"{identity}.crt"), **material("client-key", f"{identity}.key")}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": names.netns,
            "clusters": [{"name": names.netns, "cluster": cluster}],
            "users": [{"name": identity, "user": user}],
            "contexts": [{"name": names.netns, "context": {"cluster": names.netns, "user": identity}}],
        },
        sort_keys=False,
    )


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"openssl {arguments[0]} failed: {' '.join(done.stderr.split())}")

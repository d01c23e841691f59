"""A control plane on the loopback interface: etcd, API server, controllers, scheduler, and kwok in place of kubelets.

Everything lies in one directory of its own and listens on ports that were free, so that two runs do not meet.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stages
import yaml
from client import Api
from processes import Processes, free_ports

from hostler.local.native import pki

Object = dict[str, Any]

USERS = ("admin", "controller-manager", "scheduler", "kwok", "bench", "jobset", "trainer", "hostler")
"""All of system:masters, so that neither RBAC nor fairness decides; the audit log tells them apart."""
# The stock client limits (20 requests/s) make every system look equally slow.
_QPS = ("--kube-api-qps=1000", "--kube-api-burst=2000")
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted", "Panic"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}
_SERVICES = "10.97.0.0/16"


class ForeignListenerError(Exception):
    """Something that is not ours answers where our pods seem to live."""


@dataclass(kw_only=True)
class ControlPlane:
    """The programs, their files, and a client of the benchmark's own."""

    kubernetes: Path
    kwok: Path
    directory: Path
    pod_seconds: float
    """How long a pod runs before it succeeds."""
    api_port: int = 0
    processes: Processes = field(init=False)

    def __post_init__(self) -> None:
        logs = self.directory / "log"
        logs.mkdir(parents=True)
        self.processes = Processes(logs)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        return self.directory / f"{user}.kubeconfig"

    async def start(self, *, nodes: int) -> Api:
        """Bring it up with this many nodes of eight devices; returns the benchmark's client."""
        refuse_foreign_listener()
        self.api_port, etcd, peer, controllers, scheduler, kwok = free_ports(6)
        self._write_credentials()
        (self.directory / "audit.yaml").write_text(json.dumps(_AUDIT))
        self._run("etcd", self._etcd(etcd, peer))
        self._run("apiserver", self._apiserver(etcd))
        api = Api(self.url, pki=self.pki, user="bench")
        await api.until_ready(self.processes)
        self._run("controller-manager", self._controller_manager(controllers))
        self._run("scheduler", self._scheduler(scheduler))
        config = self.directory / "kwok.yaml"
        config.write_text(yaml.safe_dump_all(stages.configuration(pod_seconds=self.pod_seconds)))
        for number in range(nodes):
            await api.create("/api/v1/nodes", stages.node(number))
        self._run("kwok", [
            self.kwok, f"--kubeconfig={self.kubeconfig('kwok')}", f"--config={config}", "--manage-all-nodes",
            f"--server-address=127.0.0.1:{kwok}",
        ])  # fmt: skip
        await api.until(lambda: api.exists("/api/v1/namespaces/default/serviceaccounts/default"))
        return api

    def _run(self, name: str, argv: list[str | Path]) -> None:
        self.processes.start(name, argv, cwd=self.directory)

    def _write_credentials(self) -> None:
        addresses = ("DNS:localhost", "IP:127.0.0.1", "IP:10.97.0.1", "DNS:kubernetes.default.svc")
        server = pki.Identity("server", "server", alternative_names=addresses)
        users = [pki.Identity(user, user, ("system:masters",)) for user in USERS]
        pki.create(self.pki, [server, *users])
        for user in USERS:
            self.kubeconfig(user).write_text(yaml.safe_dump(self._kubeconfig(user)))

    def _kubeconfig(self, user: str) -> Object:
        cluster = {"server": self.url, "certificate-authority": str(self.pki / "ca.crt")}
        keys = {"client-certificate": str(self.pki / f"{user}.crt"), "client-key": str(self.pki / f"{user}.key")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": cluster}],
            "users": [{"name": user, "user": keys}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": user, "namespace": "default"}}],
        }

    def _etcd(self, port: int, peer: int) -> list[str | Path]:
        own, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        return [
            self.kubernetes / "server", f"--data-dir={self.directory / 'etcd'}", f"--listen-client-urls={own}",
            f"--advertise-client-urls={own}", f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}", "--unsafe-no-fsync", "--log-level=warn",
        ]  # fmt: skip

    def _apiserver(self, etcd: int) -> list[str | Path]:
        pki_directory = self.pki
        return [
            self.kubernetes / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self.api_port}", "--endpoint-reconciler-type=none",
            f"--tls-cert-file={pki_directory / 'server.crt'}", f"--tls-private-key-file={pki_directory / 'server.key'}",
            f"--client-ca-file={pki_directory / 'ca.crt'}", f"--service-account-key-file={pki_directory / 'sa.key'}",
            f"--service-account-signing-key-file={pki_directory / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-cluster-ip-range={_SERVICES}",
            "--authorization-mode=RBAC",
            # Fake nodes are ready when they are made, and nobody would take the taint away.
            "--disable-admission-plugins=TaintNodesByCondition",
            f"--audit-policy-file={self.directory / 'audit.yaml'}", f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=batch", "--audit-log-maxsize=4000", "--profiling=false",
        ]  # fmt: skip

    def _controller_manager(self, port: int) -> list[str | Path]:
        return [
            self.kubernetes / "kube-controller-manager", f"--kubeconfig={self.kubeconfig('controller-manager')}",
            f"--secure-port={port}", "--bind-address=127.0.0.1", "--use-service-account-credentials",
            f"--service-account-private-key-file={self.pki / 'sa.key'}", f"--root-ca-file={self.pki / 'ca.crt'}",
            "--leader-elect=false", "--controllers=*,-node-lifecycle-controller",
            "--concurrent-job-syncs=20", "--concurrent-gc-syncs=20", "--profiling=false", *_QPS,
        ]  # fmt: skip

    def _scheduler(self, port: int) -> list[str | Path]:
        return [
            self.kubernetes / "kube-scheduler", f"--kubeconfig={self.kubeconfig('scheduler')}", f"--secure-port={port}",
            "--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false", *_QPS,
        ]  # fmt: skip


def refuse_foreign_listener() -> None:
    """Raise :class:`ForeignListenerError` where somebody listens at our pods' address.

    The operator asks a running pod for its progress. The pods here have an address of the loopback interface that
    nobody uses, unless a program listens on every address: it would be asked in their stead.
    """
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((stages.POD_ADDRESS, stages.PROGRESS_PORT)) == 0:
            raise ForeignListenerError(
                f"a program listens on port {stages.PROGRESS_PORT} of every address and would be taken for a training "
                "pod: stop it, or let it listen on an address of its own"
            )


def working_directory() -> Path:
    """A directory for one run; those that killed runs left behind are removed."""
    root = Path(tempfile.gettempdir())
    for left in root.glob("hostler-bench-*"):
        owner = left.name.split("-")[2]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)

    return Path(tempfile.mkdtemp(prefix=f"hostler-bench-{os.getpid()}-", dir=root))

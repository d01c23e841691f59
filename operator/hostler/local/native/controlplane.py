"""The control plane's command lines: etcd, API server, controller-manager, scheduler, kube-proxy, CoreDNS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from hostler.local.naming import Names
from hostler.local.native.processes import Component

# The stock client limits (20 requests/s) make every controller look equally slow.
_QPS = ("--kube-api-qps=1000", "--kube-api-burst=2000")


@dataclass(frozen=True)
class Layout:
    """Where the control plane finds its programs and files."""

    names: Names
    binaries: Path

    @property
    def pki(self) -> Path:
        return self.names.run / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.names.run / "admin.kubeconfig"

    @property
    def kube_proxy_config(self) -> Path:
        return self.names.run / "kube-proxy.yaml"

    @property
    def corefile(self) -> Path:
        return self.names.run / "Corefile"

    @property
    def resolv_conf(self) -> Path:
        return self.names.run / "resolv.conf"

    def program(self, name: str) -> str:
        return str(self.binaries / name)


def etcd(layout: Layout) -> Component:
    """Durability has no value here: the data are dropped with the cluster."""
    return Component(
        "etcd",
        (
            layout.program("server"),
            f"--data-dir={layout.names.run / 'etcd'}",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def apiserver(layout: Layout) -> Component:
    pki, names = layout.pki, layout.names
    return Component(
        "kube-apiserver",
        (
            layout.program("kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={names.api_ip}",
            "--secure-port=6443",
            f"--service-cluster-ip-range={names.services}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--service-account-key-file={pki / 'sa.key'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            # Models that are images; on by itself from 1.35.
            "--feature-gates=ImageVolume=true",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'admin.crt'}",
            f"--kubelet-client-key={pki / 'admin.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={pki / 'ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
            f"--proxy-client-key-file={pki / 'front-proxy.key'}",
            "--enable-aggregator-routing=true",
            "--profiling=false",
        ),
    )


def controller_manager(layout: Layout) -> Component:
    pki = layout.pki
    return Component(
        "kube-controller-manager",
        (
            layout.program("kube-controller-manager"),
            f"--kubeconfig={layout.kubeconfig}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--concurrent-job-syncs=20",
            "--profiling=false",
            *_QPS,
        ),
    )


def scheduler(layout: Layout) -> Component:
    return Component(
        "kube-scheduler",
        (
            layout.program("kube-scheduler"),
            f"--kubeconfig={layout.kubeconfig}",
            "--leader-elect=false",
            "--profiling=false",
            # A claim that is bound while the scheduler looks at its pod can pass it by, and the pod would lie there
            # for five minutes, as for any event that is missed.
            "--pod-max-in-unschedulable-pods-duration=20s",
            *_QPS,
        ),
    )


def kube_proxy(layout: Layout) -> Component:
    """One serves all nodes: they share the network namespace in which it writes its rules."""
    return Component("kube-proxy", (layout.program("kube-proxy"), f"--config={layout.kube_proxy_config}"))


def kube_proxy_yaml(layout: Layout, *, node: str) -> str:
    """What kube-proxy is told: in a file, because its nftables mode has no flags."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": str(layout.names.pods),
        "hostnameOverride": node,
        "clientConnection": {"kubeconfig": str(layout.kubeconfig)},
        # Stock, it gathers changes for a second, in which a Service with pods that are ready refuses connections:
        # right for ten thousand Services, and a riddle to whoever tries the first one.
        "nftables": {"minSyncPeriod": "100ms"},
        # Set, they would be written, and they are read-only outside the first network namespace.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    return yaml.safe_dump(config, sort_keys=False)


def coredns(layout: Layout) -> Component:
    return Component("coredns", (layout.program("coredns"), "-conf", str(layout.corefile)))


def corefile(layout: Layout, *, upstream: bool) -> str:
    """CoreDNS's configuration; names outside the cluster go to the machine's own servers where pods can reach them."""
    forward = f"  forward . {layout.resolv_conf}\n" if upstream else ""
    return f"""\
.:53 {{
  bind {layout.names.dns_server_ip}
  errors
  health {layout.names.dns_server_ip}:8080
  ready {layout.names.dns_server_ip}:8181
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {layout.kubeconfig}
    pods insecure
    ttl 5
    fallthrough in-addr.arpa
  }}
{forward}  cache 10
}}
"""


def upstream_servers(resolv_conf: str) -> list[str]:
    """Name servers that can be reached from another network namespace: those on loopback cannot."""
    servers = [line.split()[1] for line in resolv_conf.splitlines() if line.startswith("nameserver ")]
    return [server for server in servers if not server.startswith("127.") and ":" not in server]

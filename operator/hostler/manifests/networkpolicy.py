"""What pods of ours may reach and who may reach them, where an administrator wants that enforced.

Policies add up: one of the administrator's own allows more beside ours, such as a mesh's control plane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from hostler.api.common import Source
from hostler.manifests.naming import (
    Manifest,
    dataset_labels,
    dataset_selector,
    import_labels,
    import_selector,
    job_labels,
    job_selector,
    metadata,
    server_labels,
    server_selector,
)
from hostler.planning.demand import HTTP_PORT

Network = IPv4Network | IPv6Network

_PORTS = {"http": 80, "https": 443}
_DNS: Manifest = {
    "ports": [{"port": port, "protocol": protocol} for port in (53, 1053, 5353) for protocol in ("UDP", "TCP")]
}
"""Wherever the resolver is, because that of a node may have a link-local address. Behind a Service it is the resolver's
own port that counts: 1053 in our local cluster, 5353 on OpenShift."""
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Ranges of no public host: nodes, pods, Services and so the API server; and the clouds' metadata services."""
_ALL = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True, kw_only=True)
class TrafficRules:
    """What an administrator says about traffic of workloads."""

    operator_namespace: str
    """Where the operator asks from."""
    metrics_namespaces: Sequence[str] = ()
    """Where Prometheus asks from."""
    data_networks: Sequence[Network] = ()
    """Networks in private ranges where data lies."""
    blocked_networks: Sequence[Network] = ()
    """Networks that may not be reached, such as a public API server's."""


def trainer_policy(
    job: str, source: Source | None, *, namespace: str, rules: TrafficRules, owner: Manifest
) -> Manifest:
    """Pods of all attempts of a job talk to each other, names are looked up, and data is fetched; the operator reads
    progress."""
    each_other = {"podSelector": {"matchLabels": job_selector(job)}}
    readers = [_namespace(name) for name in dict.fromkeys((rules.operator_namespace, *rules.metrics_namespaces))]
    return _policy(
        metadata(f"{job}-trainer", namespace=namespace, labels=job_labels(job), owner=owner),
        selector=job_selector(job),
        ingress=[{"from": [each_other]}, {"from": readers, "ports": _tcp([HTTP_PORT])}],
        egress=[{"to": [each_other]}, _DNS, *_data(source, rules)],
    )


def server_policy_name(service: str) -> str:
    """Of the policy for a service's replicas."""
    return f"{service}-server"


def server_policy(service: str, *, namespace: str, pool: str, owner: Manifest) -> Manifest:
    """Requests come from anywhere, and servers ask nobody: their models lie on volumes."""
    return _policy(
        metadata(
            server_policy_name(service), namespace=namespace, labels=server_labels(service, pool=pool), owner=owner
        ),
        selector=server_selector(service),
        ingress=[{"ports": _tcp([HTTP_PORT])}],
        egress=[],
    )


def inspector_policy(dataset: str, source: Source, *, namespace: str, rules: TrafficRules, owner: Manifest) -> Manifest:
    """Nobody asks the pods that look at a dataset."""
    return _policy(
        metadata(f"{dataset}-inspector", namespace=namespace, labels=dataset_labels(dataset), owner=owner),
        selector=dataset_selector(dataset),
        ingress=[],
        egress=[_DNS, *_data(source, rules)],
    )


def importer_policy(model: str, source: Source, *, namespace: str, rules: TrafficRules, owner: Manifest) -> Manifest:
    """The operator asks how far an import is; it fetches, and asks nobody else."""
    return _policy(
        metadata(f"{model}-importer", namespace=namespace, labels=import_labels(model), owner=owner),
        selector=import_selector(model),
        ingress=[{"from": [_namespace(rules.operator_namespace)], "ports": _tcp([HTTP_PORT])}],
        egress=[_DNS, *_data(source, rules)],
    )


def _policy(
    about: Manifest, *, selector: Mapping[str, str], ingress: list[Manifest], egress: list[Manifest]
) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": about,
        "spec": {
            "podSelector": {"matchLabels": dict(selector)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _tcp(ports: Iterable[int]) -> list[Manifest]:
    return [{"port": port, "protocol": "TCP"} for port in ports]


def _data(source: Source | None, rules: TrafficRules) -> list[Manifest]:
    """A policy cannot name a host, so the way to data leads to all public addresses, on the ports that the source
    needs, and to the networks that are named, on any: behind a Service it is the pod's port that counts."""
    ports = _ports(source)
    if not ports:
        return []
    public = _blocks(_ALL, without=(*_NOT_PUBLIC, *rules.blocked_networks))
    private = _blocks(rules.data_networks, without=rules.blocked_networks)
    return [{"to": public, "ports": _tcp(ports)}, *([{"to": private}] if private else [])]


def _ports(source: Source | None) -> list[int]:
    """Also https where the source names another port: hubs and sites redirect to it."""
    if source is None or not (source.http or source.s3 or source.hf or source.oci):
        return []
    if source.oci is not None:
        url: str | None = f"https://{source.oci.reference.partition('/')[0]}"
    else:
        url = source.http.url if source.http else (source.s3 or source.hf).endpoint  # type: ignore[union-attr]
    parts = urlsplit(url or "https://")
    try:
        port = parts.port
    except ValueError:
        port = None  # no such port: the download says so
    return sorted({port or _PORTS[parts.scheme], _PORTS["https"]})


def _blocks(networks: Iterable[Network], *, without: Sequence[Network]) -> list[Manifest]:
    """The API server refuses an exception that does not lie within its network."""
    found = []
    for network in networks:
        if any(_covers(each, network) for each in without):
            continue
        inside = [str(each) for each in without if _covers(network, each)]
        found.append({"ipBlock": {"cidr": str(network), **({"except": inside} if inside else {})}})
    return found


def _covers(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]

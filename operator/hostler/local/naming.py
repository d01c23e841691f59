"""Everything that distinguishes one cluster from another, derived from nothing but its name.

`down` must find what a killed `up` left behind, so nothing here may depend on a recorded choice.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from hostler.local.errors import ConfigError

DEFAULT_NAME = "hostler"
MARKER_VARIABLE = "HOSTLER_LOCAL_CLUSTER"
"""In the environment of every process of a cluster, so that `down` finds also those outside its cgroup."""

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$")
_FIRST_BLOCK = IPv4Address("10.64.0.0")
_BLOCKS = 640
"""Blocks of 16384 addresses from 10.64.0.0 to 10.223.255.255, clear of the customary 10.96 and 10.244 only by
chance: `up` refuses to start where the machine already routes the block elsewhere."""


@dataclass(frozen=True)
class Names:
    """The names, addresses and paths of one cluster."""

    cluster: str
    state_root: Path

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.cluster.encode()).hexdigest()

    @property
    def netns(self) -> str:
        return f"hostler-{self.cluster}"

    @property
    def netns_path(self) -> Path:
        return Path("/run/netns") / self.netns

    @property
    def veth(self) -> str:
        """The host's end of the cable into the cluster's network namespace (15 characters at most)."""
        return f"hl{self.digest[:10]}"

    @property
    def nft_table(self) -> str:
        return f"hostler-{self.cluster}"

    @property
    def cgroup(self) -> str:
        """Below the root of every cgroup hierarchy."""
        return f"hostler-{self.cluster}"

    @property
    def block(self) -> IPv4Network:
        """All addresses of the cluster; the host routes them into the namespace."""
        index = int(self.digest[:12], 16) % _BLOCKS
        return IPv4Network((int(_FIRST_BLOCK) + index * 2**14, 18))

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network((self.block.network_address, 19))

    @property
    def services(self) -> IPv4Network:
        return IPv4Network((int(self.block.network_address) + 2**13, 20))

    @property
    def link(self) -> IPv4Network:
        """The cable between host and namespace; the last /24 of the block."""
        return IPv4Network((int(self.block.broadcast_address) - 255, 24))

    @property
    def host_ip(self) -> IPv4Address:
        return self.link[1]

    @property
    def api_ip(self) -> IPv4Address:
        return self.link[2]

    @property
    def dns_server_ip(self) -> IPv4Address:
        """Where CoreDNS listens; pods ask the Service in front of it."""
        return self.link[3]

    def node_ip(self, index: int) -> IPv4Address:
        return self.link[10 + index]

    def pod_range(self, index: int) -> tuple[IPv4Address, IPv4Address]:
        """First and last pod address of a node; all nodes share the subnet and its gateway.

        Addresses that end in 0 or 255 are valid within it, but look like networks to too many programs.
        """
        start = int(self.pods.network_address) + 256 * (index + 1)
        return IPv4Address(start + 1), IPv4Address(start + 254)

    @property
    def pod_gateway(self) -> IPv4Address:
        return self.pods[1]

    @property
    def dns_service_ip(self) -> IPv4Address:
        return self.services[10]

    @property
    def api_service_ip(self) -> IPv4Address:
        return self.services[1]

    @property
    def api_url(self) -> str:
        return f"https://{self.api_ip}:6443"

    @property
    def state(self) -> Path:
        return self.state_root / self.cluster

    @property
    def run(self) -> Path:
        """Everything that `down` removes: certificates, etcd, logs, the nodes' working directories."""
        return self.state / "run"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    def image_store(self, node: str) -> Path:
        """The node's containerd root: survives `down`, so that the next `up` finds its images."""
        return self.state / "images" / node

    @property
    def volumes(self) -> Path:
        return self.run / "volumes"

    @property
    def logs(self) -> Path:
        return self.run / "log"

    @property
    def lock(self) -> Path:
        return self.state_root / f".{self.cluster}.lock"


def state_root() -> Path:
    """Where clusters live; users without root have kind clusters only, in their own directory."""
    default = Path("/var/lib/hostler") if os.geteuid() == 0 else Path.home() / ".local" / "state" / "hostler"
    return Path(os.environ.get("HOSTLER_STATE_DIR") or default)


def cache_root() -> Path:
    return Path(os.environ.get("HOSTLER_CACHE_DIR") or Path.home() / ".cache" / "hostler")


def names_of(cluster: str, *, root: Path | None = None) -> Names:
    """The names of a cluster; refuses a name that does not fit into all of them."""
    if not _NAME.match(cluster):
        raise ConfigError(
            f"cluster name {cluster!r} is not valid",
            way_out="use at most 32 lower-case letters, digits and dashes, with no dash at either end",
        )
    return Names(cluster=cluster, state_root=root or state_root())

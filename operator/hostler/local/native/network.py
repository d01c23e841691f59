"""The cluster's network namespace: one cable to the host, routes, and the way out for pods.

API server, kubelets, kube-proxy and the pods' bridge all live inside, so their ports, nftables tables and sysctls
cannot meet those of the host or of another cluster, and removing the namespace removes them all.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from hostler.local.errors import PreflightError, StartError
from hostler.local.naming import Names

_INNER = "eth0"
_NAMESPACE_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    # Without it, replies between two pods on the bridge bypass kube-proxy's address translation.
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/ipv4/conf/all/rp_filter": "0",
}


def host_batch(names: Names) -> list[str]:
    """`ip` commands for the host's side of the cable."""
    return [
        f"link add {names.veth} type veth peer name {_INNER} netns {names.netns}",
        f"address add {names.host_ip}/{names.link.prefixlen} dev {names.veth}",
        f"link set {names.veth} up",
        f"route add {names.block} via {names.api_ip} dev {names.veth}",
    ]


def inner_batch(names: Names, *, nodes: int) -> list[str]:
    """`ip` commands for the inside: one address each for the API server, CoreDNS and every node."""
    addresses = [names.api_ip, names.dns_server_ip, *(names.node_ip(index) for index in range(nodes))]
    return [
        "link set lo up",
        *(f"address add {address}/{names.link.prefixlen} dev {_INNER}" for address in addresses),
        f"link set {_INNER} up",
        f"route add default via {names.host_ip}",
    ]


def masquerade_rules(names: Names) -> str:
    """The only nftables table on the host: pods leave the machine under its address."""
    return f"""
table ip {names.nft_table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {names.block} ip daddr != {names.block} oifname != "{names.veth}" masquerade
  }}
}}
"""


def overlapping_routes(names: Names, routes: Sequence[dict[str, str]]) -> list[str]:
    """Routes of the host that already claim addresses of the cluster's block (default routes aside)."""
    clashes = []
    for route in routes:
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == names.veth:
            continue
        with contextlib.suppress(ValueError):
            network = IPv4Network(destination, strict=False)
            if network.prefixlen > 0 and network.overlaps(names.block):
                clashes.append(f"{destination} dev {route.get('dev', '?')}")
    return clashes


def check_free(names: Names) -> None:
    """Refuse to start where the host already uses the cluster's addresses."""
    routes = json.loads(_run(["ip", "-json", "-4", "route", "show"]) or "[]")
    clashes = overlapping_routes(names, routes)
    if clashes:
        raise PreflightError(
            f"addresses {names.block} of cluster {names.cluster!r} are in use by the route {clashes[0]}",
            way_out="choose another --name: the addresses derive from it",
        )


def create(names: Names, *, nodes: int) -> None:
    """Make the namespace and both ends of its cable."""
    _run(["ip", "netns", "add", names.netns])
    _batch([], host_batch(names))
    _batch(["-n", names.netns], inner_batch(names, nodes=nodes))
    _inside_sysctls(names)
    _run(["nft", "-f", "-"], text=masquerade_rules(names))
    _forward(names.veth, "1")
    for device in _uplinks():
        _forward(device, "1")


def _inside_sysctls(names: Names) -> None:
    script = " && ".join(f"echo {value} > /proc/sys/{key}" for key, value in _NAMESPACE_SYSCTLS.items())
    _run(["nsenter", f"--net={names.netns_path}", "--", "sh", "-c", script])


def remove(names: Names) -> None:
    """Undo `create`, whatever of it happened."""
    _run(["ip", "link", "delete", names.veth], check=False)
    _run(["ip", "netns", "delete", names.netns], check=False)
    # A killed `ip netns add` leaves the file without the mount.
    with contextlib.suppress(OSError):
        names.netns_path.unlink()
    _run(["nft", "delete", "table", "ip", names.nft_table], check=False)
    if not _other_clusters(names):
        _restore_forwarding()


def _uplinks() -> list[str]:
    routes = json.loads(_run(["ip", "-json", "-4", "route", "show", "default"], check=False) or "[]")
    return sorted({route["dev"] for route in routes if "dev" in route})


def _forward(device: str, value: str) -> None:
    """Forwarding is switched per interface: turning on net.ipv4.ip_forward would open the whole host."""
    with contextlib.suppress(FileNotFoundError):
        Path(f"/proc/sys/net/ipv4/conf/{device}/forwarding").write_text(value)


def _restore_forwarding() -> None:
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "0":
        for device in _uplinks():
            _forward(device, "0")


def _other_clusters(names: Names) -> bool:
    tables = _run(["nft", "list", "tables", "ip"], check=False)
    return any(line.startswith("table ip hostler-") for line in tables.splitlines())


def exists(names: Names) -> bool:
    return names.netns_path.exists()


def _batch(options: Sequence[str], commands: Sequence[str]) -> None:
    _run(["ip", *options, "-batch", "-"], text="\n".join(commands) + "\n")


def _run(argv: Sequence[str], *, text: str | None = None, check: bool = True) -> str:
    try:
        done = subprocess.run(argv, input=text or "", capture_output=True, text=True, check=False)
    except FileNotFoundError:
        # `down` on a machine that never had the program: what it would remove cannot be there.
        if not check:
            return ""
        raise StartError(f"{argv[0]} is not installed", way_out="run `hostler local up`, which installs it") from None
    if check and done.returncode != 0:
        reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise StartError(f"`{' '.join(argv)}` failed: {reason}", way_out="run `hostler local down` and try again")
    return done.stdout

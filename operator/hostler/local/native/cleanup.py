"""Removing a native cluster, also one whose `up` was killed: everything is found by what derives from its name."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hostler.local.naming import MARKER_VARIABLE, Names
from hostler.local.native import cgroups, network
from hostler.local.tools import which


def mounts_below(path: Path, mounts: str) -> list[str]:
    """Mount points at or below a path in the text of /proc/mounts, deepest first."""
    targets = [line.split(" ")[1].replace("\\040", " ") for line in mounts.splitlines()]
    prefix = f"{path}/"
    return sorted((t for t in targets if t == str(path) or t.startswith(prefix)), key=len, reverse=True)


def leftovers(names: Names) -> list[str]:
    """What there is of a cluster on this machine besides its image stores, in words."""
    found = cgroups.hierarchies()
    pids = cgroups.members(found, names.cgroup) | cgroups.marked(MARKER_VARIABLE, str(names.state))
    remains = [f"process {pid}" for pid in sorted(pids)]
    remains += [f"cgroup {root / names.cgroup}" for root in found.roots if (root / names.cgroup).exists()]
    remains += [f"mount {target}" for target in mounts_below(names.state, Path("/proc/mounts").read_text())]
    if network.exists(names):
        remains.append(f"network namespace {names.netns}")
    if Path(f"/sys/class/net/{names.veth}").exists():
        remains.append(f"interface {names.veth}")
    if names.nft_table in _tables():
        remains.append(f"nftables table {names.nft_table}")
    remains += [f"directory {path}" for path in (names.run, names.kubeconfig) if path.exists()]
    return remains


def _tables() -> set[str]:
    """Names of the host's nftables tables."""
    if which("nft") is None:
        return set()
    done = subprocess.run(["nft", "-j", "list", "tables"], capture_output=True, text=True, check=False)
    entries = json.loads(done.stdout or "{}").get("nftables", [])
    return {entry["table"]["name"] for entry in entries if "table" in entry}


def remove(names: Names, *, stores: bool = False) -> int:
    """Remove a cluster; returns the number of processes killed. With `stores`, its image stores go as well."""
    found = cgroups.hierarchies()
    killed = cgroups.kill(found, names.cgroup, variable=MARKER_VARIABLE, value=str(names.state))
    network.remove(names)
    cgroups.remove(found, names.cgroup)
    # Nodes mount in namespaces of their own, so nothing is expected here; removing files below a mount that
    # is there after all (somebody else's bind) would delete what is behind it.
    for target in mounts_below(names.state, Path("/proc/mounts").read_text()):
        subprocess.run(["umount", "--lazy", target], capture_output=True, check=False)
    names.kubeconfig.unlink(missing_ok=True)
    _remove_trees([names.state] if stores else [names.run])
    # The machine's directories that nodes bind their own over (/var/lib/kubelet and others) stay, empty as they are. A
    # directory that is removed takes along whatever is mounted on it, in every namespace: `down` of one cluster took
    # the kubelets' directories from the nodes of all others.
    _remove_empty([names.state / "images", names.state])
    return killed


def _remove_trees(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists():
            shutil.rmtree(path)


def _remove_empty(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.rmdir()

"""Images in the nodes' own stores: which are there, and bringing in those that are not."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hostler.local.errors import ImageError
from hostler.local.native import pause
from hostler.local.native.node import PAUSE_IMAGE, Node


def listed(ctr: Path, node: Node) -> set[str]:
    """The references in a node's store; fails while its containerd does not answer."""
    done = _ctr(ctr, node, "images", "list", "--quiet")
    if done.returncode != 0:
        raise ImageError(f"node {node.name} does not list its images: {' '.join(done.stderr.split())}")
    return set(done.stdout.split())


def answers(ctr: Path, node: Node) -> bool:
    return node.socket.exists() and _ctr(ctr, node, "version").returncode == 0


def ensure_pause(ctr: Path, node: Node) -> None:
    if PAUSE_IMAGE in listed(ctr, node):
        return
    archive = node.home / "pause.tar"
    pause.write_archive(archive, machine=platform.machine())
    load(ctr, node, archive=archive)


def load(ctr: Path, node: Node, *, archive: Path) -> None:
    done = _ctr(ctr, node, "images", "import", "--snapshotter", node.snapshotter, str(archive))
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise ImageError(f"node {node.name} refuses {archive.name}: {reason}", way_out="give an OCI or docker archive")


def load_everywhere(ctr: Path, nodes: Sequence[Node], *, archive: Path, reference: str | None) -> list[str]:
    """Import an archive into each node that lacks its image; returns the names of those that got it."""
    wanting = [node for node in nodes if reference is None or reference not in listed(ctr, node)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda node: load(ctr, node, archive=archive), wanting))
    return [node.name for node in wanting]


def _ctr(ctr: Path, node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [str(ctr), "--address", str(node.socket), "--namespace", "k8s.io", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)

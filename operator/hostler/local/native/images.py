"""Images in the nodes' own stores: which are there, and bringing in those that are not."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from hostler.local.errors import ImageError
from hostler.local.layout import Layout
from hostler.local.native import pause
from hostler.local.native.node import PAUSE_IMAGE, Node

_REPOSITORY = "localhost/hostler/"


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


def prune(ctr: Path, node: Node, *, kept: Collection[str]) -> None:
    """Remove images of ours that were superseded; called while no pod runs on the node."""
    ours = {reference for reference in listed(ctr, node) if reference.startswith(_REPOSITORY)}
    stale = sorted(ours - set(kept) - {PAUSE_IMAGE})
    if stale:
        _ctr(ctr, node, "images", "remove", *stale)


def load(ctr: Path, node: Node, *, archive: Path) -> None:
    done = _ctr(ctr, node, "images", "import", "--snapshotter", node.snapshotter, str(archive))
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise ImageError(f"node {node.name} refuses {archive.name}: {reason}", way_out="give an OCI or docker archive")


def load_layout(ctr: Path, nodes: Sequence[Node], *, layout: Layout, reference: str) -> list[str]:
    """Bring an exported image into each node that lacks it; returns the names of those that got it."""
    wanting = [node for node in nodes if reference not in listed(ctr, node)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda node: _stream(ctr, node, layout=layout, reference=reference), wanting))
    return [node.name for node in wanting]


def _stream(ctr: Path, node: Node, *, layout: Layout, reference: str) -> None:
    """Import from a pipe, without the layers that other images have brought already."""
    present = set(_ctr(ctr, node, "content", "list", "--quiet").stdout.split())
    argv = _command(ctr, node, "images", "import", "--snapshotter", node.snapshotter, "-")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
        assert process.stdin is not None
        # When ctr gives up early, its own words say more than our broken pipe.
        with suppress(BrokenPipeError), process.stdin as stdin:
            layout.write_archive(reference, stdin, without=present)
        if process.wait() != 0:
            errors.seek(0)
            reason = " ".join(errors.read().decode(errors="replace").split())
            raise ImageError(f"node {node.name} refuses {reference}: {reason}")


def _command(ctr: Path, node: Node, *arguments: str) -> list[str]:
    return [str(ctr), "--address", str(node.socket), "--namespace", "k8s.io", *arguments]


def _ctr(ctr: Path, node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(ctr, node, *arguments), capture_output=True, text=True, check=False)

"""From buildah's store to the OCI layout: an image is its parent as exported before, plus one layer of what differs.

buildah's own push reads and compresses every layer again: 20 s for a change of one file in the runtime's code. Here the
two trees are compared, and only what the upper one adds, changes or lacks is packed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hostler.local.errors import ImageError
from hostler.local.layout import Layout

Json = dict[str, Any]
_WHITEOUT = ".wh."
_KEPT_XATTRS = ("security.capability", "user.")


@dataclass(frozen=True)
class Difference:
    """What an upper tree has on top of a lower one, by path relative to the root."""

    written: tuple[str, ...]
    """New and changed entries, directories before what is in them."""
    removed: tuple[str, ...]


def compare(lower: Path, upper: Path) -> Difference:
    """Compare two mounted images.

    In two overlay mounts a file of a shared layer has the same inode number. Where the number differs, the file is
    taken as changed, which costs space at worst.
    """
    written: list[str] = []
    removed: list[str] = []
    _compare(lower, upper, "", written, removed)
    return Difference(tuple(written), tuple(removed))


def _compare(lower: Path, upper: Path, at: str, written: list[str], removed: list[str]) -> None:
    below, above = _entries(lower / at), _entries(upper / at)
    removed.extend(os.path.join(at, name) for name in sorted(below.keys() - above.keys()))
    for name in sorted(above):
        path, now, before = os.path.join(at, name), above[name], below.get(name)
        if stat.S_ISDIR(now.st_mode):
            kept = before is not None and stat.S_ISDIR(before.st_mode)
            if before is None or not kept or _attributes(now) != _attributes(before):
                written.append(path)
            _compare(lower if kept else upper / "\0", upper, path, written, removed)
        elif before is None or before.st_ino != now.st_ino or before.st_mode != now.st_mode:
            written.append(path)


def _entries(directory: Path) -> dict[str, os.stat_result]:
    try:
        with os.scandir(directory) as entries:
            return {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}


def _attributes(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mode, found.st_uid, found.st_gid


def write_layer(upper: Path, difference: Difference, target: IO[bytes]) -> None:
    """The difference as a layer's tar; a removed entry becomes an empty file with a mark in its name."""
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in difference.removed:
            directory, name = os.path.split(path)
            tar.addfile(tarfile.TarInfo(os.path.join(directory, _WHITEOUT + name)), io.BytesIO())
        for path in difference.written:
            _add(tar, upper / path, path)


def _add(tar: tarfile.TarFile, source: Path, path: str) -> None:
    info = tar.gettarinfo(str(source), arcname=path)
    if info is None:
        # A socket: no layer can hold one.
        return
    info.uname = info.gname = ""
    info.pax_headers = {
        f"SCHILY.xattr.{name}": os.getxattr(source, name, follow_symlinks=False).decode("utf-8", "surrogateescape")
        for name in os.listxattr(source, follow_symlinks=False)
        if name.startswith(_KEPT_XATTRS)
    }
    if info.isreg():
        with source.open("rb") as content:
            tar.addfile(info, content)
    else:
        tar.addfile(info)


class _Digesting(io.RawIOBase):
    """Passes bytes on and counts them into a digest."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self._target.write(data)
        return len(data)


def export_on_parent(
    reference: str, *, parent: str, layout: Layout, configuration: Json, trees: tuple[Path, Path]
) -> None:
    """Add an image to the layout as its parent's layers and one of its own."""
    lower, upper = trees
    partial = layout.directory / "layer.partial"
    with partial.open("wb") as file:
        process = subprocess.Popen(["zstd", "-q", "-3", "-T0"], stdin=subprocess.PIPE, stdout=file)
        assert process.stdin is not None
        with process.stdin as stdin:
            digesting = _Digesting(stdin)
            write_layer(upper, compare(lower, upper), digesting)  # type: ignore[arg-type]
        if process.wait() != 0:
            raise ImageError(f"the layer of {reference} cannot be compressed", way_out="look for a full disk")
    layer = layout.add_file(partial, media_type="application/vnd.oci.image.layer.v1.tar+zstd")
    manifest, base = layout.manifest(parent), layout.configuration(parent)
    config = {
        **configuration,
        "rootfs": {
            "type": "layers",
            "diff_ids": [*base["rootfs"]["diff_ids"], f"sha256:{digesting.sha256.hexdigest()}"],
        },
        "history": [*base.get("history", []), {"created_by": reference}],
    }
    layout.add_image(reference, config=config, layers=[*manifest["layers"], layer])


@contextmanager
def mounted(store: Sequence[str], references: Sequence[str]) -> Iterator[list[Path]]:
    """The trees of images, for the time of a block."""
    containers: list[str] = []
    try:
        for reference in references:
            containers.append(_output([*store, "from", "--pull-never", reference]))
        yield [Path(_output([*store, "mount", container])) for container in containers]
    finally:
        for container in containers:
            subprocess.run([*store, "rm", container], capture_output=True, check=False)


def configuration_of(store: Sequence[str], reference: str) -> Json:
    """An image's configuration as buildah has it."""
    found: Json = json.loads(_output([*store, "inspect", "--type", "image", reference]))["OCIv1"]
    return found


def _output(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"`{' '.join(argv)}` failed: {' '.join(done.stderr.split())}")
    return done.stdout.strip()

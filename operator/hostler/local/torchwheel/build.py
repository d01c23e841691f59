"""The keyed cache around download and repacking."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hostler.local.errors import LocalClusterError
from hostler.local.naming import cache_root
from hostler.local.tools import WHEEL_PACKAGES, ensure_packages
from hostler.local.torchwheel.errors import TorchWheelError
from hostler.local.torchwheel.fetch import fetch_from_index, fetch_pinned, pinned_sha256
from hostler.local.torchwheel.pins import TORCH_VERSION
from hostler.local.torchwheel.repack import repack

_RECIPE = ("elf.py", "pins.py", "repack.py", "stubs.py")
_NEEDED_BYTES = 4 << 30


@dataclass(frozen=True)
class WheelRequest:
    """Which torch is wanted."""

    python: str = "3.11"
    index_url: str | None = None
    """Index that has a CPU build; without it PyPI's wheel is repacked."""

    @property
    def key(self) -> str:
        """Hash of everything that decides the wheel's content."""
        digest = hashlib.sha256(f"{TORCH_VERSION} {self.python} {self.index_url}".encode())
        if self.index_url is None:
            digest.update(pinned_sha256(self.python).encode())
            for name in _RECIPE:
                digest.update((Path(__file__).parent / name).read_bytes())
        return digest.hexdigest()[:16]


def ensure_wheel(request: WheelRequest, *, cache: Path | None = None) -> Path:
    """The wheel's path in the cache; made when it is not there yet."""
    shelf = (cache or cache_root()) / "wheels"
    home = shelf / request.key
    if found := sorted(home.glob("torch-*.whl")):
        return found[0]
    shelf.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(shelf).free) < _NEEDED_BYTES:
        raise TorchWheelError(f"{shelf} has {free >> 20} MiB free, making the wheel needs {_NEEDED_BYTES >> 20} MiB")
    with tempfile.TemporaryDirectory(prefix=".work-", dir=shelf) as work:
        finished = _make(request, work=Path(work))
        # Two processes may race: the rename of a file into the shared directory is atomic, the second one wins.
        home.mkdir(exist_ok=True)
        return finished.rename(home / finished.name)


def _make(request: WheelRequest, *, work: Path) -> Path:
    download, output, scratch = work / "download", work / "output", work / "scratch"
    for directory in (download, output, scratch):
        directory.mkdir()
    if request.index_url:
        return fetch_from_index(request.index_url, python=request.python, into=download)
    try:
        ensure_packages(print, needed=WHEEL_PACKAGES)
    except LocalClusterError as error:
        raise TorchWheelError(str(error)) from error
    return repack(fetch_pinned(python=request.python, into=download), output=output, scratch=scratch)


def place(wheel: Path, *, directory: Path) -> Path:
    """The wheel, and no other torch, in ``directory`` (a link where the file system allows it)."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / wheel.name
    for old in directory.glob("torch-*.whl"):
        if old.name != wheel.name or not old.samefile(wheel):
            old.unlink()
    if not target.exists():
        try:
            os.link(wheel, target)
        except OSError:
            shutil.copyfile(wheel, target)
    return target

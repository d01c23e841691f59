"""The foundation of native images: a minimal Debian with Python, made by debootstrap from the machine's own mirror."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from hostler.local.errors import ImageError

SUITE = "bookworm"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
_RECIPE = "1"
"""Counts up when `_trim` changes."""
_DROPPED = (
    "var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man", "usr/share/info", "usr/share/locale",
    "usr/share/bash-completion", "usr/share/lintian",
)  # fmt: skip
_SOURCES = f"""\
deb {DEFAULT_MIRROR} {SUITE} main
deb {DEFAULT_MIRROR} {SUITE}-updates main
deb http://deb.debian.org/debian-security {SUITE}-security main
"""


def key() -> str:
    return hashlib.sha256(" ".join((SUITE, *PACKAGES, _SOURCES, _RECIPE)).encode()).hexdigest()[:12]


def debian_mirror(sources: str) -> str:
    """The Debian mirror in the text of apt's source files (both formats); the public one where there is none."""
    for line in sources.splitlines():
        match = re.match(r"^(?:deb\s+(?:\[[^]]*\]\s+)?|URIs:\s+)(https?://\S+/debian)/?(?:\s|$)", line.strip())
        if match:
            return match.group(1)
    return DEFAULT_MIRROR


def machine_mirror() -> str:
    directory = Path("/etc/apt")
    files = [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))]
    return debian_mirror("\n".join(file.read_text(errors="replace") for file in files if file.is_file()))


def make(archive: Path, *, note: Callable[[str], None]) -> None:
    """Write the root file system as a tar."""
    tree = archive.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    mirror = machine_mirror()
    note(f"debootstrap {SUITE} from {mirror}")
    try:
        _run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(tree), mirror)
        _trim(tree)
        partial = archive.with_suffix(".partial")
        _run("tar", "--numeric-owner", "--sort=name", "--mtime=@0", "-C", str(tree), "-cf", str(partial), ".")
        partial.rename(archive)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _trim(tree: Path) -> None:
    """Leave out what containers never read, keep the licences, and name the public mirror instead of ours."""
    for name in _DROPPED:
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir(parents=True)
    for file in (tree / "usr/share/doc").rglob("*"):
        if file.name != "copyright" and (file.is_file() or file.is_symlink()) and not file.is_dir():
            file.unlink()
    (tree / "etc/apt/sources.list").write_text(_SOURCES)
    # Made by debootstrap from the machine's own: a container gets its own from the kubelet.
    for name in ("etc/resolv.conf", "etc/hostname"):
        (tree / name).unlink(missing_ok=True)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ImageError(
            f"{argv[0]} failed: {' '.join(lines[-2:])}", way_out="check that the Debian mirror of apt can be reached"
        )

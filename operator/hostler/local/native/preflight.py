"""What the native provider needs of a machine, asked before anything is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hostler.local.errors import LocalClusterError, PreflightError
from hostler.local.tools import ensure_packages


@dataclass(frozen=True)
class Requirement:
    """A kernel feature: how to see it, which module brings it."""

    module: str
    present: Callable[[], bool]
    purpose: str


def _filesystem(name: str) -> Callable[[], bool]:
    return lambda: name in Path("/proc/filesystems").read_text().split()


REQUIREMENTS = (
    Requirement("overlay", _filesystem("overlay"), "container images"),
    Requirement("br_netfilter", Path("/proc/sys/net/bridge").exists, "Services between pods"),
    Requirement("nf_tables", lambda: _succeeds("nft", "list", "tables"), "Services"),
    Requirement("nf_conntrack", Path("/proc/sys/net/netfilter").exists, "Services"),
)


INOTIFY_LIMITS = {"max_user_instances": 1024, "max_user_watches": 262144}


def check_platform(*, uid: int, platform: str) -> None:
    """The native provider runs as root on Linux and nowhere else."""
    if platform != "linux":
        raise PreflightError(
            f"the native provider needs Linux, this is {platform}", way_out="install Docker and use --provider kind"
        )
    if uid != 0:
        raise PreflightError(
            "the native provider needs root",
            way_out="run the command with sudo, or install Docker and kind and use --provider kind",
        )


def check_machine() -> None:
    check_platform(uid=os.geteuid(), platform=sys.platform)


def check_kernel(
    requirements: tuple[Requirement, ...] = REQUIREMENTS,
    *,
    note: Callable[[str], None] = lambda _: None,
    load: Callable[[str], object] | None = None,
) -> None:
    """Load the modules that are missing; name the one that cannot be loaded."""
    load = load or (lambda module: _modprobe(module, note))
    for requirement in requirements:
        if requirement.present():
            continue
        load(requirement.module)
        if not requirement.present():
            raise PreflightError(
                f"kernel module {requirement.module} is missing (needed for {requirement.purpose})",
                way_out=f"run `modprobe {requirement.module}` (on the host, if this is a container), "
                "or boot a kernel that has it",
            )


def _modprobe(module: str, note: Callable[[str], None]) -> None:
    # Minimal systems lack modprobe. That it cannot be had is no news of its own: the missing module is named next.
    with suppress(LocalClusterError):
        ensure_packages(note, needed={"modprobe": "kmod"})
    _succeeds("modprobe", module)


def raise_limits(note: Callable[[str], None], *, root: Path = Path("/proc/sys/fs/inotify")) -> None:
    """Raise the kernel's limits on file watches where they are too low for several kubelets.

    The default of 128 instances for all of root's processes is used up by two clusters. Nothing but these two values
    of the machine is changed, and `down` leaves them: another cluster may need them by then.
    """
    for name, least in INOTIFY_LIMITS.items():
        file = root / name
        if file.exists() and int(file.read_text()) < least:
            note(f"raising fs.inotify.{name} to {least}")
            file.write_text(str(least))


def _succeeds(*argv: str) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def snapshotter(directory: Path) -> str:
    """overlayfs cannot stack on itself: inside a container whose disk is one, layers are copied instead."""
    directory.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", str(directory)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return "native" if kind == "overlayfs" else "overlayfs"


def machine_resources() -> dict[str, float]:
    """The processors and the bytes of memory that a kubelet sees."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": float(os.cpu_count() or 1), "memory": float(pages)}

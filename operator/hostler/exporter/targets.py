"""Which URL is asked for which resource."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hostler.accelerators import AcceleratorType, accelerators, types_of_resource
from hostler.accelerators.mapping import ExporterMapping
from hostler.accelerators.registry import exporters

SIMULATOR_PORT = 9400


class TargetError(ValueError):
    """A --target that cannot be used; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Target:
    """An exporter that is not where its vendor puts it, or whose type the operator of the cluster knows better."""

    resource: str
    type: str | None
    """The accelerator type, where the target was given by type and so decides among those of the resource."""
    url: str


def parse_target(text: str) -> Target:
    """``TYPE=URL`` or ``RESOURCE=URL``. Raises :class:`TargetError`."""
    key, separator, url = text.partition("=")
    if not separator or not url.startswith(("http://", "https://")):
        raise TargetError(
            f"--target {text!r}: expected TYPE=URL or RESOURCE=URL, such as intel-gaudi2=http://10.0.0.4/"
        )
    if "/" in key:
        if not types_under(key):
            raise TargetError(f"--target {text!r}: no accelerator type has the resource {key!r}")
        return Target(key, None, url)
    kind = accelerators().get(key)
    if kind is None or kind.resource_name is None:
        raise TargetError(
            f"--target {text!r}: {key!r} is no accelerator type with a fixed resource name; "
            "`hostler accelerators` lists them, and RESOURCE=URL works for the others"
        )
    return Target(kind.resource_name, kind.id, url)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Where this node's exporters listen."""

    explicit: Sequence[Target] = ()
    node_ip: str = "127.0.0.1"
    simulator_url: str | None = None
    """The device simulator's metrics; asked for every resource, and no failure where there is none."""

    def resources(self) -> frozenset[str]:
        """Resources that are asked for while the kubelet is silent."""
        return frozenset(target.resource for target in self.explicit)

    def candidates(self, resource: str, simulated_types: Iterable[str]) -> Sequence[AcceleratorType]:
        """The types that the resource may be here: what the simulator or a target by type says, else all of them."""
        every = types_under(resource)
        named = set(simulated_types) or {target.type for target in self._explicit(resource) if target.type}
        return [kind for kind in every if kind.id in named] or every

    def urls(self, resource: str) -> Sequence[str]:
        """What is asked for one resource, without the simulator."""
        return [target.url for target in self._explicit(resource)] or self._default_urls(resource)

    def _explicit(self, resource: str) -> list[Target]:
        """Targets for the resource, or for another one that the same exporter measures (a card and its slices)."""
        mapping = mapping_of(resource)
        return [
            target
            for target in self.explicit
            if target.resource == resource or (mapping is not None and mapping_of(target.resource) is mapping)
        ]

    def _default_urls(self, resource: str) -> list[str]:
        mapping = mapping_of(resource)
        if mapping is None or mapping.port is None:
            return []
        return [f"http://{_host(self.node_ip)}:{mapping.port}{mapping.path}"]


@functools.lru_cache(maxsize=256)
def mapping_of(resource: str) -> ExporterMapping | None:
    """How the exporter that measures the devices of a resource is read."""
    own = next((kind.exporter for kind in types_of_resource(resource) if kind.exporter is not None), None)
    return own or next((mapping for mapping in exporters().values() if mapping.measures(resource)), None)


@functools.lru_cache(maxsize=256)
def types_under(resource: str) -> Sequence[AcceleratorType]:
    """Types whose devices, or slices of them, a node may advertise under this extended resource; often none."""
    named = types_of_resource(resource)
    mapping = mapping_of(resource)
    if named or mapping is None:
        return named
    return tuple(kind for kind in accelerators().values() if kind.exporter is mapping)


def simulator_url(node_ip: str) -> str:
    """Where the device simulator listens on a node."""
    return f"http://{_host(node_ip)}:{SIMULATOR_PORT}/metrics"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address

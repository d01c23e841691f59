"""What is known of a node's devices before they are joined, and what is published of each afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hostler.accelerators import AcceleratorType
from hostler.accelerators.mapping import ExporterMapping
from hostler.exporter.reading import Quantity, Reading
from hostler.kubelet.podresources import Holder


@dataclass(frozen=True, kw_only=True)
class ResourceFacts:
    """Everything known of one extended resource of this node."""

    resource: str
    candidates: Sequence[AcceleratorType]
    """The types that this resource may be; at least one."""
    readings: Sequence[Reading] = ()
    allocatable: frozenset[str] | None = None
    """Ids of healthy devices; None where the kubelet did not say."""
    holders: Mapping[str, Holder] = field(default_factory=dict)
    """Holder by device id."""
    known: frozenset[str] = frozenset()
    """Ids that the kubelet has called healthy since this process started."""
    simulated: bool = False
    cores_per_device: int | None = None
    """What the exporter says of devices that are handed out by core; None where it says nothing."""

    @property
    def whole(self) -> bool:
        """True where the resource hands out devices as pools name them, not slices under a name of their own."""
        return any(kind.accepts_resource(self.resource) for kind in self.candidates)

    @property
    def mapping(self) -> ExporterMapping | None:
        """How the exporter of this resource is read; types that share a resource share it."""
        return next((kind.exporter for kind in self.candidates if kind.exporter is not None), None)


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device of the node, or one slice of it, ready to be published. An empty string means 'not known' or 'none'.

    A device that several containers share is still one device: its measurements belong to none of them, and ``held``
    says who holds how much of it.
    """

    resource: str
    vendor: str
    type: str
    model: str
    device: str
    simulated: bool
    values: Mapping[Quantity, float]
    held: Mapping[Holder, float] = field(default_factory=dict)
    """Shares of the device by container."""
    shares: float = 1.0
    """Into how many shares the device plugin divides the device."""

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Every container that holds a share, sorted."""
        return tuple(sorted(self.held, key=lambda holder: (holder.namespace, holder.pod, holder.container)))

    @property
    def holder(self) -> Holder:
        """What all holders have in common: a measurement of a shared device belongs to none of them."""
        return Holder(
            _common(holder.namespace for holder in self.held),
            _common(holder.pod for holder in self.held),
            _common(holder.container for holder in self.held),
        )


def _common(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""

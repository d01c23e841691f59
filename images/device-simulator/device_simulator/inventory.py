"""Which devices this node simulates: from the node's annotations to a list of devices. Pure.

Ids depend on the node's name, the type and the index only, so that a restart of anything keeps every allocation.
"""

from __future__ import annotations

import json
import re
import string
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from hostler.accelerators import AcceleratorType, Contract, accelerator

WANTED_ANNOTATION = "hostler.dev/simulated-accelerators"
UNHEALTHY_ANNOTATION = "hostler.dev/simulated-unhealthy"
MAX_COUNT = 256
FASTEST = 1_000_000
"""Billions of operations in a second: a petaflop/s, above all cores."""
ID_SPACE = uuid.UUID("7d0d6a5e-3f5d-5a8c-9a55-0e6a5f2d1c41")


class AnnotationError(ValueError):
    """The whole annotation cannot be read; the devices stay as they were."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"annotation {WANTED_ANNOTATION}: {problem}; it is a list such as "
            '[{"type": "nvidia-a100-80", "count": 4}]'
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many devices of one type, under one resource name."""

    kind: AcceleratorType
    resource: str
    count: int
    gigaflops: float | None = None
    """Billions of operations in a second that each makes; None means as many as the cores do."""


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated device."""

    id: str
    kind: AcceleratorType
    resource: str
    index: int
    """Number among the node's devices of this type; ``<type>/<index>`` is how people name a device."""
    ordinal: int
    """Number among the node's devices of this resource, which is how vendors' tools number them."""
    numa: int | None
    healthy: bool = True
    gigaflops: float | None = None
    """Billions of operations in a second that it makes; None means as many as the cores do."""

    @property
    def reference(self) -> str:
        """The name by which the annotation or the file marks this device as unhealthy."""
        return f"{self.kind.id}/{self.index}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every device of the node, and what in the annotations could not be honoured."""

    devices: tuple[Device, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, resource: str) -> tuple[Device, ...]:
        """The devices of one resource, in order."""
        return tuple(device for device in self.devices if device.resource == resource)

    @property
    def resources(self) -> tuple[str, ...]:
        """Resource names, in the order of the annotation."""
        return tuple(dict.fromkeys(device.resource for device in self.devices))

    @property
    def counts(self) -> dict[str, int]:
        """Devices by type, in the order of the annotation."""
        return {kind.id: sum(d.kind.id == kind.id for d in self.devices) for kind in self.kinds}

    @property
    def kinds(self) -> tuple[AcceleratorType, ...]:
        """Types, in the order of the annotation."""
        return tuple({device.kind.id: device.kind for device in self.devices}.values())


def inventory(wanted: str | None, *, unhealthy: Iterable[str], node: str, numa_nodes: int) -> Inventory:
    """The devices that the annotation asks for. An entry that makes no sense is a problem; the others are served.

    Raises :class:`AnnotationError` where the annotation as a whole cannot be read.
    """
    entries, problems = read_wanted(wanted)
    sick = set(unhealthy)
    devices: list[Device] = []
    for resource in dict.fromkeys(entry.resource for entry in entries):
        same = [entry for entry in entries if entry.resource == resource]
        places = [(entry.kind, index, entry.gigaflops) for entry in same for index in range(entry.count)]
        for ordinal, (kind, index, gigaflops) in enumerate(places):
            numa = ordinal * numa_nodes // len(places) if numa_nodes else None
            name = device_id(kind, node=node, index=index, ordinal=ordinal)
            healthy = f"{kind.id}/{index}" not in sick
            devices.append(Device(name, kind, resource, index, ordinal, numa, healthy, gigaflops))
    strays = sick - {device.reference for device in devices}
    problems += [f"no device {stray!r} to mark unhealthy: name it <type>/<index>" for stray in sorted(strays)]
    return Inventory(tuple(devices), tuple(problems))


def read_wanted(text: str | None) -> tuple[list[Wanted], list[str]]:
    """The annotation's entries that can be served, and a sentence for each that cannot."""
    try:
        entries = json.loads(text or "[]")
    except ValueError as error:
        raise AnnotationError(f"not JSON ({error})") from error
    if not isinstance(entries, list):
        raise AnnotationError("not a list")
    found: dict[str, Wanted] = {}
    problems: list[str] = []
    for position, entry in enumerate(entries):
        try:
            wanted = _read_entry(entry)
            if wanted.kind.id in found:
                raise ValueError(f"{wanted.kind.id} stands twice; one entry holds its whole count")
            found[wanted.kind.id] = wanted
        except (ValueError, LookupError) as error:
            problems.append(f"{WANTED_ANNOTATION}[{position}]: {error}")
    return list(found.values()), problems


def _read_entry(entry: object) -> Wanted:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise ValueError('not an object with "type" and "count"')
    unknown = sorted(set(entry) - {"type", "count", "resourceName", "gigaflops"})
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}; there are type, count, resourceName and gigaflops")
    count = entry.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_COUNT:
        raise ValueError(f"count is {count!r}, not a number from 0 to {MAX_COUNT}")
    kind = accelerator(entry["type"])
    if kind.contract is not Contract.SCALAR:
        raise ValueError(f"{kind.id} is no device: a node has it without a device plugin")
    speed = entry.get("gigaflops")
    if speed is not None and (
        not isinstance(speed, int | float) or isinstance(speed, bool) or not 0 < speed <= FASTEST
    ):
        raise ValueError(f"gigaflops is {speed!r}, not a number above 0 and at most {FASTEST:,}")
    return Wanted(kind, _resource_name(kind, entry.get("resourceName")), count, speed)


def _resource_name(kind: AcceleratorType, chosen: str | None) -> str:
    if chosen is None and kind.resource_name is None:
        chosen = kind.example_resource_name
    resource = kind.resource_for(chosen)
    if resource is None:
        raise ValueError(f"{kind.id} has no resource name")
    return resource


def device_id(kind: AcceleratorType, *, node: str, index: int, ordinal: int) -> str:
    """An id in the form in which the vendor's exporter can be joined with it; at most 63 characters."""
    mapping = kind.exporter
    if mapping is not None and mapping.device_index is not None:
        return str(ordinal)
    if mapping is not None and mapping.device_labels and "{" in mapping.device_labels[0]:
        template = mapping.device_labels[0]
        fields = (name for _, name, _, _ in string.Formatter().parse(template) if name)
        return template.format_map(dict.fromkeys(fields, str(ordinal)))
    return f"{kind.kind.upper()}-{uuid.uuid5(ID_SPACE, f'{node}/{kind.id}/{index}')}"


def read_unhealthy(text: str | None) -> frozenset[str]:
    """References such as ``nvidia-a100-80/1``, separated by commas or white space."""
    return frozenset(part for part in re.split(r"[,\s]+", text or "") if part)

"""What a container gets with its devices, and which devices suit it best. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_simulator.inventory import Device
from hostler_contract.simulation import SPEED_ENV

CDI_VENDOR = "simulated.hostler.dev"
CDI_VERSION = "0.6.0"

DEVICES_ENV = "HOSTLER_SIMULATED_DEVICES"
TYPE_ENV = "HOSTLER_ACCELERATOR_TYPE"


@dataclass(frozen=True, slots=True)
class Visible:
    """The variable by which a vendor's plugin tells the vendor's runtime which devices a container sees."""

    resources: str
    """Prefix of the resource names."""
    variable: str
    by: str
    """``id`` or ``ordinal``."""


VISIBLE = (
    Visible("nvidia.com/", "NVIDIA_VISIBLE_DEVICES", "id"),
    Visible("habana.ai/", "HABANA_VISIBLE_DEVICES", "ordinal"),
    Visible("aws.amazon.com/neuron", "AWS_NEURON_VISIBLE_DEVICES", "ordinal"),
    Visible("google.com/tpu", "TPU_VISIBLE_CHIPS", "ordinal"),
    Visible("huawei.com/", "ASCEND_VISIBLE_DEVICES", "id"),
)
"""Vendors that hand over device files only (AMD, Intel, Alveo, Qualcomm, the C600) have no entry."""


def environment(devices: Sequence[Device]) -> dict[str, str]:
    """The variables of a container that got these devices, which are of one resource, in the order of their numbers."""
    devices = sorted(devices, key=lambda device: device.ordinal)
    found = {
        DEVICES_ENV: ",".join(device.id for device in devices),
        TYPE_ENV: ",".join(dict.fromkeys(device.kind.id for device in devices)),
    }
    speeds = [device.gigaflops for device in devices if device.gigaflops is not None]
    if speeds:
        found[SPEED_ENV] = f"{min(speeds):g}"
    for vendor in VISIBLE:
        if devices and devices[0].resource.startswith(vendor.resources):
            found[vendor.variable] = ",".join(str(getattr(device, vendor.by)) for device in devices)
    return found


def cdi_name(device: Device) -> str:
    """The device's fully qualified CDI name."""
    return f"{CDI_VENDOR}/{device.kind.id}={device.id}"


def cdi_specs(devices: Iterable[Device], *, folder: Path) -> dict[Path, str]:
    """One CDI specification file for each type. A device's only edit is a variable: there is no device file."""
    by_type: dict[str, list[Device]] = {}
    for device in devices:
        by_type.setdefault(device.kind.id, []).append(device)
    return {folder / f"{CDI_VENDOR}-{kind}.json": _cdi_spec(kind, same) for kind, same in by_type.items()}


def _cdi_spec(kind: str, devices: Sequence[Device]) -> str:
    entries = [
        {"name": device.id, "containerEdits": {"env": [f"HOSTLER_CDI_DEVICE_{device.ordinal}={device.id}"]}}
        for device in devices
    ]
    spec = {"cdiVersion": CDI_VERSION, "kind": f"{CDI_VENDOR}/{kind}", "devices": entries}
    return json.dumps(spec, indent=1, sort_keys=True) + "\n"


def preferred(available: Sequence[Device], *, must: Collection[str], size: int) -> list[str]:
    """Ids for one container: what must be included, then devices of as few NUMA nodes as possible.

    Nodes of the devices that must be included come first, then the smallest node that has room for the rest, so that
    larger blocks stay whole for larger pods.
    """
    chosen = [device for device in available if device.id in must]
    missing = size - len(chosen)
    free = [device for device in available if device.id not in must]
    room = Counter(device.numa for device in free)
    near = {device.numa for device in chosen}

    def rank(device: Device) -> tuple[bool, bool, int, int, int]:
        count = room[device.numa]
        fits = count >= missing
        order = count if fits else -count
        return (device.numa not in near, not fits, order, -1 if device.numa is None else device.numa, device.ordinal)

    return [device.id for device in [*chosen, *sorted(free, key=rank)[: max(missing, 0)]]]

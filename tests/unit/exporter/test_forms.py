"""Every form in which device plugins write ids: each device and each slice once, with its pods, never with another's.

The texts are written after the public formats of the vendors' exporters; which plugin writes which form is said in
``deviceIds`` of ``operator/hostler/accelerators/exporters/*.yaml``.
"""

from __future__ import annotations

import pytest
from unit.exporter.forms import NVIDIA, UNKNOWN, Case
from unit.exporter.forms_others import OTHERS
from unit.exporter.support import NODE, Kubelet, Rig, Web, text

from hostler.exporter.facts import Device
from hostler.exporter.reading import Quantity
from hostler.exporter.targets import Targets

CASES = [*NVIDIA, *OTHERS, *UNKNOWN]


def utilization(device: Device) -> float | None:
    value = device.values.get(Quantity.UTILIZATION)
    return None if value is None else round(value, 9)


async def gathered(case: Case) -> tuple[dict[str, Device], Rig]:
    page = text(case.text)
    for old, new in case.replace.items():
        assert old in page, old
        page = page.replace(old, new)
    pages = {url: page for resource in case.healthy for url in Targets(node_ip=NODE).urls(resource)}
    healthy = {resource: list(ids) for resource, ids in case.healthy.items()}
    rig = Rig(Kubelet(healthy=healthy, held=dict(case.held)), Web(pages))
    return await rig.devices(), rig


@pytest.mark.parametrize("case", CASES)
async def test_each_device_and_slice_once_with_its_pods(case: Case) -> None:
    got, rig = await gathered(case)
    assert {name: (utilization(device), dict(device.held)) for name, device in got.items()} == case.want
    assert {name: device.shares for name, device in got.items() if device.shares != 1} == case.shares
    assert all(sum(device.held.values()) <= device.shares for device in got.values())
    assert rig.count() == len(got)
    assert sum(rig.unmatched(resource) or 0 for resource in case.healthy) == case.unmatched


@pytest.mark.parametrize("case", CASES)
async def test_without_its_exporter_every_device_is_there_with_its_pods(case: Case) -> None:
    pages = Web()
    healthy = {resource: list(ids) for resource, ids in case.healthy.items()}
    rig = Rig(Kubelet(healthy=healthy, held=dict(case.held)), pages)
    got = await rig.devices()
    named = {holder for (resource, _), holder in case.held.items() if "monitoring" not in resource}
    assert {holder for device in got.values() for holder in device.held} == named
    assert {quantity for device in got.values() for quantity in device.values} == {Quantity.HEALTH}
    assert [rig.unmatched(resource) for resource in case.healthy if "monitoring" not in resource] == [0] * len(
        [resource for resource in case.healthy if "monitoring" not in resource]
    )

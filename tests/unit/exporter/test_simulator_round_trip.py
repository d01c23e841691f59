"""The simulator writes each vendor's text and the exporter reads it: for every type, what goes in comes out."""

from __future__ import annotations

import json

import pytest
from prometheus_client import CollectorRegistry
from unit.exporter.support import Clock, Kubelet, Web

from device_simulator.inventory import Device as Simulated
from device_simulator.inventory import inventory
from device_simulator.vendormetrics import Reading, exposition
from hostler.accelerators import AcceleratorType, Contract, accelerators
from hostler.exporter.collector import Collector
from hostler.exporter.reading import Quantity
from hostler.exporter.selfmetrics import SelfMetrics
from hostler.exporter.targets import Targets, simulator_url
from hostler.kubelet.podresources import Holder

ANN = Holder("team", "j-0-0", "trainer")
SCALAR = [kind for kind in accelerators().values() if kind.contract is Contract.SCALAR]


def simulated(kind: AcceleratorType) -> tuple[Simulated, ...]:
    wanted = json.dumps([{"type": kind.id, "count": 2}])
    return inventory(wanted, unhealthy=(), node="sim-1", numa_nodes=0).devices


@pytest.mark.parametrize("kind", SCALAR, ids=lambda kind: kind.id)
async def test_what_the_simulator_writes_is_what_the_exporter_reads(kind: AcceleratorType) -> None:
    busy, idle = simulated(kind)
    readings = [
        Reading(busy, ANN, utilization=0.75, memory_used=256 * 2**20, power=20.0, energy=1000.0),
        Reading(idle, None, utilization=0.0, memory_used=0.0, power=5.0, energy=500.0),
    ]
    kubelet = Kubelet(healthy={busy.resource: [busy.id, idle.id]}, held={(busy.resource, busy.id): ANN})
    collector = Collector(
        targets=Targets(node_ip="10.0.0.1", simulator_url=simulator_url("10.0.0.1")),
        kubelet=kubelet,
        fetch=Web({simulator_url("10.0.0.1"): exposition(readings)}).fetch,
        monotonic=Clock(),
        metrics=SelfMetrics(CollectorRegistry()),
    )
    got = {device.device: device for device in await collector.devices()}

    assert set(got) == {busy.id, idle.id}, "two devices, by the ids that pods hold"
    assert (got[busy.id].holder, got[idle.id].holders) == (ANN, ())
    assert {(device.type, device.simulated) for device in got.values()} == {(kind.id, True)}
    offered = {q for q in Quantity if kind.exporter is not None and getattr(kind.exporter, q.value) is not None}
    if kind.memory_gib is None:
        offered.discard(Quantity.MEMORY_TOTAL)
    wanted = {
        Quantity.UTILIZATION: 0.75,
        Quantity.MEMORY_USED: 256 * 2**20,
        Quantity.MEMORY_TOTAL: (kind.memory_gib or 0) * 2**30,
        Quantity.POWER: 20.0,
        Quantity.ENERGY: 1000.0,
        Quantity.HEALTH: 1.0,
    }
    assert got[busy.id].values == pytest.approx({q: wanted[q] for q in offered | {Quantity.HEALTH}})

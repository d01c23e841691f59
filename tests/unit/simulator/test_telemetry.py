"""The sampler: holders, pods and counters in, readings out, with a clock that the test turns."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from device_simulator.inventory import Device, inventory
from device_simulator.telemetry import REFRESH, Sampler
from device_simulator.usage import Limits, Sample
from device_simulator.vendormetrics import GIB, Reading
from hostler.kubelet.podresources import DeviceId, Holder

NODE = Limits(cores=2, memory_bytes=8 * GIB)
TRAINER = Holder("team", "j-0-0", "trainer")


class World:
    """One node: pods by name, counters by uid, and the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pods: dict[tuple[str, str], dict[str, Any]] = {}
        self.counters: dict[str, tuple[float, float]] = {}
        self.reads = 0
        self.sampler = Sampler(pods=self.pod, usage=self, clock=lambda: self.now)

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        self.reads += 1
        return self.pods.get((namespace, name))

    def sample(self, uid: str, *, at: float) -> Sample | None:
        found = self.counters.get(uid)
        return Sample(at, found[0], found[1]) if found else None

    def run(self, uid: str = "u1", *, cpu: str | None = "500m", **metadata: Any) -> None:
        """A pod of the trainer's name."""
        limits = {"memory": "4Gi", **({"cpu": cpu} if cpu else {})}
        spec = {"containers": [{"resources": {"limits": limits}}]}
        self.pods["team", "j-0-0"] = {"metadata": {"uid": uid, **metadata}, "spec": spec}
        self.counters[uid] = (0.0, GIB)

    def burn(self, seconds: float, *, cpu: float, uid: str = "u1") -> None:
        """Time goes on, and the pod uses CPU meanwhile."""
        self.now += seconds
        before, memory = self.counters[uid]
        self.counters[uid] = (before + cpu, memory)


@pytest.fixture
def world() -> World:
    return World()


def devices(kind: str = "nvidia-a100-80", count: int = 2) -> tuple[Device, ...]:
    text = json.dumps([{"type": kind, "count": count}])
    return inventory(text, unhealthy=(), node="n", numa_nodes=0).devices


def held(*which: Device) -> dict[DeviceId, Holder]:
    return {DeviceId(device.resource, device.id): TRAINER for device in which}


async def test_each_device_of_a_pod_shows_the_pods_share_and_others_are_idle(world: World) -> None:
    """Half a core of a limit of half a core is full use; a quarter of the memory limit is 20 of 80 GiB."""
    world.run()
    three = devices(count=3)
    await world.sampler.sample(three, held(*three[:2]), node=NODE)
    world.burn(2, cpu=1.0)
    busy, busy_too, idle = await world.sampler.sample(three, held(*three[:2]), node=NODE)
    assert (busy.utilization, busy.memory_used, busy.power) == (1.0, 20 * GIB, 400.0)
    assert (busy_too.utilization, busy_too.holder) == (1.0, TRAINER)
    assert (idle.utilization, idle.memory_used, idle.power, idle.holder) == (0.0, 0.0, 60.0, None)


async def test_without_a_limit_the_nodes_cores_count(world: World) -> None:
    world.run(cpu=None)
    two = devices()
    await world.sampler.sample(two, held(two[0]), node=NODE)
    world.burn(2, cpu=1.0)
    assert (await world.sampler.sample(two, held(two[0]), node=NODE))[0].utilization == 0.25


async def test_the_first_sample_of_a_pod_says_nothing_of_utilization(world: World) -> None:
    """A device that was just handed out is busy, nobody knows how much: absent, while memory is known."""
    world.run()
    [reading, _] = await world.sampler.sample(devices(), held(devices()[0]), node=NODE)
    assert (reading.utilization, reading.power, reading.memory_used) == (None, None, 20 * GIB)


async def test_a_silent_kubelet_leaves_everything_unknown(world: World) -> None:
    """Whether a device is idle is for the kubelet to say."""
    readings = await world.sampler.sample(devices(), None, node=NODE)
    assert {(reading.utilization, reading.memory_used, reading.power) for reading in readings} == {(None, None, None)}


async def test_energy_adds_up_and_never_falls(world: World) -> None:
    """Ten idle seconds at 60 W, four at 400 W, then an interval that nobody knows."""
    world.run()
    [device] = devices(count=1)

    async def energy(holders: Mapping[DeviceId, Holder] | None) -> float | None:
        [reading] = await world.sampler.sample([device], holders, node=NODE)
        return reading.energy

    assert await energy({}) == 0
    world.burn(10, cpu=0)
    assert await energy({}) == pytest.approx(600)
    assert await energy(held(device)) == pytest.approx(600)
    world.burn(4, cpu=2)
    assert await energy(held(device)) == pytest.approx(2200)
    world.burn(2, cpu=1)
    assert await energy(None) == pytest.approx(2200)


async def test_a_pod_is_read_again_only_now_and_then(world: World) -> None:
    """Limits change in place, rarely; one request for each sample would be the largest client of the API server."""
    world.run()
    two = devices()
    for _ in range(10):
        await world.sampler.sample(two, held(*two), node=NODE)
        world.burn(2, cpu=0.5)
    assert world.reads == 1
    world.run(cpu="1")
    world.burn(REFRESH, cpu=15)
    await world.sampler.sample(two, held(*two), node=NODE)
    world.burn(2, cpu=1)
    [reading, _] = await world.sampler.sample(two, held(*two), node=NODE)
    assert reading.utilization == 0.5


async def test_a_pod_that_was_replaced_under_its_name_is_found(world: World) -> None:
    """A StatefulSet's pod: same name, another uid, and the old cgroup is gone."""
    world.run()
    two = devices()
    await world.sampler.sample(two, held(*two), node=NODE)
    world.counters.clear()
    world.run("u2")
    seen: list[Reading] = []
    for _ in range(3):
        seen = list(await world.sampler.sample(two, held(*two), node=NODE))
        world.burn(2, cpu=0.5, uid="u2")
    assert seen[0].utilization == 0.5


async def test_a_pod_that_the_api_does_not_know_is_unknown(world: World) -> None:
    two = devices()
    [reading, _] = await world.sampler.sample(two, held(two[0]), node=NODE)
    assert (reading.holder, reading.utilization) == (TRAINER, None)


async def test_a_static_pod_is_measured_by_its_hash(world: World) -> None:
    world.run("mirror", annotations={"kubernetes.io/config.hash": "h1"})
    world.counters["h1"] = (0.0, 2 * GIB)
    [reading, _] = await world.sampler.sample(devices(), held(devices()[0]), node=NODE)
    assert reading.memory_used == 40 * GIB


async def test_a_type_without_rated_power_has_neither_power_nor_energy(world: World) -> None:
    """Trainium's watts are not published, so nothing is made up."""
    [reading] = await world.sampler.sample(devices("aws-trainium1", 1), {}, node=NODE)
    assert (reading.utilization, reading.power, reading.energy) == (0.0, None, None)

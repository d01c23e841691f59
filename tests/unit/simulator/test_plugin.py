"""The device plugin as a kubelet meets it: real gRPC on unix sockets, only the kubelet is ours."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from fakekubelet import FakeKubelet, until

from device_simulator.inventory import Device, inventory
from device_simulator.plugin import DeviceList
from device_simulator.registration import PATIENCE, PluginServer, RegistrationError, socket_name
from hostler.accelerators import accelerators
from hostler.kubelet import deviceplugin_pb2 as messages
from hostler.kubelet.deviceplugin_pb2_grpc import DevicePluginStub

RESOURCE = "nvidia.com/gpu"


def devices(count: int = 4, *, unhealthy: tuple[int, ...] = ()) -> tuple[Device, ...]:
    text = json.dumps([{"type": "nvidia-a100-80", "count": count}])
    sick = [f"nvidia-a100-80/{index}" for index in unhealthy]
    return inventory(text, unhealthy=sick, node="gpu-0", numa_nodes=2).devices


@pytest.fixture
async def kubelet(sockets: Path) -> AsyncIterator[FakeKubelet]:
    fake = FakeKubelet(sockets)
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def server(kubelet: FakeKubelet) -> AsyncIterator[PluginServer]:
    """Served, registered, and seen by the kubelet."""
    plugin = PluginServer(RESOURCE, DeviceList(devices()), folder=kubelet.folder)
    await plugin.keep()
    await until(lambda: len(kubelet.health(RESOURCE)) == 4)
    yield plugin
    await plugin.stop()


@pytest.fixture
async def plugin(kubelet: FakeKubelet, server: PluginServer) -> AsyncIterator[DevicePluginStub]:
    """A kubelet's client of the registered plugin."""
    async with kubelet.channel(RESOURCE) as channel:
        yield DevicePluginStub(channel)


async def test_it_serves_before_it_registers(kubelet: FakeKubelet, server: PluginServer) -> None:
    """The kubelet calls back at once, so the socket that the registration names must answer by then."""
    [request] = kubelet.registrations
    assert (request.version, request.resource_name) == ("v1beta1", RESOURCE)
    assert request.endpoint == socket_name(RESOURCE)
    assert request.options.get_preferred_allocation_available
    assert kubelet.served_at_registration == [True]


async def test_options_are_the_registered_ones(kubelet: FakeKubelet, plugin: DevicePluginStub) -> None:
    assert await plugin.GetDevicePluginOptions(messages.Empty()) == kubelet.registrations[0].options


async def test_the_first_list_has_ids_health_and_topology(kubelet: FakeKubelet, server: PluginServer) -> None:
    first = kubelet.lists[RESOURCE][0].devices
    assert [(d.ID, d.health, d.topology.nodes[0].ID) for d in first] == [
        (device.id, "Healthy", device.numa) for device in devices()
    ]


async def test_topology_can_be_left_out(kubelet: FakeKubelet) -> None:
    """A node 0 for everything would pin pods on machines whose topology manager is on."""
    found = inventory('[{"type": "graphcore-c600", "count": 1}]', unhealthy=(), node="n", numa_nodes=0)
    plugin = PluginServer("c600.graphcore.ai/ipu", DeviceList(found.devices), folder=kubelet.folder)
    await plugin.keep()
    await until(lambda: bool(kubelet.health("c600.graphcore.ai/ipu")))
    assert not kubelet.lists["c600.graphcore.ai/ipu"][0].devices[0].HasField("topology")
    await plugin.stop()


async def test_a_health_flip_reaches_the_kubelet_and_goes_back(kubelet: FakeKubelet, server: PluginServer) -> None:
    sick = devices()[1].id
    server.devices.update(devices(unhealthy=(1,)))
    await until(lambda: kubelet.health(RESOURCE)[sick] == "Unhealthy")
    assert sorted(kubelet.health(RESOURCE).values()).count("Healthy") == 3
    server.devices.update(devices())
    await until(lambda: kubelet.health(RESOURCE)[sick] == "Healthy")


async def test_a_changed_count_reaches_the_kubelet(kubelet: FakeKubelet, server: PluginServer) -> None:
    server.devices.update(devices(6))
    await until(lambda: len(kubelet.health(RESOURCE)) == 6)
    server.devices.update(())
    await until(lambda: len(kubelet.lists[RESOURCE][-1].devices) == 0)


async def test_the_same_list_again_sends_nothing(kubelet: FakeKubelet, server: PluginServer) -> None:
    """Looks once a second must not wake the kubelet once a second."""
    server.devices.update(devices())
    server.devices.update(devices(unhealthy=(0,)))
    await until(lambda: "Unhealthy" in kubelet.health(RESOURCE).values())
    assert len(kubelet.lists[RESOURCE]) == 2


async def test_allocate_answers_for_each_container(plugin: DevicePluginStub) -> None:
    first, second, third, _ = (device.id for device in devices())
    request = messages.AllocateRequest(container_requests=[{"devices_ids": [first, second]}, {"devices_ids": [third]}])
    reply = await plugin.Allocate(request)
    assert [c.envs["NVIDIA_VISIBLE_DEVICES"] for c in reply.container_responses] == [f"{first},{second}", third]
    assert [c.envs["HOSTLER_ACCELERATOR_TYPE"] for c in reply.container_responses] == ["nvidia-a100-80"] * 2
    assert not any(c.cdi_devices for c in reply.container_responses)


async def test_allocate_names_cdi_devices_where_they_are_wanted(kubelet: FakeKubelet) -> None:
    plugin = PluginServer(RESOURCE, DeviceList(devices(1)), folder=kubelet.folder, cdi=True)
    await plugin.keep()
    async with kubelet.channel(RESOURCE) as channel:
        [device] = devices(1)
        request = messages.AllocateRequest(container_requests=[{"devices_ids": [device.id]}])
        reply = await DevicePluginStub(channel).Allocate(request)
    name = f"simulated.hostler.dev/nvidia-a100-80={device.id}"
    assert [d.name for d in reply.container_responses[0].cdi_devices] == [name]
    await plugin.stop()


async def test_an_unhealthy_device_is_announced_and_refused(
    kubelet: FakeKubelet, server: PluginServer, plugin: DevicePluginStub
) -> None:
    """The kubelet asked with an old list: it gets the new one again, and the whole request fails."""
    server.devices.update(devices(unhealthy=(1,)))
    await until(lambda: "Unhealthy" in kubelet.health(RESOURCE).values())
    sent = len(kubelet.lists[RESOURCE])
    request = messages.AllocateRequest(container_requests=[{"devices_ids": [d.id for d in devices()[:2]]}])
    with pytest.raises(grpc.aio.AioRpcError, match=r"nvidia-a100-80/1\) is unhealthy") as raised:
        await plugin.Allocate(request)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await until(lambda: len(kubelet.lists[RESOURCE]) == sent + 1)


@pytest.mark.parametrize("call", ["Allocate", "PreStartContainer"])
async def test_an_unknown_device_is_refused(plugin: DevicePluginStub, call: str) -> None:
    """A checkpoint from another node, or a shorter annotation."""
    request = (
        messages.AllocateRequest(container_requests=[{"devices_ids": ["GPU-gone"]}])
        if call == "Allocate"
        else messages.PreStartContainerRequest(devices_ids=["GPU-gone"])
    )
    with pytest.raises(grpc.aio.AioRpcError, match="no device GPU-gone") as raised:
        await getattr(plugin, call)(request)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_pre_start_accepts_healthy_devices(plugin: DevicePluginStub) -> None:
    """Not asked for at registration, but a kubelet that calls it gets an answer."""
    request = messages.PreStartContainerRequest(devices_ids=[devices()[0].id])
    assert await plugin.PreStartContainer(request) == messages.PreStartContainerResponse()


async def test_preferred_allocation_keeps_to_one_numa_node(plugin: DevicePluginStub) -> None:
    ids = [device.id for device in devices()]
    container = {"available_deviceIDs": ids[1:], "must_include_deviceIDs": [], "allocation_size": 2}
    request = messages.PreferredAllocationRequest(container_requests=[container])
    reply = await plugin.GetPreferredAllocation(request)
    assert list(reply.container_responses[0].deviceIDs) == ids[2:]


async def test_preferred_allocation_survives_devices_that_went_away(plugin: DevicePluginStub) -> None:
    """A device was taken out of the annotation between the kubelet's two calls."""
    container = {"available_deviceIDs": ["GPU-gone", devices()[0].id], "allocation_size": 2}
    request = messages.PreferredAllocationRequest(container_requests=[container])
    reply = await plugin.GetPreferredAllocation(request)
    assert list(reply.container_responses[0].deviceIDs) == [devices()[0].id]


async def test_a_kubelet_that_starts_again_gets_socket_and_registration_again(
    kubelet: FakeKubelet, server: PluginServer
) -> None:
    """It deleted every socket of the folder; the ids are the same, so allocations in its checkpoint stay good."""
    before = kubelet.health(RESOURCE)
    await kubelet.stop()
    await kubelet.start()
    kubelet.lists.clear()
    assert not server.registered
    await server.keep()
    await until(lambda: bool(kubelet.health(RESOURCE)))
    assert server.registered
    assert kubelet.health(RESOURCE) == before
    assert kubelet.served_at_registration == [True, True]


async def test_a_new_plugin_process_offers_the_same_ids(kubelet: FakeKubelet, server: PluginServer) -> None:
    before = kubelet.health(RESOURCE)
    await server.stop()
    kubelet.lists.clear()
    successor = PluginServer(RESOURCE, DeviceList(devices()), folder=kubelet.folder)
    await successor.keep()
    await until(lambda: bool(kubelet.health(RESOURCE)))
    assert kubelet.health(RESOURCE) == before
    await successor.stop()


async def test_a_deleted_socket_is_served_and_registered_again(kubelet: FakeKubelet, server: PluginServer) -> None:
    """Somebody tidied up the folder while the kubelet went on."""
    (kubelet.folder / socket_name(RESOURCE)).unlink()
    await server.keep()
    assert (kubelet.folder / socket_name(RESOURCE)).exists()
    await until(lambda: len(kubelet.registrations) == 2)


async def test_nothing_happens_while_all_is_well(kubelet: FakeKubelet, server: PluginServer) -> None:
    for _ in range(PATIENCE + 2):
        await server.keep()
    assert len(kubelet.registrations) == 1


async def test_a_kubelet_that_dropped_its_stream_is_told_again(kubelet: FakeKubelet, server: PluginServer) -> None:
    """Same kubelet, same socket, but nobody listens to the list: after some looks the plugin registers again."""
    await asyncio.gather(*(_cancelled(task) for task in kubelet._tasks))
    for _ in range(PATIENCE + 2):
        await server.keep()
        await asyncio.sleep(0.02)
    assert len(kubelet.registrations) == 2


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_a_kubelet_the_plugin_waits(sockets: Path) -> None:
    """The DaemonSet's pod may outlive the kubelet; the next look finds it."""
    plugin = PluginServer(RESOURCE, DeviceList(devices()), folder=sockets)
    with pytest.raises(RegistrationError, match=r"no kubelet listens on .*kubelet\.sock"):
        await plugin.keep()
    fake = FakeKubelet(sockets)
    await fake.start()
    await plugin.keep()
    assert plugin.registered
    await plugin.stop()
    await fake.stop()


async def test_a_refusal_is_reported_with_the_kubelets_words(kubelet: FakeKubelet) -> None:
    """A resource name that another active plugin holds, for example real hardware."""
    kubelet.refuse = "resource already registered"
    plugin = PluginServer(RESOURCE, DeviceList(devices()), folder=kubelet.folder)
    with pytest.raises(RegistrationError, match="refused: UNKNOWN: resource already registered"):
        await plugin.keep()
    kubelet.refuse = ""
    await plugin.keep()
    assert plugin.registered
    await plugin.stop()


def test_socket_names_fit_and_differ() -> None:
    """A unix socket's path has at most 107 bytes, and the folder takes 32 of them."""
    resources = {kind.resource_name or kind.example_resource_name for kind in accelerators().values()} - {None}
    names = {socket_name(str(resource)) for resource in resources}
    assert len(names) == len(resources)
    assert max(len(f"/var/lib/kubelet/device-plugins/{name}") for name in names) <= 107

"""The PodResources client against a server on a unix socket, and against none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from patience import PATIENCE

from hostler.kubelet import podresources_pb2 as messages
from hostler.kubelet.podresources import DeviceId, Holder, PodResources, PodResourcesError
from hostler.kubelet.podresources_pb2_grpc import PodResourcesListerServicer, add_PodResourcesListerServicer_to_server


class Kubelet(PodResourcesListerServicer):
    """Two pods: one with two devices in separate entries (as with topology), one with none."""

    async def List(self, request: Any, context: Any) -> messages.ListPodResourcesResponse:
        held = [messages.ContainerDevices(resource_name="nvidia.com/gpu", device_ids=[i]) for i in ("GPU-a", "GPU-b")]
        trainer = messages.ContainerResources(name="trainer", devices=held)
        return messages.ListPodResourcesResponse(
            pod_resources=[
                messages.PodResources(name="j-0-0", namespace="team", containers=[trainer]),
                messages.PodResources(name="idle", namespace="team", containers=[{"name": "main"}]),
            ]
        )

    async def GetAllocatableResources(self, request: Any, context: Any) -> messages.AllocatableResourcesResponse:
        ids = messages.ContainerDevices(resource_name="nvidia.com/gpu", device_ids=["GPU-a", "GPU-b", "GPU-c"])
        return messages.AllocatableResourcesResponse(devices=[ids])


@pytest.fixture
async def socket(tmp_path: Path) -> AsyncIterator[str]:
    path = str(tmp_path / "kubelet.sock")
    server = grpc.aio.server()
    add_PodResourcesListerServicer_to_server(Kubelet(), server)
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    yield path
    await server.stop(grace=None)


async def test_holders_name_the_container_of_each_device(socket: str) -> None:
    """A pod without devices does not appear."""
    want = Holder("team", "j-0-0", "trainer")
    got = await PodResources(socket).holders()
    assert got == {DeviceId("nvidia.com/gpu", "GPU-a"): want, DeviceId("nvidia.com/gpu", "GPU-b"): want}


async def test_allocatable_lists_free_devices_too(socket: str) -> None:
    """Three healthy devices, although only two are held."""
    assert {d.device for d in await PodResources(socket).allocatable()} == {"GPU-a", "GPU-b", "GPU-c"}


async def test_absent_socket_is_named_with_the_way_out(tmp_path: Path) -> None:
    """The classic cause, a mount that was forgotten, stands in the message."""
    missing = str(tmp_path / "none.sock")
    with pytest.raises(PodResourcesError, match=r"none\.sock.*mounted into this container") as raised:
        await PodResources(missing, timeout=PATIENCE).holders()
    assert raised.value.socket == missing

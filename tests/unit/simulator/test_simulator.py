"""One node's simulator from annotation to metrics, with a kubelet and an API that the test plays."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakekubelet import FakeKubelet, until

from device_simulator.app import Simulator
from device_simulator.labels import FIELD_MANAGER
from device_simulator.node import ApiError
from device_simulator.settings import Settings, SettingsError, read_settings
from device_simulator.web import application
from hostler.kubelet.podresources import DeviceId, Holder, PodResourcesError

GPU, IPU = "nvidia.com/gpu", "c600.graphcore.ai/ipu"


class Api:
    """A node object, and what was written to it."""

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.applied: list[dict[str, str]] = []
        self.refuse = ""

    def want(self, *entries: tuple[str, int]) -> None:
        wanted = [{"type": kind, "count": count} for kind, count in entries]
        self.annotations["hostler.dev/simulated-accelerators"] = json.dumps(wanted)

    def node(self) -> dict[str, Any]:
        owned = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in self.labels}}}
        entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": owned}
        metadata = {"annotations": self.annotations, "labels": self.labels, "managedFields": [entry]}
        return {"metadata": metadata, "status": {"capacity": {"cpu": "2", "memory": "8Gi"}}}

    async def apply_labels(self, labels: Mapping[str, str]) -> None:
        if self.refuse:
            raise ApiError("PATCH node", self.refuse)
        self.applied.append(dict(labels))
        self.labels = dict(labels)

    async def pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        return None


class Holders:
    """The PodResources socket."""

    def __init__(self) -> None:
        self.silent = False

    async def holders(self) -> dict[DeviceId, Holder]:
        if self.silent:
            raise PodResourcesError("/pod-resources/kubelet.sock", "UNAVAILABLE")
        return {}


class Rig:
    """Everything that one test needs."""

    def __init__(self, folder: Path) -> None:
        self.api, self.holders = Api(), Holders()
        (folder / "plugins").mkdir()
        self.kubelet = FakeKubelet(folder / "plugins")
        self.settings = Settings(
            node="gpu-0", plugin_dir=folder / "plugins", state_dir=folder / "state", cgroup_root=folder / "cgroup",
            cdi_dir=folder / "cdi",
        )  # fmt: skip
        self.simulator = Simulator(self.settings, api=self.api, holders=self.holders)

    async def look(self) -> None:
        """The watch shows the node as it is, and the simulator acts once."""
        self.simulator.see(self.api.node())
        await self.simulator.look()


@pytest.fixture
async def rig(sockets: Path) -> AsyncIterator[Rig]:
    rig = Rig(sockets)
    await rig.kubelet.start()
    yield rig
    await rig.simulator.stop()
    await rig.kubelet.stop()


async def test_one_plugin_for_each_resource_and_the_nodes_labels(rig: Rig) -> None:
    rig.api.want(("nvidia-a100-80", 4), ("graphcore-c600", 2))
    await rig.look()
    await until(lambda: len(rig.kubelet.health(GPU)) == 4 and len(rig.kubelet.health(IPU)) == 2)
    assert len({request.endpoint for request in rig.kubelet.registrations}) == 2
    assert rig.api.labels["hostler.dev/simulated"] == "true"
    assert rig.api.labels["nvidia.com/gpu.count"] == "4"


async def test_fifty_looks_write_once(rig: Rig) -> None:
    """Nothing changed, so nothing is written: neither labels nor registrations."""
    rig.api.want(("nvidia-a100-80", 4))
    await rig.look()
    await until(lambda: len(rig.kubelet.health(GPU)) == 4)
    for _ in range(50):
        await rig.look()
    assert (len(rig.api.applied), len(rig.kubelet.registrations)) == (1, 1)


async def test_an_unknown_type_is_logged_once_and_the_others_are_served(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.api.want(("nvidia-a100-8", 1), ("graphcore-c600", 2))
    for _ in range(3):
        await rig.look()
    await until(lambda: len(rig.kubelet.health(IPU)) == 2)
    warnings = [record.message for record in caplog.records if "unknown accelerator type" in record.message]
    assert len(warnings) == 1
    assert "did you mean" in warnings[0]


async def test_an_unreadable_annotation_keeps_the_devices(rig: Rig) -> None:
    rig.api.want(("nvidia-a100-80", 4))
    await rig.look()
    rig.api.annotations["hostler.dev/simulated-accelerators"] = "[{"
    await rig.look()
    assert len(rig.simulator.inventory.devices) == 4
    assert rig.api.labels["nvidia.com/gpu.count"] == "4"


async def test_a_changed_count_updates_list_and_label(rig: Rig) -> None:
    rig.api.want(("nvidia-a100-80", 4))
    await rig.look()
    rig.api.want(("nvidia-a100-80", 6))
    await rig.look()
    await until(lambda: len(rig.kubelet.health(GPU)) == 6)
    assert rig.api.labels["nvidia.com/gpu.count"] == "6"
    assert len(rig.kubelet.registrations) == 1


async def test_a_type_that_is_taken_away_goes_to_zero_with_its_labels(rig: Rig) -> None:
    """The socket stays with an empty list: the kubelet would keep a closed plugin's devices for five minutes."""
    rig.api.want(("nvidia-a100-80", 4))
    await rig.look()
    await until(lambda: len(rig.kubelet.health(GPU)) == 4)
    rig.api.want()
    await rig.look()
    await until(lambda: not rig.kubelet.lists[GPU][-1].devices)
    assert rig.api.labels == {}
    assert rig.simulator.readings == ()


@pytest.mark.parametrize("way", ["annotation", "file"])
async def test_health_flips_by_annotation_or_file(rig: Rig, way: str) -> None:
    """Unhealthy while it stands there, healthy again when it is gone."""
    rig.api.want(("nvidia-a100-80", 2))
    await rig.look()
    file = rig.settings.state_dir / "unhealthy"
    file.parent.mkdir()
    if way == "file":
        file.write_text("nvidia-a100-80/1\n")
    else:
        rig.api.annotations["hostler.dev/simulated-unhealthy"] = "nvidia-a100-80/1"
    await rig.look()
    await until(lambda: list(rig.kubelet.health(GPU).values()) == ["Healthy", "Unhealthy"])
    file.unlink(missing_ok=True)
    rig.api.annotations.pop("hostler.dev/simulated-unhealthy", None)
    await rig.look()
    await until(lambda: list(rig.kubelet.health(GPU).values()) == ["Healthy", "Healthy"])


async def test_a_kubelet_restart_is_noticed_by_the_next_look(rig: Rig) -> None:
    rig.api.want(("nvidia-a100-80", 2), ("graphcore-c600", 2))
    await rig.look()
    await rig.kubelet.stop()
    await rig.kubelet.start()
    rig.kubelet.lists.clear()
    assert len(rig.simulator.not_ready()) == 2
    await rig.look()
    await until(lambda: len(rig.kubelet.health(GPU)) == 2 and len(rig.kubelet.health(IPU)) == 2)
    assert rig.simulator.not_ready() == []


async def test_labels_that_somebody_removed_come_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once when the wish changed, after a pause when the node's object merely lags behind."""
    now = [0.0]
    monkeypatch.setattr("device_simulator.app.time.monotonic", lambda: now[0])
    rig.api.want(("graphcore-c600", 1))
    await rig.look()
    rig.api.labels = {}
    await rig.look()
    assert len(rig.api.applied) == 1
    now[0] += 6
    await rig.look()
    assert rig.api.labels == {"hostler.dev/simulated": "true"}


async def test_a_refused_label_does_not_stop_the_devices(rig: Rig) -> None:
    """Missing rights for labels cost the labels, not the plugin."""
    rig.api.refuse = "403 nodes is forbidden"
    rig.api.want(("nvidia-a100-80", 2))
    await rig.look()
    await until(lambda: len(rig.kubelet.health(GPU)) == 2)


async def test_metrics_stay_the_same_between_two_samples(rig: Rig) -> None:
    """Two scrapes inside one interval see the same text."""
    rig.api.want(("nvidia-a100-80", 2))
    await rig.look()
    async with TestClient(TestServer(application(rig.simulator))) as client:
        await rig.simulator.measure()
        first = await (await client.get("/metrics")).text()
        assert await (await client.get("/metrics")).text() == first
    assert first.count("DCGM_FI_DEV_GPU_UTIL{") == 2


async def test_a_silent_kubelet_leaves_utilization_out(rig: Rig) -> None:
    rig.api.want(("nvidia-a100-80", 2))
    await rig.look()
    rig.holders.silent = True
    await rig.simulator.measure()
    async with TestClient(TestServer(application(rig.simulator))) as client:
        text = await (await client.get("/metrics")).text()
    assert "DCGM_FI_DEV_GPU_UTIL" not in text
    assert 'hostler_simulator_info{type="nvidia-a100-80",devices="2"} 1' in text


async def test_probes_tell_alive_from_ready(rig: Rig) -> None:
    """Before the node was read it lives but is not ready."""
    async with TestClient(TestServer(application(rig.simulator))) as client:
        assert (await client.get("/healthz")).status == 200
        response = await client.get("/readyz")
        assert (response.status, await response.text()) == (503, "node gpu-0 has not been read\n")
        rig.api.want(("nvidia-a100-80", 2))
        await rig.look()
        assert (await client.get("/readyz")).status == 200
        rig.simulator.looked_at -= 31
        assert (await client.get("/healthz")).status == 503


async def test_cdi_specifications_are_written_where_they_are_wanted(rig: Rig) -> None:
    rig.api.want(("nvidia-a100-80", 2))
    await rig.look()
    [file] = (rig.settings.cdi_dir or Path()).iterdir()
    assert len(json.loads(file.read_text())["devices"]) == 2


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        ({}, "NODE_NAME is not set"),
        ({"NODE_NAME": "n", "HOSTLER_SIMULATOR_PORT": "http"}, "HOSTLER_SIMULATOR_PORT is 'http'"),
        ({"NODE_NAME": "n", "HOSTLER_SIMULATOR_INTERVAL": "0"}, "from 0.1 to 60"),
        ({"NODE_NAME": "n", "HOSTLER_SIMULATOR_NUMA_NODES": "-1"}, "from 0 to 64"),
    ],
)
def test_a_wrong_environment_is_named(environ: dict[str, str], want: str) -> None:
    with pytest.raises(SettingsError, match=want):
        read_settings(environ)


def test_settings_come_from_the_environment() -> None:
    found = read_settings(
        {"NODE_NAME": "n", "HOSTLER_SIMULATOR_CDI_DIR": "/cdi", "HOSTLER_SIMULATOR_ADDRESS": "10.0.0.1"}
    )
    assert (found.node, found.cdi_dir, found.address, found.port) == ("n", Path("/cdi"), "10.0.0.1", 9400)

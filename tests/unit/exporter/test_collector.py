"""One round of questions: whom it asks, what a failure counts as, and how long an answer is kept."""

from __future__ import annotations

import asyncio

import pytest
from unit.exporter.support import NODE, Kubelet, Rig, Web, text

from hostler.exporter.collector import KEEP_KUBELET_SECONDS
from hostler.exporter.reading import Quantity
from hostler.exporter.scrape import ScrapeFailure
from hostler.exporter.targets import simulator_url
from hostler.kubelet.podresources import Holder

DCGM = f"http://{NODE}:9400/metrics"
AMD = f"http://{NODE}:5000/metrics"
SIMULATOR = simulator_url(NODE)
ANN = Holder("team", "j-0-0-abcde", "trainer")
BOB = Holder("team", "bob-0", "server")
GPU = "nvidia.com/gpu"
GAUDI = f"http://{NODE}:41611/metrics"


def gpu_node() -> Kubelet:
    return Kubelet(healthy={GPU: ["GPU-aaaa", "GPU-bbbb"]}, held={(GPU, "GPU-aaaa"): ANN})


async def test_the_vendors_port_of_the_node_is_asked() -> None:
    rig = Rig(gpu_node(), Web({DCGM: text("dcgm")}))
    got = await rig.devices()
    assert rig.web.asked == [DCGM]
    assert got["GPU-aaaa"].values[Quantity.UTILIZATION] == 0.87
    assert (got["GPU-aaaa"].type, got["GPU-aaaa"].holder, got["GPU-aaaa"].simulated) == ("nvidia-a100-80", ANN, False)
    assert got["GPU-bbbb"].holders == ()


async def test_a_node_without_accelerators_asks_nobody() -> None:
    rig = Rig(Kubelet(healthy={"example.com/soundcard": ["s0"]}), Web())
    assert await rig.devices() == {}
    assert rig.web.asked == []


async def test_a_node_with_two_vendors_has_both() -> None:
    kubelet = Kubelet(healthy={GPU: ["GPU-aaaa", "GPU-bbbb"], "amd.com/gpu": ["0000:0c:00.0", "0000:22:00.0"]})
    got = await Rig(kubelet, Web({DCGM: text("dcgm"), AMD: text("amd")})).devices()
    assert {device.vendor for device in got.values()} == {"NVIDIA", "AMD"}
    assert set(got) == {"GPU-aaaa", "GPU-bbbb", "0", "1"}


async def test_an_exporter_that_is_down_leaves_its_devices_without_measurements() -> None:
    rig = Rig(Kubelet(healthy={"amd.com/gpu": ["0000:0c:00.0"]}), Web())
    got = await rig.devices()
    assert got["0000:0c:00.0"].values == {Quantity.HEALTH: 1.0}
    assert (rig.errors(AMD, ScrapeFailure.CONNECTION), rig.up(AMD)) == (1, 0)
    assert rig.up(SIMULATOR) is None, "a simulator that is not there is no failure"


@pytest.mark.parametrize("reason", [ScrapeFailure.TIMEOUT, ScrapeFailure.STATUS, ScrapeFailure.PARSE])
async def test_every_failure_is_counted_by_its_reason(reason: ScrapeFailure) -> None:
    rig = Rig(Kubelet(healthy={"amd.com/gpu": ["x"]}), Web(failures={AMD: reason}))
    await rig.devices()
    await rig.devices()
    assert rig.errors(AMD, reason) == 2


async def test_one_exporter_down_does_not_hide_the_other() -> None:
    kubelet = Kubelet(healthy={GPU: ["GPU-aaaa"], "habana.ai/gaudi": ["AN12345678"]})
    rig = Rig(kubelet, Web({DCGM: text("dcgm")}))
    got = await rig.devices()
    assert Quantity.UTILIZATION in got["GPU-aaaa"].values
    assert got["AN12345678"].values == {Quantity.HEALTH: 1.0}
    assert rig.errors(f"http://{NODE}:41611/metrics", ScrapeFailure.CONNECTION) == 1


async def test_simulated_devices_of_any_vendor_say_so() -> None:
    """The simulator answers on its one port, so AMD's own port is not there, and that is no failure."""
    page = text("amd") + 'hostler_simulator_info{type="amd-mi300x",devices="2"} 1\n'
    rig = Rig(Kubelet(healthy={"amd.com/gpu": ["0000:0c:00.0"]}), Web({SIMULATOR: page}))
    got = await rig.devices()
    assert {(device.type, device.simulated) for device in got.values()} == {("amd-mi300x", True)}
    assert (rig.errors(AMD, ScrapeFailure.CONNECTION), rig.up(AMD), rig.up(SIMULATOR)) == (0, None, 1)


async def test_a_simulated_type_without_any_exporter_is_there_and_simulated() -> None:
    page = 'hostler_simulator_info{type="qualcomm-aic100-ultra",devices="1"} 1\n'
    got = await Rig(Kubelet(healthy={"qualcomm.com/qaic": ["NPU-1"]}), Web({SIMULATOR: page})).devices()
    assert (got["NPU-1"].type, got["NPU-1"].simulated) == ("qualcomm-aic100-ultra", True)
    assert got["NPU-1"].values == {Quantity.HEALTH: 1.0}


async def test_a_simulator_of_other_types_does_not_make_real_devices_simulated() -> None:
    page = 'hostler_simulator_info{type="graphcore-c600",devices="1"} 1\n' + text("dcgm")
    kubelet = Kubelet(healthy={GPU: ["GPU-aaaa"], "c600.graphcore.ai/ipu": ["IPU-1"]})
    got = await Rig(kubelet, Web({SIMULATOR: page})).devices()
    assert (got["GPU-aaaa"].simulated, got["IPU-1"].simulated) == (False, True)


async def test_a_target_by_type_decides_among_the_types_of_a_resource() -> None:
    rig = Rig(
        Kubelet(healthy={"habana.ai/gaudi": ["AN12345678"]}),
        Web({"http://gaudi:1/m": text("gaudi")}),
        targets=["intel-gaudi3=http://gaudi:1/m"],
    )
    got = await rig.devices()
    assert got["AN12345678"].type == "intel-gaudi3"
    assert got["AN12345678"].values[Quantity.POWER] == 431
    assert f"http://{NODE}:41611/metrics" not in rig.web.asked


async def test_without_a_kubelet_the_targets_still_speak() -> None:
    kubelet = Kubelet(down=True)
    rig = Rig(kubelet, Web({"http://dcgm/": text("dcgm")}), targets=["nvidia.com/gpu=http://dcgm/"])
    got = await rig.devices()
    assert got["GPU-aaaa"].holder == ANN, "by dcgm-exporter's own labels"
    assert Quantity.HEALTH not in got["GPU-aaaa"].values
    assert (rig.errors("kubelet", ScrapeFailure.POD_RESOURCES), rig.up("kubelet")) == (1, 0)


async def test_a_kubelet_restart_takes_no_pod_labels_away() -> None:
    rig = Rig(gpu_node(), Web({DCGM: text("dcgm")}))
    await rig.devices()
    rig.kubelet.down = True
    assert (await rig.devices())["GPU-aaaa"].holder == ANN
    rig.clock.now += KEEP_KUBELET_SECONDS
    rig.web.pages[DCGM] = text("dcgm").replace("j-0-0-abcde", "j-0-1-fghij")
    got = await rig.devices()
    assert got["GPU-aaaa"].holder.pod == "j-0-1-fghij", "an answer that old is not repeated; the exporter's own word is"
    assert got["GPU-aaaa"].values[Quantity.UTILIZATION] == 0.87
    rig.kubelet.down = False
    assert (await rig.devices())["GPU-aaaa"].holder == ANN


async def test_a_device_that_the_plugin_withdraws_is_unhealthy() -> None:
    rig = Rig(gpu_node(), Web({DCGM: text("dcgm")}))
    assert (await rig.devices())["GPU-bbbb"].values[Quantity.HEALTH] == 1
    rig.kubelet.healthy[GPU].remove("GPU-bbbb")
    assert (await rig.devices())["GPU-bbbb"].values[Quantity.HEALTH] == 0


async def test_an_answer_is_kept_for_a_moment_and_shared() -> None:
    rig = Rig(gpu_node(), Web({DCGM: text("dcgm")}))
    await asyncio.gather(*(rig.collector.devices() for _ in range(5)))
    assert rig.web.asked == [DCGM]
    rig.clock.now += 1.9
    await rig.collector.devices()
    assert rig.web.asked == [DCGM]
    rig.clock.now += 0.2
    await rig.collector.devices()
    assert rig.web.asked == [DCGM, DCGM]


async def test_a_node_without_accelerators_asks_only_its_kubelet() -> None:
    """The chart's targets are the same on every node: a Service would time out, or answer for another node."""
    rig = Rig(Kubelet(), Web({"http://dcgm/": text("dcgm")}), targets=["nvidia.com/gpu=http://dcgm/"])
    assert await rig.devices() == {}
    assert rig.web.asked == []
    assert (rig.count(), rig.up("kubelet"), rig.up("http://dcgm/")) == (0, 1, None)


async def test_a_node_whose_device_plugin_comes_later_needs_no_restart() -> None:
    rig = Rig(Kubelet(), Web({DCGM: text("dcgm")}))
    assert await rig.devices() == {}
    rig.kubelet.healthy[GPU] = ["GPU-aaaa", "GPU-bbbb"]
    assert set(await rig.devices()) == {"GPU-aaaa", "GPU-bbbb"}


async def test_devices_whose_plugin_is_gone_are_still_there_and_unhealthy() -> None:
    """The kubelet drops the resource as a whole some minutes after its plugin; the GPUs did not go away."""
    rig = Rig(gpu_node(), Web({DCGM: text("dcgm")}))
    await rig.devices()
    rig.kubelet.healthy.clear()
    rig.kubelet.held.clear()
    got = await rig.devices()
    assert {name: device.values[Quantity.HEALTH] for name, device in got.items()} == {"GPU-aaaa": 0, "GPU-bbbb": 0}
    assert got["GPU-aaaa"].values[Quantity.UTILIZATION] == 0.87
    assert got["GPU-aaaa"].holders == (), "the exporter's label is that of a pod which the kubelet no longer has"


async def test_a_target_that_is_not_asked_any_more_leaves_no_series() -> None:
    """Otherwise its last word would stand for ever, and an alert on it too."""
    rig = Rig(Kubelet(down=True), Web(), targets=["nvidia.com/gpu=http://dcgm/"])
    await rig.devices()
    assert rig.up("http://dcgm/") == 0
    rig.kubelet.down = False
    await rig.devices()
    assert rig.up("http://dcgm/") is None


@pytest.mark.parametrize(
    ("held", "pods"),
    [
        pytest.param({}, {}, id="it has ended by the time the kubelet is asked"),
        pytest.param({("amd.com/gpu", "0000:0c:00.0"): BOB}, {}, id="another has come in its place"),
    ],
)
async def test_a_pod_that_ends_between_two_readings_is_nobodys_holder(
    held: dict[tuple[str, str], Holder], pods: dict[str, str]
) -> None:
    """AMD's exporter still names s-7d9 by its own labels, and ids cannot be compared."""
    kubelet = Kubelet(healthy={"amd.com/gpu": ["0000:0c:00.0", "0000:22:00.0"]}, held=held)
    got = await Rig(kubelet, Web({AMD: text("amd")})).devices()
    assert {name: device.holder.pod for name, device in got.items() if device.holders} == pods
    assert set(got) == {"0", "1"}


async def test_new_partitions_replace_the_old_ones() -> None:
    rig = Rig(Kubelet(healthy={GPU: ["nvidia0"]}), Web({DCGM: text("dcgm-plain")}))
    assert set(await rig.devices()) == {"nvidia0", "GPU-22222222-bbbb"}
    rig.kubelet.healthy = {GPU: ["nvidia0/gi7", "nvidia0/gi8", "nvidia0/gi2", "nvidia1"]}
    rig.web.pages[DCGM] = text("dcgm-mixed")
    want = {"nvidia0", "nvidia0/7", "nvidia0/8", "nvidia0/2", "nvidia1"}
    assert set(await rig.devices()) == want
    assert set(await rig.devices()) == want


async def test_ids_in_a_form_that_nobody_knows_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(Kubelet(healthy={GPU: ["acme-a", "acme-b"]}), Web({DCGM: text("dcgm-plain")}))
    rig.kubelet.held = {(GPU, "acme-a"): ANN}
    for _ in range(3):
        await rig.devices()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "nvidia.com/gpu: 2 devices such as 'acme-a'" in said[0]
    rig.kubelet.healthy, rig.kubelet.held = {GPU: ["GPU-11111111-aaaa"]}, {}
    await rig.devices()
    assert rig.unmatched(GPU) == 0


async def test_two_resources_of_different_vendors_do_not_mix() -> None:
    kubelet = Kubelet(
        healthy={GPU: ["GPU-11111111-aaaa::0", "GPU-11111111-aaaa::1"], "habana.ai/gaudi": ["AN12345678"]},
        held={(GPU, "GPU-11111111-aaaa::0"): ANN, ("habana.ai/gaudi", "AN12345678"): BOB},
    )
    got = await Rig(kubelet, Web({DCGM: text("dcgm-plain"), GAUDI: text("gaudi")})).devices()
    assert {name: (device.vendor, device.holder.pod) for name, device in got.items()} == {
        "GPU-11111111-aaaa": ("NVIDIA", ANN.pod),
        "GPU-22222222-bbbb": ("NVIDIA", ""),
        "AN12345678": ("Intel", BOB.pod),
        "01P4-HL2080A0-15-TNAS34-03-07-06": ("Intel", ""),
    }


async def test_what_the_exporter_remembers_does_not_grow_with_every_partitioning() -> None:
    rig = Rig(Kubelet(), Web({DCGM: text("dcgm-plain")}))
    for generation in range(50):
        rig.kubelet.healthy = {GPU: [f"MIG-{generation}-{n}" for n in range(7)]}
        await rig.devices()
    assert len(rig.collector._known) <= 7

"""One round of questions: whom it asks, what a failure counts as, and how long an answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry
from unit.exporter.support import Clock, Kubelet, Web, text

from hostler.exporter.collector import KEEP_KUBELET_SECONDS, Collector
from hostler.exporter.join import Device
from hostler.exporter.reading import Quantity
from hostler.exporter.scrape import ScrapeFailure
from hostler.exporter.selfmetrics import SelfMetrics
from hostler.exporter.targets import Targets, parse_target, simulator_url
from hostler.kubelet.podresources import Holder

NODE = "10.1.2.3"
DCGM = f"http://{NODE}:9400/metrics"
AMD = f"http://{NODE}:5000/metrics"
SIMULATOR = simulator_url(NODE)
ANN = Holder("team", "j-0-0-abcde", "trainer")
GPU = "nvidia.com/gpu"


class Rig:
    """A collector with everything around it in the test's hands."""

    def __init__(self, kubelet: Kubelet, web: Web, *, targets: Sequence[str] = ()) -> None:
        self.clock, self.kubelet, self.web, self.registry = Clock(), kubelet, web, CollectorRegistry()
        self.collector = Collector(
            targets=Targets(
                explicit=tuple(map(parse_target, targets)), node_ip=NODE, simulator_url=simulator_url(NODE)
            ),
            kubelet=kubelet,
            fetch=web.fetch,
            monotonic=self.clock,
            metrics=SelfMetrics(self.registry),
        )

    async def devices(self) -> dict[str, Device]:
        self.clock.now += 10
        return {device.device: device for device in await self.collector.devices()}

    def errors(self, target: str, reason: ScrapeFailure) -> float:
        name = "hostler_exporter_scrape_errors_total"
        return self.registry.get_sample_value(name, {"target": target, "reason": reason.value}) or 0

    def up(self, target: str) -> float | None:
        return self.registry.get_sample_value("hostler_exporter_target_up", {"target": target})


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
    assert await rig.devices() == {}, "an answer that old is not repeated, and nothing else says what is here"
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

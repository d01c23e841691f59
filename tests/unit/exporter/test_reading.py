"""Each vendor's text, in the format that its exporter prints, becomes devices in our units, or nothing at all."""

from __future__ import annotations

import pytest
from unit.exporter.support import samples

from hostler.accelerators.registry import exporters
from hostler.exporter.parse import parse
from hostler.exporter.reading import Quantity, Reading, read
from hostler.kubelet.podresources import Holder

GIB, MIB = 2**30, 2**20
U, USED, TOTAL, W, J, OK = (
    Quantity.UTILIZATION,
    Quantity.MEMORY_USED,
    Quantity.MEMORY_TOTAL,
    Quantity.POWER,
    Quantity.ENERGY,
    Quantity.HEALTH,
)


def readings(mapping: str, name: str | None = None) -> dict[str, Reading]:
    return {reading.name: reading for reading in read(exporters()[mapping], samples(name or mapping))}


@pytest.mark.parametrize(
    ("mapping", "name", "device", "want"),
    [
        pytest.param(
            "dcgm",
            "dcgm",
            "GPU-aaaa",
            {U: 0.87, USED: 40960 * MIB, TOTAL: 81920 * MIB, W: 301.5, J: 123456.789},
            id="DCGM: percent, MiB in three parts, watts, millijoules; an XID is no state of health",
        ),
        pytest.param(
            "dcgm",
            "dcgm",
            "GPU-bbbb",
            {U: 0, USED: 0, TOTAL: 81292 * MIB},
            id="DCGM idle: zero is zero, the blanks of power and energy are absent",
        ),
        pytest.param(
            "dcgm",
            "dcgm-mig",
            "GPU-aaaa/7",
            {U: 0.995687, USED: 4096 * MIB},
            id="a MIG slice has the profiling ratio and no power of its own",
        ),
        pytest.param("dcgm", "dcgm-mig", "GPU-aaaa", {W: 120}, id="its card has only the power"),
        pytest.param(
            "amd-device-metrics",
            "amd",
            "0",
            {U: 0.42, USED: 65535 * MIB, TOTAL: 196592 * MIB, W: 512, J: 7.5, OK: 1},
            id="AMD: the configured prefix, MB that are MiB, microjoules, package power where there is no other",
        ),
        pytest.param(
            "amd-device-metrics",
            "amd",
            "1",
            {USED: 283 * MIB, TOTAL: 196592 * MIB, OK: 0},
            id="AMD unsupported: 65535 percent is no utilization, and unhealthy is 0",
        ),
        pytest.param(
            "gaudi",
            "gaudi",
            "01P4-HL2080A0-15-TNAS34-03-07-05",
            {U: 0.63, USED: 48 * GIB, TOTAL: 96 * GIB, W: 431},
            id="Gaudi: milliwatts; energy without a published unit is left out",
        ),
        pytest.param(
            "gaudi",
            "gaudi",
            "01P4-HL2080A0-15-TNAS34-03-07-06",
            {U: 0, USED: 0.75 * GIB},
            id="Gaudi: what one card does not print is absent for that card",
        ),
        pytest.param(
            "neuron-monitor",
            "neuron",
            "1",
            {U: 0.6, USED: 2 * (100 + 20 + 0 + 3 + 6_315_872)},
            id="Neuron: cores 2 and 3 are device 1; mean of ratios, sum of memory",
        ),
        pytest.param(
            "ascend-npu",
            "ascend",
            "Ascend910-0",
            {U: 0.95, USED: 32 * GIB, TOTAL: 64 * GIB, W: 312.6, OK: 1},
            id="Ascend: timestamps on the lines, MB that are MiB",
        ),
        pytest.param("ascend-npu", "ascend", "Ascend910-1", {OK: 0}, id="Ascend: -1 means that it could not ask"),
        pytest.param(
            "furiosa",
            "furiosa",
            "09512C86-0702-4303-8F40-474746474A40",
            {U: 0.8, USED: 10 * GIB, TOTAL: 48 * GIB, W: 50, OK: 1},
            id="Furiosa: mean of cores, memory repeated for each partition, rms power only",
        ),
        pytest.param("gcipuinfo", "gcipuinfo", "0", {U: 0.375, W: 120.5, OK: 1}, id="IPU: error state 0 is healthy"),
        pytest.param("gcipuinfo", "gcipuinfo", "1", {U: 0, OK: 0}, id="IPU: any other error state is not"),
        pytest.param(
            "gke-tpu",
            "gke-tpu",
            "1234567890123456789-0",
            {U: 0.42, USED: 1.6e10, TOTAL: 3.35e10},
            id="TPU: the node's series, else the container's",
        ),
        pytest.param("gke-tpu", "gke-tpu", "1234567890123456789-1", {U: 0}, id="TPU idle: known by the node's series"),
        pytest.param(
            "intel-xpum",
            "xpum",
            "card0",
            {U: 0.6, USED: 4_000_000, W: 410, J: 9001},
            id="Intel: mean of tiles, sum of their memory, a counter with _total",
        ),
    ],
)
def test_values(mapping: str, name: str, device: str, want: dict[Quantity, float]) -> None:
    assert readings(mapping, name)[device].values == pytest.approx(want)


@pytest.mark.parametrize(
    ("mapping", "name", "want"),
    [
        pytest.param("dcgm", "dcgm", 2, id="DCGM"),
        pytest.param("dcgm", "dcgm-mig", 3, id="two slices and their card"),
        pytest.param("amd-device-metrics", "amd", 2, id="AMD"),
        pytest.param("gaudi", "gaudi", 2, id="Gaudi: the pod of the exporter itself is no device"),
        pytest.param("neuron-monitor", "neuron", 1, id="Neuron: host memory of a runtime is no device"),
        pytest.param("furiosa", "furiosa", 1, id="Furiosa: eight cores are one device"),
        pytest.param("gke-tpu", "gke-tpu", 2, id="TPU"),
        pytest.param("dcgm", "amd", 0, id="another vendor's text holds nothing"),
    ],
)
def test_every_device_once(mapping: str, name: str, want: int) -> None:
    assert len(readings(mapping, name)) == want


@pytest.mark.parametrize(
    ("mapping", "name", "device", "want"),
    [
        pytest.param("dcgm", "dcgm", "GPU-aaaa", {Holder("team", "j-0-0-abcde", "trainer")}, id="DCGM's own labels"),
        pytest.param("dcgm", "dcgm", "GPU-bbbb", set(), id="an idle GPU has none"),
        pytest.param("dcgm", "dcgm-mig", "GPU-aaaa/8", set(), id="empty labels are none"),
        pytest.param("ascend-npu", "ascend", "Ascend910-0", {Holder("team", "j-0-0", "trainer")}, id="pod_name"),
        pytest.param("gaudi", "gaudi", "01P4-HL2080A0-15-TNAS34-03-07-05", set(), id="Gaudi knows no pods"),
        pytest.param("gke-tpu", "gke-tpu", "1234567890123456789-0", {Holder("team", "j-0-0", "worker")}, id="TPU"),
    ],
)
def test_own_pod_labels(mapping: str, name: str, device: str, want: set[Holder]) -> None:
    assert readings(mapping, name)[device].holders == want


def test_keys_for_the_kubelet_come_best_first() -> None:
    assert readings("dcgm")["GPU-aaaa"].keys == ("GPU-aaaa", "0", "nvidia0")
    assert readings("ascend-npu", "ascend")["Ascend910-0"].keys[::6] == ("Ascend910-0", "0")
    assert readings("dcgm", "dcgm-mig")["GPU-aaaa/7"].keys == ("GPU-aaaa/7", "0/7", "nvidia0/7")


def test_a_slice_knows_its_card() -> None:
    found = readings("dcgm", "dcgm-mig")
    assert {name: reading.parent for name, reading in found.items()} == {
        "GPU-aaaa": "",
        "GPU-aaaa/7": "GPU-aaaa",
        "GPU-aaaa/8": "GPU-aaaa",
    }


def test_a_device_whose_values_are_all_blank_is_still_a_device() -> None:
    line = 'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-x"} 9223372036854775794\n'
    (reading,) = read(exporters()["dcgm"], parse(line))
    assert (reading.name, reading.values) == ("GPU-x", {})


@pytest.mark.parametrize(
    ("line", "want"),
    [
        pytest.param("DCGM_FI_DEV_GPU_UTIL{UUID='x'} 87".replace("'", '"'), {U: 0.87}, id="a usual value"),
        pytest.param('DCGM_FI_DEV_GPU_UTIL{UUID="x"} 102', {U: 1.0}, id="a little above 100 % is 100 %"),
        pytest.param('DCGM_FI_DEV_GPU_UTIL{UUID="x"} 400', {}, id="far above it is nonsense, so absent"),
        pytest.param('DCGM_FI_DEV_GPU_UTIL{UUID="x"} NaN', {}, id="not a number is absent"),
        pytest.param('DCGM_FI_DEV_GPU_UTIL{UUID="x"} +Inf', {}, id="infinite is absent"),
        pytest.param('DCGM_FI_DEV_GPU_UTIL{UUID="x"} -1', {}, id="negative is absent"),
        pytest.param('DCGM_FI_DEV_GPU_UTIL{UUID="x"} 9223372036854775794', {}, id="DCGM's int64 blank is absent"),
        pytest.param('DCGM_FI_DEV_FB_USED{UUID="x"} 2147483632', {}, id="DCGM's int32 blank is absent"),
        pytest.param('DCGM_FI_DEV_POWER_USAGE{UUID="x"} 140737488355328', {}, id="DCGM's double blank is absent"),
        pytest.param('DCGM_FI_DEV_FB_USED{UUID="x"} 5', {USED: 5 * MIB}, id="a part of a total is no total"),
    ],
)
def test_what_is_not_known_is_absent_never_zero(line: str, want: dict[Quantity, float]) -> None:
    (reading,) = read(exporters()["dcgm"], parse(line + "\n"))
    assert reading.values == pytest.approx(want)


@pytest.mark.parametrize("mapping", sorted(exporters()))
def test_an_empty_text_invents_nothing(mapping: str) -> None:
    assert read(exporters()[mapping], parse("")) == []


def test_a_device_that_is_printed_twice_counts_once() -> None:
    """dcgm-exporter repeats a shared GPU for each of its pods."""
    text = (
        'DCGM_FI_DEV_GPU_UTIL{UUID="x",namespace="a",pod="p1",container="c"} 50\n'
        'DCGM_FI_DEV_GPU_UTIL{UUID="x",namespace="a",pod="p2",container="c"} 50\n'
    )
    (reading,) = read(exporters()["dcgm"], parse(text))
    assert reading.values == {U: 0.5}
    assert {holder.pod for holder in reading.holders} == {"p1", "p2"}


def test_neuron_cores_without_a_count_per_device_belong_to_no_device() -> None:
    line = 'neuroncore_utilization_ratio{neuroncore="3"} 0.5\n'
    assert read(exporters()["neuron-monitor"], parse(line)) == []

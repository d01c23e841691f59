"""The vendors' own names and units, and the way back through the exporter's mapping."""

import json

import pytest

from device_simulator.inventory import Inventory, inventory
from device_simulator.vendormetrics import GIB, Reading, exposition
from hostler.accelerators import AcceleratorType, Contract, accelerators
from hostler.exporter.join import ResourceFacts, join
from hostler.exporter.parse import parse
from hostler.exporter.reading import Quantity, read
from hostler.kubelet.podresources import Holder

HOLDER = Holder("team", "j-0-0", "trainer")


def stock(kind: str, count: int = 1, *, unhealthy: tuple[str, ...] = ()) -> Inventory:
    return inventory(json.dumps([{"type": kind, "count": count}]), unhealthy=unhealthy, node="n", numa_nodes=0)


def busy(kind: str, *, holder: Holder | None = HOLDER, unhealthy: tuple[str, ...] = ()) -> Reading:
    """Half busy, a quarter of the memory in use, 230 W, 1000 J."""
    [device] = stock(kind, unhealthy=unhealthy).devices
    memory = device.kind.memory_gib
    return Reading(
        device,
        holder,
        utilization=0.5,
        memory_used=None if memory is None else memory / 4 * GIB,
        power=230.0,
        energy=1000.0,
    )


def series(text: str) -> dict[str, float]:
    """Metric name to value, for texts with one series of each."""
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name.partition("{")[0]: float(value) for name, value in rows}


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        pytest.param(
            "nvidia-a100-80",
            {
                "DCGM_FI_DEV_GPU_UTIL": 50,
                "DCGM_FI_DEV_FB_USED": 20480,
                "DCGM_FI_DEV_FB_FREE": 61440,
                "DCGM_FI_DEV_FB_RESERVED": 0,
                "DCGM_FI_DEV_POWER_USAGE": 230,
                "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 1_000_000,
            },
            id="NVIDIA: percent, MiB, W, mJ",
        ),
        pytest.param(
            "amd-mi300x",
            {
                "gpu_gfx_activity": 50,
                "gpu_used_vram": 49152,
                "gpu_total_vram": 196608,
                "gpu_power_usage": 230,
                "gpu_energy_consumed": 1e9,
                "gpu_health": 1,
            },
            id="AMD: percent, MiB, W, uJ",
        ),
        pytest.param(
            "intel-gaudi2",
            {
                "habanalabs_utilization": 50,
                "habanalabs_memory_used_bytes": 24 * GIB,
                "habanalabs_memory_total_bytes": 96 * GIB,
                "habanalabs_power_mW": 230_000,
            },
            id="Gaudi: percent, bytes, mW, no energy",
        ),
        pytest.param(
            "graphcore-c600",
            {"gcipuinfo_ipu_utilisation": 50, "gcipuinfo_ipu_power": 230, "gcipuinfo_ipu_error_state": 0},
            id="Graphcore: percent, W, error state; no memory",
        ),
        pytest.param(
            "aws-trainium1",
            {
                "neuron_hardware_info": 1,
                "neuroncore_utilization_ratio": 0.5,
                "neuroncore_memory_usage_tensors": 8 * GIB,
                "neuroncore_memory_usage_constants": 0,
                "neuroncore_memory_usage_model_code": 0,
                "neuroncore_memory_usage_model_shared_scratchpad": 0,
                "neuroncore_memory_usage_runtime_memory": 0,
            },
            id="Neuron: ratio, bytes in parts, neither power nor total",
        ),
        pytest.param("amd-alveo-v70", {}, id="Alveo has no exporter"),
        pytest.param("qualcomm-aic100-ultra", {}, id="Qualcomm has no exporter"),
    ],
)
def test_vendor_series(kind: str, want: dict[str, float]) -> None:
    """Names and units are the vendor's; what the vendor does not offer is not there."""
    got = series(exposition([busy(kind)]))
    assert got.pop("hostler_simulator_info") == 1
    assert got == pytest.approx(want)


MAPPED = [k for k in accelerators().values() if k.contract is Contract.SCALAR and k.exporter is not None]


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.id)
def test_the_exporter_reads_back_what_was_shown(kind: AcceleratorType) -> None:
    """The mapping backwards and forwards: same device, same type, same figures, for every vendor."""
    reading = busy(kind.id)
    assert kind.exporter is not None
    resource = reading.device.resource
    facts = ResourceFacts(
        resource=resource,
        candidates=[kind],
        readings=read(kind.exporter, parse(exposition([reading]))),
        allocatable=frozenset({reading.device.id}),
        holders={reading.device.id: HOLDER},
    )
    [device] = join(facts)
    assert (device.device, device.holder) == (reading.device.id, HOLDER)
    want = {
        Quantity.UTILIZATION: (kind.exporter.utilization, reading.utilization),
        Quantity.MEMORY_USED: (kind.exporter.memory_used, reading.memory_used),
        Quantity.MEMORY_TOTAL: (kind.exporter.memory_total, reading.memory_total),
        Quantity.POWER: (kind.exporter.power, reading.power),
        Quantity.ENERGY: (kind.exporter.energy, reading.energy),
    }
    offered = {quantity: value for quantity, (source, value) in want.items() if source and value is not None}
    assert dict(device.values) == pytest.approx({**offered, Quantity.HEALTH: 1.0})


@pytest.mark.parametrize("kind", ["amd-mi300x", "graphcore-c600", "huawei-ascend910"])
def test_an_unhealthy_device_says_so_in_the_vendors_way(kind: str) -> None:
    """1 for healthy with one vendor, 0 for 'no errors' with another."""
    reading = busy(kind, unhealthy=(f"{kind}/0",))
    mapping = reading.device.kind.exporter
    assert mapping is not None
    assert mapping.health is not None
    assert series(exposition([reading]))[mapping.health.metric] != mapping.health.healthy_when


def test_a_device_that_nobody_knows_has_no_utilization() -> None:
    """Absent, not zero: a zero would be believed. Memory in use is unknown too, so free memory is as well."""
    [device] = stock("nvidia-a100-80").devices
    got = series(exposition([Reading(device, HOLDER, energy=5.0)]))
    assert set(got) == {"hostler_simulator_info", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"}


def test_an_idle_device_has_zeros() -> None:
    [device] = stock("nvidia-a100-80").devices
    got = series(exposition([Reading(device, utilization=0.0, memory_used=0.0, power=60.0)]))
    assert (got["DCGM_FI_DEV_GPU_UTIL"], got["DCGM_FI_DEV_FB_USED"], got["DCGM_FI_DEV_FB_FREE"]) == (0, 0, 81920)


def test_labels_are_the_vendors() -> None:
    """dcgm-exporter in its Kubernetes mode carries the pod, but only where there is one."""
    held, free = exposition([busy("nvidia-a100-80")]), exposition([busy("nvidia-a100-80", holder=None)])
    [device] = stock("nvidia-a100-80").devices
    identity = f'UUID="{device.id}"'
    assert identity in held
    assert 'gpu="0"' in held
    assert 'modelName="NVIDIA-A100-SXM4-80GB"' in held
    assert 'namespace="team",pod="j-0-0",container="trainer"' in held
    assert identity in free
    assert "pod=" not in free


def test_the_text_says_that_all_of_it_is_simulated() -> None:
    """One series for each type, with the number of devices, for vendors without an exporter too."""
    devices = (*stock("nvidia-a100-80", 4).devices, *stock("qualcomm-aic100-pro", 2).devices)
    text = exposition([Reading(device) for device in devices])
    assert 'hostler_simulator_info{type="nvidia-a100-80",devices="4"} 1\n' in text
    assert 'hostler_simulator_info{type="qualcomm-aic100-pro",devices="2"} 1\n' in text


def test_each_family_stands_together_under_one_type_line() -> None:
    """Prometheus refuses a second TYPE line for the same name."""
    devices = stock("nvidia-a100-80", 3).devices
    readings = [Reading(device, utilization=0.0, energy=1.0) for device in devices]
    lines = exposition(readings).splitlines()
    at = lines.index("# TYPE DCGM_FI_DEV_GPU_UTIL gauge")
    assert all(line.startswith("DCGM_FI_DEV_GPU_UTIL{") for line in lines[at + 1 : at + 4])
    assert "# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter" in lines
    assert len([line for line in lines if line.startswith("#")]) == len(
        {line.split()[2] for line in lines if "#" in line}
    )

"""What a container gets, and which devices are preferred."""

import json
from pathlib import Path

import pytest

from device_simulator.allocation import cdi_name, cdi_specs, environment, preferred
from device_simulator.inventory import Device, inventory


def devices(kind: str, count: int) -> tuple[Device, ...]:
    text = json.dumps([{"type": kind, "count": count}])
    return inventory(text, unhealthy=(), node="n", numa_nodes=2).devices


@pytest.mark.parametrize(
    ("kind", "variable", "by"),
    [
        ("nvidia-h200", "NVIDIA_VISIBLE_DEVICES", "id"),
        ("intel-gaudi3", "HABANA_VISIBLE_DEVICES", "ordinal"),
        ("aws-trainium1", "AWS_NEURON_VISIBLE_DEVICES", "ordinal"),
        ("google-tpu-v5e", "TPU_VISIBLE_CHIPS", "ordinal"),
        ("huawei-ascend910", "ASCEND_VISIBLE_DEVICES", "id"),
        ("graphcore-c600", None, None),
        ("amd-mi300x", None, None),
        ("amd-alveo-v70", None, None),
        ("qualcomm-aic100-ultra", None, None),
    ],
)
def test_environment_is_the_vendors_own_plus_ours(kind: str, variable: str | None, by: str | None) -> None:
    """Vendors that hand over device files only set no variable, so neither do we."""
    second, fourth = devices(kind, 4)[1::2]
    want = {"HOSTLER_SIMULATED_DEVICES": f"{second.id},{fourth.id}", "HOSTLER_ACCELERATOR_TYPE": kind}
    if variable is not None:
        want[variable] = {"id": f"{second.id},{fourth.id}", "ordinal": "1,3"}[by or ""]
    assert environment([second, fourth]) == want
    assert environment([fourth, second]) == want, "the kubelet names devices in any order"


@pytest.mark.parametrize(
    ("available", "must", "size", "want"),
    [
        pytest.param("01234567", "", 2, "01", id="the first node when both are whole"),
        pytest.param("1234567", "", 4, "4567", id="the node that has room for all"),
        pytest.param("1234567", "", 3, "123", id="the smaller node that still has room"),
        pytest.param("01234567", "6", 2, "64", id="beside what must be included"),
        pytest.param("0267", "26", 3, "260", id="among equals the lower node"),
        pytest.param("01267", "", 4, "0126", id="across nodes where it must be, from the larger one first"),
        pytest.param("012", "12", 2, "12", id="nothing beyond what must be included"),
        pytest.param("01", "", 3, "01", id="too few: all of them, the kubelet decides"),
    ],
)
def test_preferred_devices(available: str, must: str, size: int, want: str) -> None:
    """Eight devices, 0 to 3 on NUMA node 0 and 4 to 7 on node 1."""
    eight = devices("nvidia-a100-80", 8)
    offered = [eight[int(number)] for number in available]
    got = preferred(offered, must={eight[int(number)].id for number in must}, size=size)
    assert got == [eight[int(number)].id for number in want]


def test_cdi_specification_has_every_device_by_its_name() -> None:
    """One file for each type; a device is named vendor/class=device."""
    two = devices("graphcore-c600", 2)
    [(path, text)] = cdi_specs(two, folder=Path("/cdi")).items()
    spec = json.loads(text)
    assert path == Path("/cdi/simulated.hostler.dev-graphcore-c600.json")
    assert spec["kind"] == "simulated.hostler.dev/graphcore-c600"
    assert [f"{spec['kind']}={entry['name']}" for entry in spec["devices"]] == [cdi_name(device) for device in two]
    assert all(entry["containerEdits"]["env"] for entry in spec["devices"])

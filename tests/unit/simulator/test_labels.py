"""Node labels as the vendors' discovery writes them."""

import json
from typing import Any

import pytest

from device_simulator.inventory import Inventory, inventory
from device_simulator.labels import FIELD_MANAGER, is_applied, node_labels


def stock(*wanted: tuple[str, int]) -> Inventory:
    text = json.dumps([{"type": kind, "count": count} for kind, count in wanted])
    return inventory(text, unhealthy=(), node="n", numa_nodes=0)


@pytest.mark.parametrize(
    ("wanted", "want"),
    [
        pytest.param(
            [("nvidia-a100-80", 4)],
            {
                "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
                "nvidia.com/gpu.memory": "81920",
                "nvidia.com/gpu.count": "4",
            },
            id="GPU feature discovery: first product name, MiB, count; the family is not in the registry",
        ),
        pytest.param(
            [("google-tpu-v5e", 4)],
            {
                "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
                "cloud.google.com/gke-tpu-topology": "2x2",
            },
            id="TPU: the topology with as many chips",
        ),
        pytest.param(
            [("google-tpu-v5e", 3)],
            {
                "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
                "cloud.google.com/gke-tpu-topology": "1x1",
            },
            id="TPU: the first topology where none has as many chips",
        ),
        pytest.param([("graphcore-c600", 4)], {}, id="the C600's plugin documents no labels"),
        pytest.param([("qualcomm-aic100-pro", 1)], {"qualcomm.com/qaic": "true"}, id="Qualcomm"),
        pytest.param(
            [("nvidia-l4", 1), ("nvidia-a100-80", 2)],
            {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "24576", "nvidia.com/gpu.count": "1"},
            id="two types with the same keys: the first",
        ),
    ],
)
def test_labels(wanted: list[tuple[str, int]], want: dict[str, str]) -> None:
    """Whatever the vendor, the node says that its devices are simulated."""
    assert node_labels(stock(*wanted)) == {**want, "hostler.dev/simulated": "true"}


def test_a_node_without_devices_gets_no_label() -> None:
    assert node_labels(Inventory()) == {}


def node(labels: dict[str, str], *, owned: tuple[str, ...], manager: str = FIELD_MANAGER) -> dict[str, Any]:
    fields = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in owned}}}
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    return {"metadata": {"labels": labels, "managedFields": [entry]}}


WANTED = {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("seen", "want"),
    [
        pytest.param(node({"a": "1", "b": "2", "c": "3"}, owned=("a", "b")), True, id="there, and others besides"),
        pytest.param(node({"a": "1"}, owned=("a", "b")), False, id="one was deleted by hand"),
        pytest.param(node({"a": "1", "b": "9"}, owned=("a", "b")), False, id="one has another value"),
        pytest.param(node({"a": "1", "b": "2", "c": "3"}, owned=("a", "b", "c")), False, id="one of ours is left over"),
        pytest.param(node({"a": "1", "b": "2"}, owned=("a", "b"), manager="kubelet"), False, id="another's labels"),
        pytest.param({"metadata": {}}, False, id="a new node object of the same name"),
    ],
)
def test_labels_are_written_only_where_something_differs(*, seen: dict[str, Any], want: bool) -> None:
    assert is_applied(seen, WANTED) is want


def test_no_labels_on_a_node_that_never_had_any_is_nothing_to_write() -> None:
    assert is_applied({"metadata": {"labels": {"x": "y"}}}, {})

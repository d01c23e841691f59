"""From annotations to devices."""

import json
import re

import pytest

from device_simulator.inventory import AnnotationError, Inventory, inventory, read_unhealthy
from hostler.accelerators import AcceleratorType, Contract, accelerators


def stock(*wanted: object, unhealthy: tuple[str, ...] = (), node: str = "gpu-0", numa_nodes: int = 2) -> Inventory:
    return inventory(json.dumps(wanted), unhealthy=unhealthy, node=node, numa_nodes=numa_nodes)


def a100(count: object = 4) -> dict[str, object]:
    return {"type": "nvidia-a100-80", "count": count}


def test_ids_depend_on_node_type_and_index_only() -> None:
    """A restart, or a longer list, keeps every id; another node has other ones."""
    four, six = [d.id for d in stock(a100(4)).devices], [d.id for d in stock(a100(6)).devices]
    assert six[:4] == four
    assert len(set(six)) == 6
    assert not set(four) & {d.id for d in stock(a100(4), node="gpu-1").devices}


def test_ids_are_the_ones_that_earlier_releases_gave_out() -> None:
    """The kubelet's checkpoint holds them across an upgrade of the simulator."""
    assert stock(a100(1)).devices[0].id == "GPU-6f8560b5-2cca-57df-b40c-a98713cdff80"


@pytest.mark.parametrize(
    "kind", [k for k in accelerators().values() if k.contract is Contract.SCALAR], ids=lambda k: k.id
)
def test_every_scalar_type_of_the_registry_can_be_simulated(kind: AcceleratorType) -> None:
    """Ids are unique and short enough for the kubelet, under a resource name of the type."""
    devices = stock({"type": kind.id, "count": 12}).devices
    assert len({d.id for d in devices}) == 12
    assert max(len(d.id) for d in devices) <= 63
    assert kind.accepts_resource(devices[0].resource)


@pytest.mark.parametrize(
    ("total", "numa_nodes", "want"),
    [
        pytest.param(4, 2, [0, 0, 1, 1], id="halves"),
        pytest.param(3, 2, [0, 0, 1], id="the first node gets the odd one"),
        pytest.param(1, 2, [0], id="a single device is on the first node"),
        pytest.param(4, 1, [0, 0, 0, 0], id="one node"),
        pytest.param(2, 0, [None, None], id="no topology"),
    ],
)
def test_devices_spread_over_numa_nodes(total: int, numa_nodes: int, want: list[int | None]) -> None:
    assert [d.numa for d in stock(a100(total), numa_nodes=numa_nodes).devices] == want


def test_types_of_one_resource_are_numbered_together() -> None:
    """Vendors' tools number what is in the machine, whatever its model."""
    devices = stock(a100(2), {"type": "nvidia-l4", "count": 2}).of("nvidia.com/gpu")
    assert [(d.reference, d.ordinal) for d in devices] == [
        ("nvidia-a100-80/0", 0),
        ("nvidia-a100-80/1", 1),
        ("nvidia-l4/0", 2),
        ("nvidia-l4/1", 3),
    ]


def test_unhealthy_devices_are_named_by_type_and_index() -> None:
    found = stock(a100(2), unhealthy=("nvidia-a100-80/1",))
    assert [d.healthy for d in found.devices] == [True, False]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("entry", "want"),
    [
        pytest.param(
            {"type": "nvidia-a1000", "count": 1}, r"unknown accelerator type.*did you mean", id="unknown type"
        ),
        pytest.param({"type": "cpu", "count": 1}, "no device", id="cpu has no device plugin"),
        pytest.param({"type": "nvidia-l4", "count": -1}, "count is -1", id="negative count"),
        pytest.param({"type": "nvidia-l4", "count": True}, "count is True", id="a boolean is no count"),
        pytest.param({"type": "nvidia-l4", "count": 257}, "from 0 to 256", id="too many"),
        pytest.param({"type": "nvidia-l4"}, "count is None", id="no count"),
        pytest.param({"type": "nvidia-l4", "count": 1, "cuont": 2}, "unknown field 'cuont'", id="misspelled field"),
        pytest.param({"count": 1}, '"type" and "count"', id="no type"),
        pytest.param(a100(1), "stands twice", id="the same type again"),
        pytest.param(
            {"type": "nvidia-l4", "count": 1, "resourceName": "amd.com/gpu"},
            "no resource of nvidia-l4",
            id="foreign name",
        ),
    ],
)
def test_a_bad_entry_is_reported_and_the_others_are_served(entry: object, want: str) -> None:
    found = stock(a100(2), entry)
    assert found.counts == {"nvidia-a100-80": 2}
    [problem] = found.problems
    assert re.search(want, problem), problem


@pytest.mark.parametrize("text", ["{", '{"type": "nvidia-l4"}', '"nvidia-l4"'])
def test_an_unreadable_annotation_changes_nothing(text: str) -> None:
    """A slip of the finger while editing must not take the devices away, so it is an error and not an empty list."""
    with pytest.raises(AnnotationError, match="it is a list such as"):
        inventory(text, unhealthy=(), node="gpu-0", numa_nodes=2)


@pytest.mark.parametrize("text", [None, "", "[]"])
def test_no_annotation_means_no_devices(text: str | None) -> None:
    assert inventory(text, unhealthy=(), node="gpu-0", numa_nodes=2) == Inventory()


def test_a_stray_reference_is_reported() -> None:
    assert "nvidia-a100-80/9" in stock(a100(2), unhealthy=("nvidia-a100-80/9",)).problems[0]


def test_references_may_stand_in_one_line_or_in_many() -> None:
    assert read_unhealthy("a/0, b/1\nc/2\n") == {"a/0", "b/1", "c/2"}
    assert read_unhealthy(None) == frozenset()


@pytest.mark.parametrize("speed", [0, -1, 1e12, "fast", True], ids=str)
def test_a_speed_that_cannot_be_is_a_problem(speed: object) -> None:
    found = stock({**a100(), "gigaflops": speed})
    assert found.devices == ()
    assert "not a number above 0 and at most 1,000,000" in found.problems[0]


def test_devices_know_their_speed() -> None:
    found = stock({**a100(1), "gigaflops": 0.25}, {"type": "graphcore-c600", "count": 1})
    assert [device.gigaflops for device in found.devices] == [0.25, None]

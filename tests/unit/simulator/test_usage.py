"""Arithmetic of utilization, memory and power."""

from typing import Any

import pytest

from device_simulator.usage import Limits, Sample, memory_share, node_limits, pod_limits, power, quantity, utilization

NODE = Limits(cores=2, memory_bytes=8 * 2**30)


def at(second: float, cpu: float, memory: float | None = None) -> Sample:
    return Sample(second, cpu, memory)


@pytest.mark.parametrize(
    ("before", "now", "cores", "want"),
    [
        pytest.param(at(0, 10), at(2, 11), 0.5, 1.0, id="half a core of a limit of half a core is all of it"),
        pytest.param(at(0, 10), at(2, 11), 2, 0.25, id="half a core of two cores is a quarter"),
        pytest.param(at(0, 10), at(2, 10), 2, 0.0, id="nothing burnt is known to be zero"),
        pytest.param(at(0, 10), at(2, 13), 0.5, 1.0, id="a burst beyond the limit is all of it"),
        pytest.param(None, at(2, 11), 1, None, id="one sample says nothing"),
        pytest.param(at(0, 10), at(2, 1), 1, None, id="a counter that went back belongs to a new cgroup"),
        pytest.param(at(2, 10), at(2, 11), 1, None, id="no time between the samples"),
        pytest.param(at(0, 10), at(2, 11), 0, None, id="a node without cores is a broken node"),
    ],
)
def test_utilization(before: Sample | None, now: Sample, cores: float, want: float | None) -> None:
    assert utilization(before, now, cores=cores) == want


@pytest.mark.parametrize(
    ("used", "limit", "want"),
    [
        pytest.param(2**30, 4 * 2**30, 0.25, id="a quarter of the limit"),
        pytest.param(5 * 2**30, 4 * 2**30, 1.0, id="never more than the device has"),
        pytest.param(None, 4 * 2**30, None, id="no memory controller"),
        pytest.param(2**30, 0, None, id="no limit known"),
    ],
)
def test_memory_share(used: float | None, limit: float, want: float | None) -> None:
    assert memory_share(at(0, 0, used), limit=limit) == want


@pytest.mark.parametrize(
    ("watts", "busy", "want"),
    [(400, 0.0, 60.0), (400, 1.0, 400.0), (400, 0.5, 230.0), (None, 0.5, None), (400, None, None)],
)
def test_power_rises_from_idle_to_rated(watts: float | None, busy: float | None, want: float | None) -> None:
    assert power(watts, busy) == (None if want is None else pytest.approx(want))


def container(cpu: str | None = None, memory: str | None = None, **more: Any) -> dict[str, Any]:
    limits = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"resources": {"limits": limits}, **more}


@pytest.mark.parametrize(
    ("spec", "cores", "gib"),
    [
        pytest.param({"containers": [container("500m", "1Gi")]}, 0.5, 1, id="one container"),
        pytest.param({"containers": [container("1", "1Gi"), container("250m", "1Gi")]}, 1.25, 2, id="sum of two"),
        pytest.param({"containers": [container("1", "1Gi"), container()]}, 2, 8, id="one has none: the node's"),
        pytest.param({"containers": [container(None, "1Gi")]}, 2, 1, id="each resource for itself"),
        pytest.param({"containers": [{}]}, 2, 8, id="no resources at all"),
        pytest.param(
            {"containers": [container("1", "1Gi")], "initContainers": [container("1", "1Gi", restartPolicy="Always")]},
            2, 2, id="a sidecar runs along",
        ),
        pytest.param(
            {"containers": [container("1", "1Gi")], "initContainers": [container("1", "1Gi")]},
            1, 1, id="an init container is over by then",
        ),
        pytest.param(
            {"resources": {"limits": {"cpu": "1500m"}}, "containers": [container("1", "1Gi")]},
            1.5, 1, id="the pod's own limit wins",
        ),
    ],
)  # fmt: skip
def test_pod_limits_are_what_the_kubelet_enforces(spec: dict[str, Any], cores: float, gib: float) -> None:
    assert pod_limits(spec, node=NODE) == Limits(cores=cores, memory_bytes=gib * 2**30)


@pytest.mark.parametrize(
    ("text", "want"), [("2", 2), ("500m", 0.5), ("1.5", 1.5), ("16Gi", 2**34), ("1e3", 1000), ("3k", 3000), (4, 4)]
)
def test_quantities(text: str | int, want: float) -> None:
    assert quantity(text) == want


def test_a_wrong_quantity_is_named() -> None:
    with pytest.raises(ValueError, match="'much'"):
        quantity("much")


def test_a_node_is_measured_by_its_capacity() -> None:
    assert node_limits({"cpu": "2", "memory": "8388608Ki", "nvidia.com/gpu": "4"}) == NODE

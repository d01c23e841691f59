"""Quantities and what pods ask for, as the scheduler counts it."""

from __future__ import annotations

from typing import Any

import pytest
from tables import table

from hostler.planning import quantities
from hostler.planning.amounts import Amount, pod_requests

GPU = "nvidia.com/gpu"


@table(
    ("text", "want"),
    {
        "half a core": ("500m", 500),
        "two cores": ("2", 2000),
        "a bare number": (2, 2000),
        "less than a thousandth rounds up": ("100u", 1),
        "an exponent": ("1e1", 10_000),
    },
)
def test_cpu_is_counted_in_thousandths(text: str | int, want: int) -> None:
    assert quantities.millicores(text) == want


@table(
    ("text", "want"),
    {
        "binary": ("2Gi", 2 * 2**30),
        "decimal": ("2G", 2 * 10**9),
        "bytes": ("128", 128),
        "thousandths, as kubelets sometimes write": ("1500m", 1),
    },
)
def test_memory_is_counted_in_bytes(text: str, want: int) -> None:
    assert quantities.whole(text) == want


@pytest.mark.parametrize("text", ["", "two", "1Gb", "--1"])
def test_what_is_no_quantity_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantities.parse(text)


@table(
    ("count", "want"),
    {"whole": (2 * 2**30, "2Gi"), "a fraction": (3 * 2**29, "1.5Gi"), "small": (512, "512")},
)
def test_bytes_are_shown_in_the_unit_that_people_use(count: int, want: str) -> None:
    assert quantities.show_bytes(count) == want


def container(**requests: str) -> dict[str, Any]:
    return {"resources": {"requests": {name.replace("gpu", GPU): value for name, value in requests.items()}}}


@table(
    ("spec", "want"),
    {
        "containers add up": (
            {"containers": [container(cpu="1", gpu="1"), container(cpu="500m", memory="1Gi")]},
            Amount(devices=1, milli_cpu=1500, memory=2**30),
        ),
        "a limit alone is the request": (
            {"containers": [{"resources": {"limits": {GPU: "2", "memory": "1Gi"}}}]},
            Amount(devices=2, memory=2**30),
        ),
        "the largest init step counts, not their sum": (
            {
                "initContainers": [container(cpu="3"), container(cpu="2", gpu="1")],
                "containers": [container(cpu="1")],
            },
            Amount(devices=1, milli_cpu=3000),
        ),
        "a sidecar runs beside everything after it": (
            {
                "initContainers": [container(cpu="1") | {"restartPolicy": "Always"}, container(cpu="3")],
                "containers": [container(cpu="2")],
            },
            Amount(milli_cpu=4000),
        ),
        "the runtime's overhead is added": (
            {"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}},
            Amount(milli_cpu=1250),
        ),
        "a pod that asks for nothing": ({"containers": [{}]}, Amount()),
    },
)
def test_what_a_pod_asks_for(spec: dict[str, Any], want: Amount) -> None:
    assert pod_requests(spec, resource=GPU) == want


@table(
    ("have", "need", "want"),
    {
        "devices limit": (Amount(devices=5, milli_cpu=9000), Amount(devices=2, milli_cpu=1000), 2),
        "CPU limits": (Amount(devices=5, milli_cpu=1500), Amount(devices=1, milli_cpu=1000), 1),
        "what is not needed does not limit": (Amount(milli_cpu=2000), Amount(milli_cpu=1000), 2),
        "less than nothing is nothing": (Amount(devices=-1), Amount(devices=1), 0),
        "who needs nothing is no reason to count": (Amount(devices=1), Amount(), 0),
    },
)
def test_how_often_a_need_fits(have: Amount, need: Amount, want: int) -> None:
    assert have.holds(need) == want

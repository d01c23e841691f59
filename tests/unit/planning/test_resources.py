"""Quantities and what pods ask for, as the scheduler counts it."""

from __future__ import annotations

from typing import Any

import pytest
from tables import table

from hostler.planning import quantities
from hostler.planning.resources import Resources, add, holds, largest, of_pod, offered, overdrawn, subtract

GPU = "nvidia.com/gpu"
GIB = 2**30
Object = dict[str, Any]


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


def container(name: str = "c", **requests: str) -> Object:
    return {
        "name": name,
        "resources": {"requests": {key.replace("gpu", GPU): value for key, value in requests.items()}},
    }


def status(name: str, **allocated: str) -> Object:
    return {"name": name, "allocatedResources": allocated}


@table(
    ("pod", "want"),
    {
        "containers add up": (
            {"spec": {"containers": [container(cpu="1", gpu="1"), container(cpu="500m", memory="1Gi")]}},
            {GPU: 1, "cpu": 1500, "memory": GIB},
        ),
        "a limit alone is the request": (
            {"spec": {"containers": [{"resources": {"limits": {GPU: "2", "memory": "1Gi"}}}]}},
            {GPU: 2, "memory": GIB},
        ),
        "resources that no pool knows count too": (
            {"spec": {"containers": [container(**{"ephemeral-storage": "2Gi", "hugepages-2Mi": "4Mi"})]}},
            {"ephemeral-storage": 2 * GIB, "hugepages-2Mi": 4 * 2**20},
        ),
        "the largest init step counts, not their sum": (
            {
                "spec": {
                    "initContainers": [container(cpu="3"), container(cpu="2", gpu="1")],
                    "containers": [container(cpu="1")],
                }
            },
            {GPU: 1, "cpu": 3000},
        ),
        "a sidecar runs beside everything after it": (
            {
                "spec": {
                    "initContainers": [container(cpu="1") | {"restartPolicy": "Always"}, container(cpu="3")],
                    "containers": [container(cpu="2")],
                }
            },
            {"cpu": 4000},
        ),
        "the runtime's overhead is added": (
            {"spec": {"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}}},
            {"cpu": 1250},
        ),
        "requests of the pod as a whole replace those of its containers": (
            {"spec": {"containers": [container(cpu="1", gpu="1")], "resources": {"requests": {"cpu": "6"}}}},
            {"cpu": 6000, GPU: 1},
        ),
        "a limit of the pod as a whole is its request": (
            {"spec": {"containers": [container()], "resources": {"limits": {"memory": "4Gi"}}}},
            {"memory": 4 * GIB},
        ),
        "the pod as a whole knows no devices": (
            {"spec": {"containers": [container(gpu="1")], "resources": {"requests": {GPU: "5"}}}},
            {GPU: 1},
        ),
        "a pod that shrinks counts with what it still has": (
            {
                "spec": {"containers": [container("main", cpu="1")]},
                "status": {"containerStatuses": [status("main", cpu="4")]},
            },
            {"cpu": 4000},
        ),
        "a pod that grows counts with what it will have": (
            {
                "spec": {"containers": [container("main", cpu="4")]},
                "status": {"containerStatuses": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}]},
            },
            {"cpu": 4000},
        ),
        "a port of the node is a resource of which there is one": (
            {"spec": {"containers": [{"ports": [{"containerPort": 1, "hostPort": 8080}, {"containerPort": 2}]}]}},
            {"hostPort/8080": 1},
        ),
        "a pod that asks for nothing is a pod": ({"spec": {"containers": [{}]}}, {}),
    },
)
def test_what_a_pod_counts_with(pod: Object, want: Resources) -> None:
    assert of_pod(pod) == want | {"pods": 1}


@table(
    ("free", "need", "want"),
    {
        "devices limit": ({GPU: 5, "cpu": 9000}, {GPU: 2, "cpu": 1000}, 2),
        "CPU limits": ({GPU: 5, "cpu": 1500}, {GPU: 1, "cpu": 1000}, 1),
        "the number of pods limits": ({"cpu": 9000, "pods": 2}, {"cpu": 1000, "pods": 1}, 2),
        "a node that does not know a resource has none of it": ({"cpu": 9000}, {"cpu": 1, "ephemeral-storage": 1}, 0),
        "what is not needed does not limit": ({"cpu": 2000}, {"cpu": 1000}, 2),
        "less than nothing is nothing": ({GPU: -1}, {GPU: 1}, 0),
        "a port fits once": ({"cpu": 9000}, {"cpu": 1000, "hostPort/8080": 1}, 1),
        "a port that is taken fits never": ({"cpu": 9000, "hostPort/8080": -1}, {"cpu": 1000, "hostPort/8080": 1}, 0),
        "who needs nothing is no reason to count": ({GPU: 1}, {}, 0),
    },
)
def test_how_often_a_need_fits(free: Resources, need: Resources, want: int) -> None:
    assert holds(free, need) == want


def test_amounts_add_and_subtract_name_by_name() -> None:
    assert add({"cpu": 1}, {"cpu": 2, GPU: 1}) == {"cpu": 3, GPU: 1}
    assert subtract({"cpu": 1}, {"cpu": 2, GPU: 1}) == {"cpu": -1, GPU: -1}
    assert largest({"cpu": 1, GPU: 4}, {"cpu": 2}) == {"cpu": 2, GPU: 4}
    assert offered({"cpu": "1500m", "pods": "110"}) == {"cpu": 1500, "pods": 110}


@table(
    ("free", "want"),
    {
        "something is missing": ({"cpu": 0, GPU: -1}, "overdrawn"),
        "nothing is left": ({"cpu": 0, GPU: 0}, "sound"),
        "a port is held": ({"cpu": 0, "hostPort/8080": -1}, "sound"),
    },
)
def test_a_node_is_overdrawn_where_more_was_taken_than_there_is(free: Resources, want: str) -> None:
    assert ("overdrawn" if overdrawn(free) else "sound") == want

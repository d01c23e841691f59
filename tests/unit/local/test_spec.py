"""The node description: what is accepted, and errors that name the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tables import table

from hostler.local.errors import ConfigError
from hostler.local.spec import SIMULATED_ANNOTATION, check_types, default_spec, load_spec, parse_quantity, parse_spec

NODE: dict[str, Any] = {"name": "gpu-0"}


def test_default_is_a_system_a_gpu_and_an_ipu_node() -> None:
    spec = default_spec()
    assert [node.name for node in spec.nodes] == ["system-0", "gpu-0", "ipu-0"]
    assert [node.all_labels().get("hostler.dev/pool") for node in spec.nodes] == [None, "gpu", "ipu"]
    wanted = [json.loads(node.annotations().get(SIMULATED_ANNOTATION, "[]")) for node in spec.nodes]
    assert wanted == [
        [],
        [{"type": "nvidia-a100-80", "count": 4}],
        [{"type": "graphcore-c600", "count": 4}],
    ]


def test_only_nodes_with_devices_are_marked_as_simulated() -> None:
    marks = [node.all_labels().get("hostler.dev/simulated") for node in default_spec().nodes]
    assert marks == [None, "true", "true"]


@table(
    ("document", "want"),
    {
        "no nodes": ({"nodes": []}, r"nodes\.yaml: nodes: .*at least 1"),
        "nodes forgotten": ({}, r"nodes\.yaml: nodes: Field required"),
        "a field that does not exist": ({"nodes": [{**NODE, "gpus": 4}]}, r"nodes\[0\]\.gpus: Extra inputs"),
        "a name that is no label": ({"nodes": [{"name": "GPU_0"}]}, r"nodes\[0\]\.name"),
        "the same name twice": ({"nodes": [NODE, NODE]}, r"two nodes are named 'gpu-0'"),
        "no accelerator": (
            {"nodes": [{**NODE, "accelerators": [{"type": "a100", "count": 0}]}]},
            r"nodes\[0\]\.accelerators\[0\]\.count: .*greater than or equal to 1",
        ),
        "an effect that Kubernetes does not know": (
            {"nodes": [{**NODE, "taints": [{"key": "x", "effect": "Never"}]}]},
            r"nodes\[0\]\.taints\[0\]\.effect",
        ),
        "memory that is no quantity": (
            {"nodes": [{**NODE, "memory": "lots"}]},
            r"nodes\[0\]\.memory: .*not a quantity",
        ),
        "no cpu": ({"nodes": [{**NODE, "cpu": 0}]}, r"nodes\[0\]\.cpu: must be more than zero"),
        "too many": ({"nodes": [{"name": f"n{i}"} for i in range(31)]}, r"nodes: .*at most 30"),
        "a list": ([NODE], r"holds no mapping: start it with `nodes:`"),
    },
)
def test_errors_name_the_field(document: object, want: str) -> None:
    with pytest.raises(ConfigError, match=want):
        parse_spec(document, source="nodes.yaml")


def test_a_complete_node_is_read(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(
        """
nodes:
  - name: tpu-0
    pool: tpu
    accelerators: [{type: google-tpu-v5e, count: 8}]
    labels: {example.com/rack: r1}
    taints: [{key: google.com/tpu, value: present, effect: NoSchedule}]
    cpu: 1500m
    memory: 4Gi
"""
    )
    node = load_spec(file).nodes[0]
    assert node.all_labels() == {
        "example.com/rack": "r1",
        "hostler.dev/pool": "tpu",
        "hostler.dev/simulated": "true",
    }
    assert (node.cpu, node.memory) == ("1500m", "4Gi")


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*gone\.yaml \(No such file"):
        load_spec(tmp_path / "gone.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("nodes: [")
    with pytest.raises(ConfigError, match=r"broken\.yaml is not YAML"):
        load_spec(broken)


@pytest.mark.parametrize(("text", "want"), [("2", 2), ("500m", 0.5), ("1Gi", 2**30), ("1.5G", 1.5e9)])
def test_quantities(text: str, want: float) -> None:
    assert parse_quantity(text) == want


def test_a_type_that_the_registry_does_not_have_is_answered_with_near_ones(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text("nodes: [{name: a}, {name: b, accelerators: [{type: nvidia-a100, count: 1}]}]")
    with pytest.raises(
        ConfigError, match=r"nodes\[1\]\.accelerators\[0\]\.type: unknown .* did you mean .*nvidia-a100-80"
    ):
        load_spec(file)


def test_the_default_asks_for_types_that_exist() -> None:
    check_types(default_spec(), source="default")

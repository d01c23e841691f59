"""What a case of an id form is, and those of NVIDIA's GPUs, whose plugins have most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from hostler.kubelet.podresources import Holder

ANN, BOB, CAT = (
    Holder("team", f"{name}-0", role) for name, role in (("ann", "trainer"), ("bob", "server"), ("cat", "trainer"))
)
SERVER = Holder("team", "s-1", "server")
GPU, MIG = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
UUID = "GPU-0a1b2c3d-1111-2222-3333-444455556666"


@dataclass(frozen=True)
class Case:
    """A node: what its exporter prints, what its kubelet knows, and what must come out."""

    text: str
    healthy: Mapping[str, Sequence[str]]
    held: Mapping[tuple[str, str], Holder]
    want: Mapping[str, tuple[float | None, Mapping[Holder, float]]]
    """Utilization and shares by holder, by device."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Where they are not 1."""
    unmatched: float = 0
    replace: Mapping[str, str] = field(default_factory=dict)
    """Changes to the text."""


def shared(form: str, count: int) -> list[str]:
    return [form.format(n) for n in range(count)]


NVIDIA = [
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]},
            held={(GPU, "GPU-11111111-aaaa"): ANN},
            want={"GPU-11111111-aaaa": (0.83, {ANN: 1}), "GPU-22222222-bbbb": (0.07, {})},
        ),
        id="NVIDIA whole, by UUID",
    ),
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: ["0", "1"]},
            held={(GPU, "1"): ANN},
            want={"0": (0.83, {}), "1": (0.07, {ANN: 1})},
        ),
        id="NVIDIA whole, by index (deviceIDStrategy: index)",
    ),
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: ["nvidia0", "nvidia1"]},
            held={(GPU, "nvidia0"): ANN},
            want={"nvidia0": (0.83, {ANN: 1}), "nvidia1": (0.07, {})},
        ),
        id="GKE whole, by device node",
    ),
    pytest.param(
        Case(
            text="dcgm-sharing",
            healthy={GPU: shared("GPU-11111111-aaaa::{}", 4)},
            held={
                (GPU, "GPU-11111111-aaaa::0"): ANN,
                (GPU, "GPU-11111111-aaaa::1"): ANN,
                (GPU, "GPU-11111111-aaaa::3"): BOB,
            },
            want={"GPU-11111111-aaaa": (0.83, {ANN: 2, BOB: 1})},
            shares={"GPU-11111111-aaaa": 4},
        ),
        id="NVIDIA time-slicing and MPS: one device, one utilization, shares by container",
    ),
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={"nvidia.com/gpu.shared": shared("GPU-11111111-aaaa::{}", 2), GPU: ["GPU-22222222-bbbb"]},
            held={("nvidia.com/gpu.shared", "GPU-11111111-aaaa::1"): BOB, (GPU, "GPU-22222222-bbbb"): ANN},
            want={"GPU-11111111-aaaa": (0.83, {BOB: 1}), "GPU-22222222-bbbb": (0.07, {ANN: 1})},
            shares={"GPU-11111111-aaaa": 2},
        ),
        id="NVIDIA time-slicing under a name of its own beside a whole GPU: one text, two resources, nothing twice",
    ),
    pytest.param(
        Case(
            text="dcgm-sharing",
            healthy={GPU: shared("nvidia0/vgpu{}", 2)},
            held={(GPU, "nvidia0/vgpu0"): ANN, (GPU, "nvidia0/vgpu1"): BOB},
            want={"nvidia0": (0.83, {ANN: 1, BOB: 1})},
            shares={"nvidia0": 2},
        ),
        id="GKE time-sharing and MPS",
    ),
    pytest.param(
        Case(
            text="dcgm-mixed",
            healthy={GPU: ["nvidia0/gi7", "nvidia0/gi8", "nvidia0/gi2", "nvidia1"]},
            held={(GPU, "nvidia0/gi7"): ANN, (GPU, "nvidia0/gi2"): BOB, (GPU, "nvidia1"): CAT},
            want={
                "nvidia0": (None, {}),
                "nvidia0/7": (0.25, {ANN: 1}),
                "nvidia0/8": (0, {}),
                "nvidia0/2": (0.75, {BOB: 1}),
                "nvidia1": (0.5, {CAT: 1}),
            },
        ),
        id="GKE MIG: slices beside their card, which has the power",
    ),
    pytest.param(
        Case(
            text="dcgm-mixed",
            healthy={GPU: [*shared("nvidia0/gi7/vgpu{}", 2), "nvidia0/gi8/vgpu0", "nvidia0/gi2/vgpu0", "nvidia1"]},
            held={(GPU, "nvidia0/gi7/vgpu0"): ANN, (GPU, "nvidia0/gi7/vgpu1"): BOB},
            want={
                "nvidia0": (None, {}),
                "nvidia0/7": (0.25, {ANN: 1, BOB: 1}),
                "nvidia0/8": (0, {}),
                "nvidia0/2": (0.75, {}),
                "nvidia1": (0.5, {}),
            },
            shares={"nvidia0/7": 2},
        ),
        id="GKE MIG with time-sharing: shares of a slice",
    ),
    pytest.param(
        Case(
            text="dcgm-mixed",
            healthy={MIG: ["MIG-1111", "MIG-2222"], "nvidia.com/mig-3g.40gb": ["MIG-3333"], GPU: ["GPU-bbbb"]},
            held={(MIG, "MIG-2222"): ANN, ("nvidia.com/mig-3g.40gb", "MIG-3333"): BOB, (GPU, "GPU-bbbb"): CAT},
            want={
                "GPU-aaaa": (None, {}),
                "GPU-aaaa/7": (0.25, {ANN: 1}),
                "GPU-aaaa/8": (0, {}),
                "GPU-aaaa/2": (0.75, {BOB: 1}),
                "GPU-bbbb": (0.5, {CAT: 1}),
            },
        ),
        id="NVIDIA MIG, mixed strategy: three resources, one text; slices paired by their pods",
    ),
    pytest.param(
        Case(
            text="dcgm-mixed",
            healthy={GPU: ["0:0", "0:1", "0:2", "1"]},
            held={(GPU, "0:0"): ANN, (GPU, "0:2"): BOB, (GPU, "1"): CAT},
            want={
                "GPU-aaaa": (None, {}),
                "GPU-aaaa/7": (0.25, {ANN: 1}),
                "GPU-aaaa/8": (0, {}),
                "GPU-aaaa/2": (0.75, {BOB: 1}),
                "1": (0.5, {CAT: 1}),
            },
        ),
        id="NVIDIA MIG, single strategy, by index: the second number is no instance id",
    ),
    pytest.param(
        Case(
            text="dcgm-mixed",
            healthy={MIG: ["MIG-GPU-aaaa/7/0", "MIG-GPU-aaaa/8/0", "MIG-GPU-aaaa/2/0"]},
            held={(MIG, "MIG-GPU-aaaa/8/0"): CAT},
            want={
                "GPU-aaaa": (None, {}),
                "GPU-aaaa/7": (0.25, {}),
                "GPU-aaaa/8": (0, {CAT: 1}),
                "GPU-aaaa/2": (0.75, {}),
                "GPU-bbbb": (0.5, {}),
            },
        ),
        id="NVIDIA MIG with old drivers; what the exporter says of pods that hold nothing any more does not count",
    ),
    pytest.param(
        Case(
            text="dcgm-mig",
            healthy={"nvidia.com/mig-1g.10gb.shared": [*shared("MIG-1111::{}", 2), *shared("MIG-2222::{}", 2)]},
            held={
                ("nvidia.com/mig-1g.10gb.shared", "MIG-2222::0"): SERVER,
                ("nvidia.com/mig-1g.10gb.shared", "MIG-2222::1"): BOB,
            },
            want={
                "GPU-aaaa": (None, {}),
                "GPU-aaaa/7": (0.995687, {SERVER: 1, BOB: 1}),
                "GPU-aaaa/8": (0, {}),
            },
            shares={"GPU-aaaa/7": 2, "GPU-aaaa/8": 2},
        ),
        id="NVIDIA MIG with time-slicing, where the exporter names one pod of two",
    ),
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: shared(UUID + "-{}", 10)},
            held={(GPU, f"{UUID}-3"): ANN, (GPU, f"{UUID}-4"): BOB},
            want={UUID: (0.83, {ANN: 1, BOB: 1}), "GPU-22222222-bbbb": (0.07, {})},
            shares={UUID: 10},
            replace={"GPU-11111111-aaaa": UUID},
        ),
        id="HAMi; a GPU that is kept from the plugin stands beside",
    ),
]

UNKNOWN = [
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: ["acme-a", "acme-b"]},
            held={(GPU, "acme-a"): ANN},
            want={"GPU-11111111-aaaa": (0.83, {}), "GPU-22222222-bbbb": (0.07, {})},
            unmatched=2,
        ),
        id="a form that nobody knows: measured without a pod, never with a wrong one",
    ),
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: ["acme-a", "acme-b", "acme-c"]},
            held={(GPU, "acme-a"): ANN, (GPU, "acme-c"): BOB},
            want={"GPU-11111111-aaaa": (0.83, {}), "GPU-22222222-bbbb": (0.07, {}), "acme-c": (None, {BOB: 1})},
            unmatched=3,
        ),
        id="one device more than the exporter names: as many in all as the kubelet has",
    ),
    pytest.param(
        Case(
            text="dcgm-plain",
            healthy={GPU: ["acme-a", "GPU-22222222-bbbb"]},
            held={(GPU, "acme-a"): ANN},
            want={"GPU-11111111-aaaa": (0.83, {}), "GPU-22222222-bbbb": (0.07, {})},
            unmatched=1,
        ),
        id="the last that is left is not taken for the last that is left",
    ),
]

"""Id forms of every other vendor's plugin."""

from __future__ import annotations

import pytest
from unit.exporter.forms import ANN, BOB, CAT, Case, shared

from hostler.kubelet.podresources import Holder

AMD = "amd.com/gpu"
NEURON, CORE = "aws.amazon.com/neuron", "aws.amazon.com/neuroncore"
FURIOSA = "A76AAD68-6855-40B1-9E86-D080852D1C80"

OTHERS = [
    pytest.param(
        Case(
            text="amd-cpx",
            healthy={"amd.com/cpx_nps4": ["0000:0c:00.0", "amdgpu_xcp_1", "amdgpu_xcp_2"]},
            held={("amd.com/cpx_nps4", "amdgpu_xcp_1"): ANN, ("amd.com/cpx_nps4", "0000:0c:00.0"): BOB},
            want={"0": (0.9, {ANN: 1}), "1": (0, {}), "2": (0.4, {BOB: 1})},
        ),
        id="AMD partitions: two kinds of names on either side, paired by their pods",
    ),
    pytest.param(
        Case(
            text="amd",
            healthy={AMD: [*shared("0000:0c:00.0-slice-{}", 2), *shared("0000:22:00.0-slice-{}", 2)]},
            held={(AMD, "0000:22:00.0-slice-0"): Holder("team", "s-7d9", "server"), (AMD, "0000:22:00.0-slice-1"): BOB},
            want={"0": (0.42, {Holder("team", "s-7d9", "server"): 1, BOB: 1}), "1": (None, {})},
            shares={"0": 2, "1": 2},
        ),
        id="AMD time-slicing, where the exporter names one pod of two",
    ),
    pytest.param(
        Case(
            text="xpum",
            healthy={"gpu.intel.com/i915": shared("card0-{}", 3)},
            held={("gpu.intel.com/i915", "card0-1"): ANN, ("gpu.intel.com/i915", "card0-2"): BOB},
            want={"card0": (0.6, {ANN: 1, BOB: 1})},
            shares={"card0": 3},
        ),
        id="Intel i915: the number is a share, tiles are added up into the card",
    ),
    pytest.param(
        Case(
            text="xpum",
            healthy={"gpu.intel.com/xe": ["card0-0"], "gpu.intel.com/xe_monitoring": ["all"]},
            held={("gpu.intel.com/xe", "card0-0"): ANN, ("gpu.intel.com/xe_monitoring", "all"): BOB},
            want={"card0": (0.6, {ANN: 1})},
        ),
        id="Intel xe: who watches all cards holds none",
    ),
    pytest.param(
        Case(
            text="gaudi",
            healthy={"habana.ai/gaudi": ["AN12345678", "AN12345679"]},
            held={("habana.ai/gaudi", "AN12345678"): ANN},
            want={"AN12345678": (0.63, {ANN: 1}), "AN12345679": (0, {})},
        ),
        id="Gaudi, by serial number",
    ),
    pytest.param(
        Case(
            text="neuron",
            healthy={NEURON: ["0", "1"], CORE: ["0", "1", "2", "3"], "aws.amazon.com/neurondevice": ["0", "1"]},
            held={(NEURON, "1"): ANN},
            want={"0": (None, {}), "1": (0.6, {ANN: 2})},
            shares={"0": 2, "1": 2},
        ),
        id="Neuron: three resources are the same devices; who holds a device holds its cores",
    ),
    pytest.param(
        Case(
            text="neuron",
            healthy={NEURON: ["0", "1"], CORE: ["0", "1", "2", "3"]},
            held={(CORE, "2"): ANN, (CORE, "3"): BOB},
            want={"0": (None, {}), "1": (0.6, {ANN: 1, BOB: 1})},
            shares={"0": 2, "1": 2},
        ),
        id="Neuron by core: core 2 is half of device 1, not device 2",
    ),
    pytest.param(
        Case(
            text="neuron",
            healthy={CORE: ["0", "1", "2", "3"]},
            held={(CORE, "2"): ANN},
            want={"0": (None, {}), "1": (0.6, {ANN: 1})},
            shares={"0": 2, "1": 2},
        ),
        id="Neuron by core only: the exporter says how many make a device",
    ),
    pytest.param(
        Case(
            text="neuron",
            healthy={CORE: ["2"]},
            held={(CORE, "2"): ANN},
            want={"neuroncore-2": (None, {ANN: 1})},
            replace={"neuroncore_per_device_count": "nothing"},
        ),
        id="Neuron by core, and nobody says how many make a device: no device's number",
    ),
    pytest.param(
        Case(
            text="gke-tpu",
            healthy={"google.com/tpu": ["0", "1"]},
            held={("google.com/tpu", "1"): Holder("team", "j-0-0", "worker")},
            want={
                "1234567890123456789-0": (0.42, {Holder("team", "j-0-0", "worker"): 1}),
                "1234567890123456789-1": (0, {}),
            },
        ),
        id="TPU: the exporter's ids carry the machine's, so pods decide",
    ),
    pytest.param(
        Case(
            text="ascend-vnpu",
            healthy={
                "huawei.com/Ascend310P-2c": ["Ascend310P-2c-100-0", "Ascend310P-2c-101-0"],
                "huawei.com/Ascend310P": ["Ascend310P-1"],
            },
            held={
                ("huawei.com/Ascend310P-2c", "Ascend310P-2c-100-0"): ANN,
                ("huawei.com/Ascend310P", "Ascend310P-1"): CAT,
            },
            want={
                "Ascend310P-0": (None, {}),
                "Ascend310P-0/100": (0.8, {ANN: 1}),
                "Ascend310P-0/101": (None, {}),
                "Ascend310P-1": (0.2, {CAT: 1}),
            },
        ),
        id="Ascend: virtual NPUs beside their chip, whose figures would count them twice; an idle one is not measured",
    ),
    pytest.param(
        Case(
            text="ascend",
            healthy={"huawei.com/Ascend910": ["Ascend910-0", "Ascend910-1"]},
            held={("huawei.com/Ascend910", "Ascend910-0"): ANN},
            want={"Ascend910-0": (0.95, {ANN: 1}), "Ascend910-1": (None, {})},
        ),
        id="Ascend whole",
    ),
    pytest.param(
        Case(
            text="ascend-vnpu",
            healthy={"huawei.com/Ascend310P": [*shared("Ascend310P-1-{}", 2), *shared("Ascend310P-0-{}", 2)]},
            held={("huawei.com/Ascend310P", "Ascend310P-1-0"): ANN, ("huawei.com/Ascend310P", "Ascend310P-1-1"): BOB},
            want={"Ascend310P-0": (0.6, {}), "Ascend310P-1": (0.2, {ANN: 1, BOB: 1})},
            shares={"Ascend310P-0": 2, "Ascend310P-1": 2},
            replace={"vnpu_pod": "other"},
        ),
        id="Ascend shared chips",
    ),
    pytest.param(
        Case(
            text="furiosa-partitions",
            healthy={"furiosa.ai/rngd-4core.24gb": [f"{FURIOSA}_cores_0-3", f"{FURIOSA}_cores_4-7"]},
            held={
                ("furiosa.ai/rngd-4core.24gb", f"{FURIOSA}_cores_0-3"): ANN,
                ("furiosa.ai/rngd-4core.24gb", f"{FURIOSA}_cores_4-7"): BOB,
            },
            want={FURIOSA: (0.75, {ANN: 1, BOB: 1})},
            shares={FURIOSA: 2},
        ),
        id="Furiosa partitions: shares of a card whose figures are printed for each pod",
    ),
    pytest.param(
        Case(
            text="gcipuinfo",
            healthy={"c600.graphcore.ai/ipu": ["0", "1"]},
            held={("c600.graphcore.ai/ipu", "1"): ANN},
            want={"0": (0.375, {}), "1": (0, {ANN: 1})},
        ),
        id="Graphcore C600, by number",
    ),
]

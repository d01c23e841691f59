"""The data files: all of them load, none of them says anything absurd, and the figures that are easy to get wrong."""

from __future__ import annotations

import re

import pytest

from hostler.accelerators import (
    AcceleratorType,
    ResourceNameError,
    UnknownAcceleratorError,
    accelerator,
    accelerators,
    types_of_resource,
)
from hostler.accelerators.mapping import DeviceIdForm, Source
from hostler.accelerators.registry import exporters, parse_type

FROZEN = {
    "amd-alveo-v70", "amd-mi250x", "amd-mi300x", "aws-inferentia2", "aws-trainium1", "aws-trainium2", "cpu",
    "furiosa-rngd", "google-tpu-v4", "google-tpu-v5e", "google-tpu-v5p", "google-tpu-v6e", "graphcore-c600",
    "huawei-ascend910", "intel-gaudi2", "intel-gaudi3", "nvidia-a10", "nvidia-a100-40", "nvidia-a100-80",
    "nvidia-b200", "nvidia-h100-nvl", "nvidia-h100-pcie", "nvidia-h100-sxm", "nvidia-h200", "nvidia-l4",
    "nvidia-l40s", "nvidia-rtx-4090", "nvidia-t4", "nvidia-v100", "qualcomm-aic100-pro", "qualcomm-aic100-std",
    "qualcomm-aic100-ultra",
}  # fmt: skip

MINIMAL = {
    "id": "acme-one",
    "vendor": "Acme",
    "model": "One",
    "kind": "npu",
    "contract": "scalar",
    "resourceName": "acme.com/one",
    "unit": "one card",
    "variant": "cpu",
    "confidence": "recalled",
    "specSource": "none",
}


def chain(source: Source | None) -> list[Source]:
    """A source and those that are tried after it."""
    found = []
    while source is not None:
        found.append(source)
        source = source.otherwise
    return found


def test_no_type_that_users_may_name_has_gone() -> None:
    """Pools name these ids, so dropping one breaks somebody's pool."""
    assert set(accelerators()) >= FROZEN


def test_a_new_type_is_one_file() -> None:
    """Nothing but the file itself: no list, no import, no code."""
    assert parse_type("acme-one", MINIMAL).resource_for(None) == "acme.com/one"


@pytest.mark.parametrize(
    ("name", "memory", "bf16", "fp16", "watts"),
    [
        pytest.param("amd-mi250x", 64, 191.5, 191.5, 280, id="a GCD is half of an MI250X module"),
        pytest.param("qualcomm-aic100-ultra", 32, None, 72.5, 37.5, id="a SoC is a quarter of an Ultra card"),
        pytest.param("graphcore-c600", 0.84, None, 140, 185, id="IPU memory is its SRAM"),
        pytest.param("aws-trainium2", 96, 667, 667, None, id="a Neuron device is a chip, not a core"),
        pytest.param("google-tpu-v5e", 16, 197, None, None, id="a TPU unit is a chip, not a slice"),
        pytest.param("nvidia-h100-sxm", 80, 989.4, 989.4, 700, id="dense, not the doubled figure with sparsity"),
        pytest.param("nvidia-t4", 16, None, 65, 70, id="no bfloat16 means absent, not zero"),
        pytest.param("huawei-ascend910", None, None, None, None, id="a family of several dies has no figures"),
    ],
)
def test_facts_are_per_advertised_unit(
    name: str, memory: float | None, bf16: float | None, fp16: float | None, watts: float | None
) -> None:
    kind = accelerator(name)
    assert (kind.memory_gib, kind.peak_dense.bf16_tflops, kind.peak_dense.fp16_tflops, kind.watts) == (
        memory,
        bf16,
        fp16,
        watts,
    )


@pytest.mark.parametrize("kind", accelerators().values(), ids=str)
def test_figures_are_in_their_units(kind: AcceleratorType) -> None:
    """A MiB in a GiB field or a milliwatt in a watt field would leave these ranges."""
    assert kind.memory_gib is None or 0.5 <= kind.memory_gib <= 512
    assert kind.memory_bandwidth_gbs is None or 50 <= kind.memory_bandwidth_gbs <= 100_000
    assert kind.watts is None or 20 <= kind.watts <= 2000
    peaks = [value for value in kind.peak_dense.model_dump().values() if value is not None]
    assert all(1 <= value <= 20_000 for value in peaks)
    assert list(kind.allowed_counts) == sorted(set(kind.allowed_counts))


def test_every_confidence_level_is_used_and_partly_says_which() -> None:
    levels = {kind.confidence.value for kind in accelerators().values()}
    assert levels == {"verified", "partly", "recalled"}
    assert all((k.confidence_note is not None) == (k.confidence == "partly") for k in accelerators().values())


def test_ipu_counts_are_powers_of_two() -> None:
    assert all(count & (count - 1) == 0 for count in accelerator("graphcore-c600").allowed_counts)


def test_types_that_share_a_resource_share_their_exporter() -> None:
    """One exporter per node answers for whichever of them sits in it."""
    for kind in accelerators().values():
        if kind.resource_name:
            assert all(t.exporter == kind.exporter for t in types_of_resource(kind.resource_name)), kind.resource_name


@pytest.mark.parametrize(
    "resource",
    [
        *("nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb", "nvidia.com/mig-1g.10gb.shared"),
        *(
            "nvidia.com/mig-1g.10gb.me",
            "nvidia.com/mig-1g.20gb+me",
            "amd.com/gpu",
            "amd.com/cpx_nps4",
            "amd.com/spx_nps1",
        ),
        *("aws.amazon.com/neuron", "aws.amazon.com/neuroncore", "aws.amazon.com/neurondevice"),
        *("huawei.com/Ascend910", "huawei.com/Ascend910-2c", "huawei.com/Ascend310P-4c.3cpu", "huawei.com/npu"),
        *("furiosa.ai/rngd", "furiosa.ai/rngd-4core.24gb"),
    ],
)
def test_slices_and_renamed_shares_belong_to_one_exporter(resource: str) -> None:
    assert [name for name, mapping in exporters().items() if mapping.measures(resource)] == [
        {
            "nvidia": "dcgm",
            "amd": "amd-device-metrics",
            "aws": "neuron-monitor",
            "huawei": "ascend-npu",
            "furiosa": "furiosa",
        }[resource.partition(".")[0]]
    ]


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param("nvidia.com/gpumem", id="memory that a scheduler counts"),
        pytest.param("nvidia.com/hostdev", id="a network card"),
        pytest.param("huawei.com/npu-core", id="cores that name no chip"),
        pytest.param("gpu.intel.com/i915_monitoring", id="the right to watch all cards"),
    ],
)
def test_what_is_no_device_is_nobodys(resource: str) -> None:
    assert not types_of_resource(resource)
    assert not [name for name, mapping in exporters().items() if mapping.measures(resource)]


@pytest.mark.parametrize("kind", accelerators().values(), ids=str)
def test_the_exporter_of_a_type_claims_no_other_exporters_resource(kind: AcceleratorType) -> None:
    claims = [mapping for mapping in exporters().values() if mapping.measures(kind.resource_name or "")]
    assert claims in ([], [kind.exporter])


def test_an_id_form_uses_only_groups_that_it_has() -> None:
    with pytest.raises(ValueError, match="no group 'gpu'"):
        DeviceIdForm(pattern="(?P<id>.+)::[0-9]+", becomes="{gpu}", written_by="a typo")


def test_no_two_vendors_claim_the_same_series() -> None:
    """Otherwise one vendor's text would be read as another's."""
    claims: dict[str, set[str]] = {}
    for name, mapping in exporters().items():
        fields = (mapping.utilization, mapping.memory_used, mapping.memory_total, mapping.power, mapping.energy)
        for source in (*fields, mapping.health):
            for each in chain(source):
                for metric in (each.metric, *each.plus):
                    claims.setdefault(metric, set()).add(name)
    assert {metric for metric, names in claims.items() if len(names) > 1} == set()


@pytest.mark.parametrize(
    ("name", "field", "raw", "want"),
    [
        pytest.param("dcgm", "utilization", 87, 0.87, id="DCGM percent"),
        pytest.param("dcgm", "memory_used", 1024, 2**30, id="DCGM MiB"),
        pytest.param("dcgm", "energy", 5000, 5, id="DCGM millijoules"),
        pytest.param("amd-device-metrics", "energy", 2_000_000, 2, id="AMD microjoules"),
        pytest.param("gaudi", "power", 450_000, 450, id="Gaudi milliwatts"),
        pytest.param("neuron-monitor", "utilization", 0.5, 0.5, id="Neuron is a ratio already"),
        pytest.param("ascend-npu", "memory_total", 32768, 32 * 2**30, id="Ascend MB are MiB"),
        pytest.param("gcipuinfo", "utilization", 12.5, 0.125, id="IPU percent"),
    ],
)
def test_units_become_ours(name: str, field: str, raw: float, want: float) -> None:
    source = getattr(exporters()[name], field)
    assert raw * source.factor + source.offset == pytest.approx(want)


@pytest.mark.parametrize(
    ("name", "chosen", "want"),
    [
        pytest.param("nvidia-t4", None, "nvidia.com/gpu", id="a fixed name needs nothing from the pool"),
        pytest.param("cpu", None, None, id="cpu has no resource"),
        pytest.param("qualcomm-aic100-ultra", None, "qualcomm.com/qaic", id="the usual name without a word"),
        pytest.param("qualcomm-aic100-ultra", "qualcomm.com/qaic-ultra", "qualcomm.com/qaic-ultra", id="by SKU"),
        pytest.param("amd-alveo-v70", "xilinx.com/fpga-v70_x-0", "xilinx.com/fpga-v70_x-0", id="the flashed shell"),
    ],
)
def test_a_pool_may_choose_among_the_names_of_its_type(name: str, chosen: str | None, want: str | None) -> None:
    assert accelerator(name).resource_for(chosen) == want


@pytest.mark.parametrize(
    ("name", "chosen", "want"),
    [
        pytest.param("amd-alveo-v70", None, "set spec.resourceName", id="a shell has to be named"),
        pytest.param("amd-alveo-v70", "nvidia.com/gpu", "is no resource of amd-alveo-v70", id="another vendor's name"),
        pytest.param("cpu", "nvidia.com/gpu", "is no resource of cpu", id="cpu takes none"),
        pytest.param("nvidia-t4", "nvidia.com/GPU", "expected nvidia.com/gpu", id="case matters"),
    ],
)
def test_a_wrong_resource_name_is_refused_with_the_way_out(name: str, chosen: str | None, want: str) -> None:
    with pytest.raises(ResourceNameError, match=re.escape(want)):
        accelerator(name).resource_for(chosen)


def test_an_unknown_type_offers_the_nearest() -> None:
    with pytest.raises(UnknownAcceleratorError, match=r"did you mean .*nvidia-a100-80"):
        accelerator("nvidia-a100-8")


@pytest.mark.parametrize(
    ("change", "want"),
    [
        pytest.param({"memoryGB": 80}, "memoryGB", id="a misspelled key"),
        pytest.param({"resourceName": None}, "resourceName or a resourceNamePattern", id="scalar without a resource"),
        pytest.param({"watts": 0}, "watts", id="zero instead of unknown"),
        pytest.param({"confidence": "partly"}, "confidenceNote", id="partly without saying which"),
        pytest.param({"exporter": "nagios"}, "there are", id="an exporter without a file"),
        pytest.param({"resourceNamePattern": "acme"}, "exampleResourceName", id="a pattern without an example"),
        pytest.param({"id": "acme-two"}, "named after its id", id="a file with another name"),
    ],
)
def test_a_broken_file_is_refused_by_name(change: dict[str, object], want: str) -> None:
    with pytest.raises(ValueError, match=want) as raised:
        parse_type("acme-one", MINIMAL | change)
    assert "types/acme-one.yaml" in str(raised.value)

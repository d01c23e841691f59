"""Devices of the exporters and devices of the kubelet become one list, in which nobody is counted twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hostler.accelerators import accelerator, types_of_resource
from hostler.exporter.join import Device, ResourceFacts, join, type_of
from hostler.exporter.reading import Quantity, Reading
from hostler.kubelet.podresources import Holder

GPU = "nvidia.com/gpu"
ANN, BOB = Holder("team", "ann-0", "trainer"), Holder("team", "bob-0", "server")


def reading(
    name: str,
    *keys: str,
    model: str | None = None,
    holders: Sequence[Holder] = (),
    values: Mapping[Quantity, float] | None = None,
) -> Reading:
    return Reading(name, keys or (name,), values or {Quantity.UTILIZATION: 0.5}, model, frozenset(holders))


def joined(
    readings: Sequence[Reading],
    *,
    allocatable: Sequence[str] | None = (),
    holders: Mapping[str, Holder] | None = None,
    known: Sequence[str] = (),
    resource: str = GPU,
) -> dict[str, Device]:
    facts = ResourceFacts(
        resource=resource,
        candidates=types_of_resource(resource),
        readings=readings,
        allocatable=None if allocatable is None else frozenset(allocatable),
        holders=holders or {},
        known=frozenset(known),
    )
    devices = join(facts)
    assert len({device.device for device in devices}) == len(devices), "each device once"
    return {device.device: device for device in devices}


def test_a_pod_is_found_by_the_id_that_it_holds() -> None:
    got = joined([reading("GPU-a"), reading("GPU-b")], allocatable=["GPU-a", "GPU-b"], holders={"GPU-a": ANN})
    assert (got["GPU-a"].holder, got["GPU-b"].holder) == (ANN, Holder("", "", ""))


def test_the_kubelet_knows_better_than_the_exporters_own_labels() -> None:
    """Its labels may be those of a pod that is gone, or of the exporter's own pod."""
    got = joined([reading("GPU-a", holders=[BOB])], allocatable=["GPU-a"], holders={"GPU-a": ANN})
    assert got["GPU-a"].holder == ANN
    got = joined([reading("GPU-a", holders=[BOB])], allocatable=["GPU-a"])
    assert got["GPU-a"].holders == ()


@pytest.mark.parametrize(
    ("keys", "kubelet_id"),
    [
        pytest.param(("GPU-a", "0", "nvidia0"), "0", id="the plugin names devices by index"),
        pytest.param(("GPU-a", "0", "nvidia0"), "GPU-a", id="or by UUID"),
    ],
)
def test_any_spelling_of_the_device_joins(keys: tuple[str, ...], kubelet_id: str) -> None:
    got = joined([reading(keys[0], *keys)], allocatable=[kubelet_id], holders={kubelet_id: ANN})
    assert list(got) == [kubelet_id]
    assert got[kubelet_id].holder == ANN


def test_idle_devices_are_there_without_any_exporter() -> None:
    got = joined([], allocatable=["GPU-a", "GPU-b"], holders={"GPU-b": ANN})
    assert {name: device.values for name, device in got.items()} == {
        "GPU-a": {Quantity.HEALTH: 1.0},
        "GPU-b": {Quantity.HEALTH: 1.0},
    }


def test_a_device_that_only_the_kubelet_knows_joins_the_others() -> None:
    """neuron-monitor is silent on cores that no runtime has opened."""
    assert set(joined([reading("0")], allocatable=["0", "1"], resource="aws.amazon.com/neuron")) == {"0", "1"}


def test_a_silent_kubelet_leaves_the_exporters_own_labels() -> None:
    got = joined([reading("GPU-a", holders=[ANN]), reading("GPU-b")], allocatable=None)
    assert (got["GPU-a"].holder, got["GPU-b"].holder) == (ANN, Holder("", "", ""))


def test_a_time_sliced_gpu_belongs_to_no_single_pod() -> None:
    got = joined(
        [reading("GPU-a")],
        allocatable=["GPU-a::0", "GPU-a::1", "GPU-a::2"],
        holders={"GPU-a::0": ANN, "GPU-a::2": BOB},
    )
    assert list(got) == ["GPU-a"]
    assert got["GPU-a"].holders == (ANN, BOB)
    assert got["GPU-a"].holder == Holder("team", "", ""), "what they share: the namespace"


@pytest.mark.parametrize(
    ("vendor", "allocatable", "holders", "known", "want"),
    [
        pytest.param(None, ["GPU-a"], {}, [], 1.0, id="the kubelet offers it"),
        pytest.param(1.0, ["GPU-a"], {}, [], 1.0, id="both are content"),
        pytest.param(0.0, ["GPU-a"], {}, [], 0.0, id="its vendor complains"),
        pytest.param(1.0, [], {"GPU-a": ANN}, [], 0.0, id="held, but not offered any more"),
        pytest.param(None, [], {}, ["GPU-a"], 0.0, id="it was offered before"),
        pytest.param(None, [], {}, [], None, id="nobody ever said anything of it"),
        pytest.param(None, None, {}, ["GPU-a"], None, id="a silent kubelet is no verdict"),
        pytest.param(0.0, None, {}, [], 0.0, id="but the vendor's word stands"),
    ],
)
def test_health(
    vendor: float | None,
    allocatable: list[str] | None,
    holders: dict[str, Holder],
    known: list[str],
    want: float | None,
) -> None:
    values = {} if vendor is None else {Quantity.HEALTH: vendor}
    got = joined([reading("GPU-a", values=values)], allocatable=allocatable, holders=holders, known=known)
    assert got["GPU-a"].values.get(Quantity.HEALTH) == want


def test_a_known_device_that_nobody_speaks_of_any_more_is_gone() -> None:
    """Repartitioning changes ids; the old ones are not unhealthy."""
    assert set(joined([reading("GPU-b")], allocatable=["GPU-b"], known=["GPU-a", "GPU-b"])) == {"GPU-b"}


@pytest.mark.parametrize(
    ("resource", "model", "want"),
    [
        pytest.param(GPU, "NVIDIA A100-SXM4-80GB", "nvidia-a100-80", id="DCGM writes spaces for GFD's dashes"),
        pytest.param(GPU, "NVIDIA A100-SXM4-40GB", "nvidia-a100-40", id="the smaller one"),
        pytest.param(GPU, "Tesla T4", "nvidia-t4", id="an older name"),
        pytest.param(GPU, "NVIDIA A10G", None, id="a bin that no file describes is no A10"),
        pytest.param(GPU, None, None, id="a GPU without a model could be any"),
        pytest.param("amd.com/gpu", "AMD Instinct MI300X OAM", "amd-mi300x", id="AMD's card series"),
        pytest.param("aws.amazon.com/neuron", "trn1.32xlarge", "aws-trainium1", id="Neuron by instance type"),
        pytest.param("google.com/tpu", "tpu-v6e-slice", "google-tpu-v6e", id="TPU by its label"),
        pytest.param("c600.graphcore.ai/ipu", None, "graphcore-c600", id="the only type of its resource"),
        pytest.param("habana.ai/gaudi", None, None, id="Gaudi says nothing: a target by type decides"),
    ],
)
def test_the_type_of_a_device(resource: str, model: str | None, want: str | None) -> None:
    kind = type_of(types_of_resource(resource), model)
    assert (kind.id if kind else None) == want


def test_an_unknown_type_still_has_its_vendor_and_the_model_it_reports() -> None:
    got = joined([reading("GPU-a", model="NVIDIA A10G")], allocatable=["GPU-a"])["GPU-a"]
    assert (got.vendor, got.type, got.model) == ("NVIDIA", "", "NVIDIA A10G")


def test_a_known_type_has_the_registrys_model() -> None:
    got = joined([reading("GPU-a", model="Tesla T4")], allocatable=["GPU-a"])["GPU-a"]
    assert (got.type, got.model) == ("nvidia-t4", accelerator("nvidia-t4").model)

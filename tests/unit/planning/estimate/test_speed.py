"""How fast a run is said to be, by what is known of it, and which of that is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tables import table

from hostler.accelerators import accelerator
from hostler.planning.estimate.measurements import Measured
from hostler.planning.estimate.priors import Kind, Priors, published, read_priors
from hostler.planning.estimate.result import Basis, Range
from hostler.planning.estimate.shapes import Adapter, Network, TrainingRun
from hostler.planning.estimate.speed import Load, balance_of, load_of, peak_of, precision_of, speed_of

PRIORS = Priors(
    dense=-0.9,
    balance=-0.2,
    experts=-0.5,
    experts_narrow=-0.3,
    attention=-1.0,
    least_balance=150.0,
    most_balance=2000.0,
    least_operations=6e8,
    low=0.6,
    high=1.7,
    date="2026-01-31",
    runs=7,
    sources=("ours: 7 runs",),
)
LOAD = Load(devices=4, operations_per_unit=6e9, kind=Kind.DENSE, precision="bf16")
MEASURED = Measured(
    units_per_second=Range(low=800.0, expected=1000.0, high=1250.0),
    same_shape=True,
    runs=2,
    newest="2026-02-03T04:05:06Z",
    overhead_seconds=None,
    memory_bytes=None,
    units_per_step=None,
)


@table(
    ("known", "basis"),
    {
        "a person's word before everything": ({"utilization": 0.3, "measured": MEASURED}, Basis.GIVEN),
        "runs before standard loads": ({"measured": MEASURED, "benchmark": MEASURED}, Basis.MEASURED),
        "standard loads before published runs": ({"benchmark": MEASURED}, Basis.BENCHMARK),
        "published runs where nothing of ours is known": ({}, Basis.PUBLISHED),
    },
)
def test_the_nearest_to_the_truth_decides(known: dict[str, Any], basis: Basis) -> None:
    found = speed_of(LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, **known)
    assert found is not None
    assert found.basis is basis


def test_a_benchmark_says_its_day_and_its_share_of_the_peak() -> None:
    found = speed_of(LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, benchmark=replace(MEASURED, same_shape=False))
    assert found is not None
    assert found.units_per_second == MEASURED.units_per_second
    assert found.because == "what standard loads reached on this pool, the newest of 2026-02-03 (hostler bench)"
    assert found.utilization is not None
    assert found.utilization.expected == pytest.approx(1000.0 * 6e9 / (4 * 312e12))


def test_the_dense_figure_of_the_data_sheet_is_the_peak() -> None:
    assert peak_of(accelerator("nvidia-h100-sxm"), "fp8") == 1979e12  # 3958 with sparsity
    assert peak_of(accelerator("nvidia-a100-80"), "fp8") is None
    assert balance_of(accelerator("nvidia-a100-80"), "bf16") == pytest.approx(312e12 / 2039e9)


@table(
    ("device", "asked", "want"),
    {
        "a device with bf16 computes in it by itself": ("nvidia-a100-80", "auto", "bf16"),
        "one without bf16 computes in fp32 by itself": ("nvidia-v100", "auto", "fp32"),
        "fp8 is bf16 where there is none": ("nvidia-a100-80", "fp8", "bf16"),
        "fp4 is fp8 where there is none": ("nvidia-h100-sxm", "fp4", "fp8"),
        "fp16 is asked for by name": ("nvidia-v100", "fp16", "fp16"),
        "a word that is no precision has no figure": ("nvidia-a100-80", "int1", None),
        "cores have no figure for any": ("cpu", "bf16", None),
    },
)
def test_the_precision_of_the_products(device: str, asked: str, want: str | None) -> None:
    assert precision_of(accelerator(device), asked) == want


@table(
    ("device", "load", "want"),
    {
        "a network of a published kind": ("nvidia-h100-sxm", LOAD, Basis.PUBLISHED),
        "a kind of which nothing is published": ("nvidia-h100-sxm", replace(LOAD, kind=None), Basis.PEAK),
        "a network much smaller than the smallest": (
            "nvidia-h100-sxm",
            replace(LOAD, operations_per_unit=1e8),
            Basis.PEAK,
        ),
        "a network a little smaller than the smallest": (
            "nvidia-h100-sxm",
            replace(LOAD, operations_per_unit=3e8),
            Basis.PUBLISHED,
        ),
        "memory on the chip, far from what is published": (
            "graphcore-c600",
            replace(LOAD, precision="fp16"),
            Basis.PEAK,
        ),
        "a device without a figure for the precision": ("nvidia-a100-80", replace(LOAD, precision="fp8"), None),
        "no precision at all": ("nvidia-a100-80", replace(LOAD, precision=None), None),
        "operations that nobody knows": ("nvidia-a100-80", replace(LOAD, operations_per_unit=None), None),
    },
)
def test_the_basis_is_said(device: str, load: Load, want: Basis | None) -> None:
    found = speed_of(load, accelerator(device), priors=PRIORS)
    assert (None if found is None else found.basis) == want


@table(
    ("utilization", "measured", "want"),
    {
        "what a person says goes before all": (0.4, MEASURED, Basis.GIVEN),
        "runs go before what others published": (None, MEASURED, Basis.MEASURED),
        "what others published goes before nothing": (None, None, Basis.PUBLISHED),
    },
)
def test_the_nearest_to_the_truth_goes_first(utilization: float | None, measured: Measured | None, want: Basis) -> None:
    found = speed_of(LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, measured=measured, utilization=utilization)
    assert found is not None
    assert found.basis is want


def test_a_given_utilization_is_a_share_of_all_devices_peak() -> None:
    found = speed_of(LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, utilization=0.5)
    assert found is not None
    assert found.units_per_second.expected == pytest.approx(4 * 312e12 * 0.5 / 6e9)
    assert found.units_per_second.low == found.units_per_second.high
    assert "50%" in found.because


@pytest.mark.parametrize("utilization", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(utilization: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        speed_of(LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, utilization=utilization)


def test_measured_runs_say_how_many_they_are_and_what_share_that_is() -> None:
    found = speed_of(LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, measured=MEASURED)
    assert found is not None
    assert found.because == "2 runs of this shape on this pool, the newest of 2026-02-03"
    assert found.utilization is not None
    assert found.utilization.expected == pytest.approx(1000 * 6e9 / (4 * 312e12))
    alike = speed_of(
        LOAD, accelerator("nvidia-a100-80"), priors=PRIORS, measured=replace(MEASURED, same_shape=False, runs=1)
    )
    assert alike is not None
    assert alike.because.startswith("1 run like it ")


def test_runs_on_devices_without_a_peak_have_no_utilization() -> None:
    found = speed_of(replace(LOAD, precision=None), accelerator("cpu"), priors=PRIORS, measured=MEASURED)
    assert found is not None
    assert found.units_per_second == MEASURED.units_per_second
    assert found.utilization is None


def _share(device: str, load: Load) -> float:
    found = speed_of(load, accelerator(device), priors=PRIORS)
    assert found is not None
    assert found.utilization is not None
    return found.utilization.expected


@table(
    ("slower", "faster"),
    {
        "a mixture of experts than a dense network": (
            ("nvidia-h100-sxm", replace(LOAD, kind=Kind.EXPERTS)),
            ("nvidia-h100-sxm", LOAD),
        ),
        "fp8 than bf16, by the share of its own peak": (
            ("nvidia-h100-sxm", replace(LOAD, precision="fp8")),
            ("nvidia-h100-sxm", LOAD),
        ),
        "a device with less bandwidth for its operations": (
            ("nvidia-h100-sxm", LOAD),
            ("nvidia-h200", LOAD),
        ),
        "a network that attends more": (
            ("nvidia-h100-sxm", replace(LOAD, attention=0.4)),
            ("nvidia-h100-sxm", LOAD),
        ),
    },
)
def test_who_reaches_less_of_the_peak(slower: tuple[str, Load], faster: tuple[str, Load]) -> None:
    assert _share(*slower) < _share(*faster)


NETWORK = Network(
    parameters=7_000_000_000,
    active_parameters=6_500_000_000,
    layers=32,
    hidden_size=4096,
    heads=32,
    kv_heads=8,
    head_size=128,
    intermediate_size=11_008,
    vocabulary_size=32_000,
)
RUN = TrainingRun(devices=8, sequence_length=8192, rows=1)
ATTENTION = 6 * 32 * 4096 * 8192
"""Operations of a token: two products, forward and twice backward, with the half of the row that it sees."""


@table(
    ("network", "run", "want"),
    {
        "a dense network": (NETWORK, RUN, (6 * 6.5e9 + ATTENTION, ATTENTION, Kind.DENSE, "bf16")),
        "packed rows attend within their sequences": (
            NETWORK,
            replace(RUN, mean_length=1024.0),
            (6 * 6.5e9 + ATTENTION / 8, ATTENTION / 8, Kind.DENSE, "bf16"),
        ),
        "an adapter leaves a third of the products away": (
            NETWORK,
            replace(RUN, adapter=Adapter(parameters=10_000_000)),
            (4 * 6.5e9 + 6e7 + ATTENTION, ATTENTION, Kind.ADAPTER, "bf16"),
        ),
        "of experts those count that compute": (
            replace(NETWORK, parameters=30_000_000_000, experts=64, active_experts=8),
            RUN,
            (6 * 6.5e9 + ATTENTION, ATTENTION, Kind.EXPERTS, "bf16"),
        ),
        "who sees all attends twice as much, and exactly that is computed": (
            replace(NETWORK, causal=False),
            RUN,
            (6 * 6.5e9 + 2 * ATTENTION, 0.0, Kind.DENSE, "bf16"),
        ),
        "a precision that the device lacks": (
            NETWORK,
            replace(RUN, precision="fp8"),
            (6 * 6.5e9 + ATTENTION, ATTENTION, Kind.DENSE, "bf16"),
        ),
    },
)
def test_the_load_of_a_network(network: Network, run: TrainingRun, want: tuple[float, float, Kind, str]) -> None:
    operations, attention, kind, precision = want
    found = load_of(network, run, accelerator("nvidia-a100-80"))
    assert found.operations_per_unit == pytest.approx(operations)
    assert found.attention == pytest.approx(attention / operations)
    assert (found.kind, found.precision, found.devices) == (kind, precision, 8)


def test_an_adapter_reaches_the_share_of_its_network() -> None:
    assert _share("nvidia-h100-sxm", replace(LOAD, kind=Kind.ADAPTER)) == _share("nvidia-h100-sxm", LOAD)


def test_fp8_is_faster_than_bf16_all_the_same() -> None:
    narrow = speed_of(replace(LOAD, precision="fp8"), accelerator("nvidia-h100-sxm"), priors=PRIORS)
    wide = speed_of(LOAD, accelerator("nvidia-h100-sxm"), priors=PRIORS)
    assert narrow is not None
    assert wide is not None
    assert narrow.units_per_second.expected > 1.2 * wide.units_per_second.expected


@pytest.mark.parametrize("balance", [0.001, 5.0, 300.0, 1e5])
@pytest.mark.parametrize("kind", list(Kind))
def test_no_device_is_told_more_than_any_has_reached(balance: float, kind: Kind) -> None:
    for attention in (0.0, 1.0):
        share = PRIORS.utilization(kind=kind, balance=balance, narrowing=1.0, attention=attention)
        assert 0 < share <= 0.7


def test_high_is_never_above_the_peak() -> None:
    found = speed_of(
        replace(LOAD, attention=0.0), accelerator("nvidia-a100-80"), priors=replace(PRIORS, dense=-0.4, high=2.0)
    )
    assert found is not None
    assert found.utilization is not None
    assert found.utilization.high == 1.0


def test_the_package_has_priors_that_keep_what_is_demanded_of_ranges() -> None:
    found = published()
    assert found.high / found.low <= 3
    assert found.low < 1 < found.high
    assert found.runs == sum(int(source.split(": ")[1].split()[0]) for source in found.sources)
    assert found.balance < 0
    assert found.attention < 0
    assert 0.3 < found.utilization(kind=Kind.DENSE, balance=295.0, narrowing=1.0) < 0.5


def test_a_file_that_lacks_a_figure_is_refused() -> None:
    with pytest.raises(KeyError):
        read_priors({"logarithms": {}, "balances": {"least": 1, "most": 2}, "range": {}})

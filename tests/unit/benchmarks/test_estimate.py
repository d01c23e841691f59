"""What `make fit-priors` fits and `make bench-estimate` demands, on made-up tables of known coefficients."""

from __future__ import annotations

import csv
import math
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tables import table

from hostler.accelerators import accelerator
from hostler.planning.estimate.priors import BALANCE, Kind
from hostler.planning.estimate.result import Range
from hostler.planning.estimate.speed import peak_of

SEED = 11
DENSE, SLOPE = -0.9, -0.2
FOUNDRY = "mosaicml_llm_foundry_throughput.csv"
NEMO = "nemo_training_throughput.csv"


def share(device: str, precision: str) -> float:
    """What the made-up devices reach."""
    kind = accelerator(device)
    peak, bandwidth = peak_of(kind, precision), kind.memory_bandwidth_gbs
    assert peak is not None
    assert bandwidth is not None
    return math.exp(DENSE + SLOPE * math.log2(peak / (bandwidth * 1e9) / BALANCE))


def foundry_row(*, gpu: str = "h100_80gb", device: str = "nvidia-h100-sxm", factor: float = 1.0, **more: Any) -> Any:
    """MPT-1b over 8 devices, attention of 512 tokens."""
    length = int(more.pop("seq_len", 512))
    operations = 6.0 * (12 * 24 * 2048**2 + 50_368 * 2048) + 6.0 * 24 * 2048 * length
    peak = peak_of(accelerator(device), "bf16")
    assert peak is not None
    tokens = factor * share(device, "bf16") * peak / operations
    row = {"model": "1b", "seq_len": length, "gpus": 8, "gpu": gpu, "micro_batch": 4, "grad_accum": 1}
    return row | {"precision": "amp_bf16", "sharding": "", "act_ckpt": "", "tokens_per_s_per_gpu": tokens} | more


def nemo_row(*, system: str, device: str, precision: str = "BF16", factor: float = 1.0, **more: Any) -> Any:
    """A dense network of 15 billion operations for a token, over 8 devices."""
    name = {"BF16": "bf16", "FP8-CS": "fp8", "": "fp8", "MXFP8": "fp8", "NVFP4": "fp4"}[precision]
    peak = peak_of(accelerator(device), name)
    assert peak is not None
    flops = factor * share(device, name) * peak
    row = {"framework": "F", "release": "1.0 container", "task": "pretrain", "model": "LLAMA3_8B", "system": system}
    row |= {"gpus": "8", "precision": precision, "mbs": "1", "seq": "512", "tp": "1", "pp": "1", "cp": "1", "vp": "1"}
    told = {"tokens_per_s_per_gpu": f"{flops / 1.5e10:,.0f}", "model_tflops_per_gpu": f"{flops / 1e12:.2f} (1)"}
    return row | {"ep": "1"} | told | more


def write(folder: Path, name: str, rows: list[Any]) -> None:
    """A table."""
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables whose devices reach what the formula says, but for a little noise."""
    noise = random.Random(SEED)
    devices = (("DGX-H100", "nvidia-h100-sxm"), ("DGX-B200", "nvidia-b200"), ("DGX-GB300", "nvidia-gb300"))
    nemo = [
        nemo_row(system=system, device=device, precision=precision, factor=noise.uniform(0.9, 1.1), release=release)
        for system, device in devices
        for precision in ("BF16", "FP8-CS")
        for release in ("1.0 c", "2.0 c", "3.0 c")
    ]
    pairs = (("a100_80gb", "nvidia-a100-80"), ("h100_80gb", "nvidia-h100-sxm"))
    foundry = [
        foundry_row(gpu=gpu, device=device, factor=noise.uniform(0.9, 1.1), seq_len=length)
        for gpu, device in pairs
        for length in (512, 512, 1024)
    ]
    write(tmp_path, FOUNDRY, foundry)
    write(tmp_path, NEMO, nemo)
    return tmp_path


def test_the_coefficients_that_made_the_tables_are_found(estimates: SimpleNamespace, folder: Path) -> None:
    runs = estimates.published.read_runs(folder)
    found = estimates.fitting.fit(runs)
    assert found.dense == pytest.approx(DENSE, abs=0.06)
    assert found.balance == pytest.approx(SLOPE, abs=0.06)
    assert found.experts == found.experts_narrow == 0.0  # Of which there is no run.
    assert found.least_balance == pytest.approx(312e12 / 2039e9)
    assert found.runs == len(runs) == 24
    assert found.sources == ("F: 18 runs", "llm-foundry: 6 runs")
    assert found.high / found.low <= 3


def test_rows_that_are_published_again_weigh_less(estimates: SimpleNamespace, folder: Path) -> None:
    runs = estimates.published.read_runs(folder)
    odd = replace(runs[-1], flops=runs[-1].flops * 2, model="odd")
    once, often = (estimates.fitting.fit([*runs, *[odd] * count]) for count in (1, 16))
    alone = estimates.fitting.fit([*runs, *(replace(odd, model=f"odd{n}") for n in range(16))])
    assert once.dense < often.dense < alone.dense


@table(
    ("precision", "want"),
    {
        "a release without the column computes in FP8": ("", "fp8"),
        "every kind of FP8 is FP8": ("MXFP8", "fp8"),
        "FP4 has a peak of its own": ("NVFP4", "fp4"),
        "BF16": ("BF16", "bf16"),
    },
)
def test_each_precision_is_beside_its_own_peak(
    estimates: SimpleNamespace, tmp_path: Path, precision: str, want: str
) -> None:
    write(tmp_path, FOUNDRY, [foundry_row()])
    write(tmp_path, NEMO, [nemo_row(system="DGX-B200", device="nvidia-b200", precision=precision)])
    run = estimates.published.read_runs(tmp_path)[-1]
    assert run.precision == want
    assert run.utilization == pytest.approx(share("nvidia-b200", want), rel=0.01)


@table(
    ("row", "want"),
    {
        "a mixture of experts by its name": ({"model": "Qwen3_30B_a3B"}, Kind.EXPERTS),
        "an adapter by the task": ({"task": "LoRA"}, Kind.ADAPTER),
        "all others are dense": ({}, Kind.DENSE),
    },
)
def test_kinds_of_networks(estimates: SimpleNamespace, tmp_path: Path, row: dict[str, str], want: Kind) -> None:
    write(tmp_path, FOUNDRY, [foundry_row()])
    write(tmp_path, NEMO, [nemo_row(system="DGX-H100", device="nvidia-h100-sxm", **row)])
    assert estimates.published.read_runs(tmp_path)[-1].kind is want


def test_attention_is_counted_over_half_of_the_square(estimates: SimpleNamespace, tmp_path: Path) -> None:
    write(tmp_path, FOUNDRY, [foundry_row(seq_len=4096)])
    write(tmp_path, NEMO, [nemo_row(system="DGX-H100", device="nvidia-h100-sxm", seq="4096")])
    first, second = estimates.published.read_runs(tmp_path)
    attention = 6 * 24 * 2048 * 4096
    assert first.attention == pytest.approx(attention / (attention + 6 * (12 * 24 * 2048**2 + 50_368 * 2048)))
    assert first.utilization == pytest.approx(share("nvidia-h100-sxm", "bf16"))
    assert second.attention == pytest.approx(6 * 32 * 4096 * 4096 / 1.5e10, rel=0.01)


def test_all_demands_hold_where_the_formula_is_right(
    estimates: SimpleNamespace, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    assert estimates.bars.main([str(folder), "--page", str(page)]) == 0, f"seed {SEED}"
    assert "MISSED" not in capsys.readouterr().out
    assert "24 runs: F: 18 runs; llm-foundry: 6 runs." in page.read_text()


def test_a_source_that_is_three_times_slower_is_a_missed_demand(
    estimates: SimpleNamespace, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = [("DGX-H100", "nvidia-h100-sxm"), ("DGX-B200", "nvidia-b200")] * 9
    slow = [nemo_row(system=s, device=d, factor=0.3, release=f"{n} c") for n, (s, d) in enumerate(devices)]
    write(folder, NEMO, slow)
    assert estimates.bars.main([str(folder)]) == 1
    assert "| Fitted without the source: share inside low and high |" in capsys.readouterr().out


@table(
    ("broken", "want"),
    {
        "no table at all": (lambda folder: (folder / NEMO).unlink(), f"{NEMO} is neither in"),
        "a figure that is a word": (
            lambda folder: write(
                folder, NEMO, [nemo_row(system="DGX-H100", device="nvidia-h100-sxm", model_tflops_per_gpu="n/a")]
            ),
            "'n/a' is no figure",
        ),
        "a device that nobody knows": (
            lambda folder: write(
                folder, NEMO, [nemo_row(system="DGX-H100", device="nvidia-h100-sxm") | {"system": "X"}]
            ),
            "'X'",
        ),
    },
)
def test_a_folder_that_cannot_be_judged_by(
    estimates: SimpleNamespace, folder: Path, capsys: pytest.CaptureFixture[str], broken: Any, want: str
) -> None:
    broken(folder)
    assert estimates.bars.main([str(folder)]) == 2
    assert want in capsys.readouterr().err


def test_scores_weigh_runs_that_are_told_several_times(estimates: SimpleNamespace) -> None:
    told = [
        estimates.scores.Told(told=Range(low=e / 1.2, expected=e, high=e * 1.2), measured=1.0, weight=weight)
        for e, weight in ((1.0, 1.0), (1.5, 0.25), (1.5, 0.25), (0.9, 0.5))
    ]
    found = estimates.scores.score("all", told)
    assert found.median == 0.0
    assert found.most == pytest.approx(0.5)
    assert found.inside == pytest.approx(0.75)
    assert found.width == pytest.approx(1.44)

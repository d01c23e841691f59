"""Runs that others have measured, as two public tables have them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hostler.accelerators import AcceleratorType, accelerator
from hostler.planning.estimate.priors import Kind
from hostler.planning.estimate.speed import balance_of, peak_of

_FOUNDRY = "mosaicml_llm_foundry_throughput.csv"
_MOSAIC = "llm-foundry"
_NEMO = "nemo_training_throughput.csv"
_EXPERTS = re.compile("DeepSeek|OSS|Kimi|Qwen3|Nemotron", re.IGNORECASE)
"""Models of the second table that are mixtures of experts."""
_FOUNDRY_SIZES = {
    "125m": (768, 12),
    "350m": (1024, 24),
    "760m": (1536, 24),
    "1b": (2048, 24),
    "3b": (2560, 32),
    "7b": (4096, 32),
    "13b": (5120, 40),
    "30b": (7168, 48),
    "70b": (8192, 80),
}
"""Width and layers of MPT's sizes, as their configurations have them; 12 layers width^2 and an embedding for 50,368
words are the weights that the table states."""
_ATTENTION = (
    (re.compile("LLAMA3_8B|Llama3 8B", re.IGNORECASE), 32 * 4096),
    (re.compile("LLAMA3_70B|Llama3 70B", re.IGNORECASE), 80 * 8192),
    (re.compile("LLAMA3.1_405B", re.IGNORECASE), 126 * 16384),
    (re.compile("Qwen2.5 7B"), 28 * 3584),
    (re.compile("Qwen2.5 32B"), 64 * 5120),
    (re.compile("Qwen3.*30B"), 48 * 4096),
    (re.compile("Qwen3_235B"), 94 * 8192),
    (re.compile("DeepSeek ?V3"), 61 * 128 * 160),
    (re.compile("Kimi.K2"), 61 * 64 * 160),
    (re.compile("GPT.OSS.120B"), 18 * 4096),
    (re.compile("GPT.OSS.20B"), 12 * 4096),
)
"""Layers x heads x size of a head of the second table's models, as their configurations have them: of GPT-OSS the half
of the layers that see all, of heads of two sizes the mean. Those that are left out attend in few layers or sparsely."""
_TYPES = {
    "a100_40gb": "nvidia-a100-40",
    "a100_80gb": "nvidia-a100-80",
    "h100_80gb": "nvidia-h100-sxm",
    "DGX-H100": "nvidia-h100-sxm",
    "DGX-B200": "nvidia-b200",
    "DGX-GB200": "nvidia-gb200",
    "DGX-B300": "nvidia-b300",
    "DGX-GB300": "nvidia-gb300",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row."""

    source: str
    """Who measured, with which release."""
    framework: str
    model: str
    kind: Kind
    accelerator: AcceleratorType
    precision: str
    devices: int
    sequence_length: int
    rows: int
    """Sequences that a device, or a group that shares the network, computes at once."""
    layout: str
    """What else differs between rows of one model: rows of a device, and how the network is spread."""
    flops: float
    """Model operations per second of one device, with attention counted as Hostler counts it: half of the square."""
    attention: float
    """Share of causal attention in them."""
    tokens: float
    """Tokens per second of one device."""

    @property
    def operations(self) -> float:
        """Of one token, forward and backward."""
        return self.flops / self.tokens

    @property
    def utilization(self) -> float:
        """Share of the dense peak at the precision of the products."""
        return self.flops / peak_of(self.accelerator, self.precision)

    @property
    def balance(self) -> float:
        """Operations per byte of the device at that precision."""
        found = balance_of(self.accelerator, self.precision)
        assert found is not None, self.accelerator.id
        return found

    @property
    def narrowing(self) -> float:
        """Peak by the peak at 16 bits."""
        return peak_of(self.accelerator, self.precision) / peak_of(self.accelerator, "bf16")


def read_runs(folder: Path) -> list[Run]:
    """Rows of the tables in or below a folder. Raises ``FileNotFoundError`` where one of them is not there."""
    return [*_foundry(_find(folder, _FOUNDRY)), *_nemo(_find(folder, _NEMO))]


def _find(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if not found:
        raise FileNotFoundError(f"{name} is neither in {folder} nor below it")
    return found[0]


def _foundry(path: Path) -> Iterator[Run]:
    for row in _rows(path):
        device = accelerator(_TYPES[row["gpu"]])
        width, layers = _FOUNDRY_SIZES[row["model"]]
        attention = _attention(width * layers, length=int(row["seq_len"]))
        # The table's own figure counts the whole square. Positions are learned, and are not multiplied with.
        operations = 6.0 * (12 * layers * width**2 + 50_368 * width) + attention
        tokens = float(row["tokens_per_s_per_gpu"])
        yield Run(
            source=_MOSAIC,
            framework=_MOSAIC,
            model=f"MPT-{row['model']}",
            kind=Kind.DENSE,
            accelerator=device,
            precision="fp8" if "fp8" in row["precision"] else "bf16",
            devices=int(row["gpus"]),
            sequence_length=int(row["seq_len"]),
            rows=int(row["micro_batch"]),
            layout=f"{row['micro_batch']} x {row['grad_accum']}, {row['sharding']}, {row['act_ckpt']}",
            flops=tokens * operations,
            attention=attention / operations,
            tokens=tokens,
        )


def _nemo(path: Path) -> Iterator[Run]:
    for row in _rows(path):
        experts = _EXPERTS.search(row["model"])
        adapter = row["task"] == "LoRA"
        flops, tokens = _number(row["model_tflops_per_gpu"]) * 1e12, _number(row["tokens_per_s_per_gpu"])
        width = next((width for name, width in _ATTENTION if name.search(row["model"])), 0)
        length = int(_number(row["seq"]))
        yield Run(
            source=f"{row['framework']} {row['release'].split()[0]}",
            framework=row["framework"],
            model=row["model"].partition(" (")[0],
            kind=Kind.EXPERTS if experts else Kind.ADAPTER if adapter else Kind.DENSE,
            accelerator=accelerator(_TYPES[row["system"]]),
            precision=_precision(row["precision"]),
            devices=int(_number(row["gpus"])),
            sequence_length=length,
            rows=int(_number(row["mbs"])),
            layout=" ".join(f"{name}{row[name]}" for name in ("mbs", "tp", "pp", "cp", "vp", "ep")),
            flops=flops,
            attention=_attention(width, length=length) * tokens / flops,
            tokens=tokens,
        )


def _attention(width: int, *, length: int) -> float:
    """Operations of a token forward and backward: two products with the half of the tokens that it sees on average."""
    return 3 * 4.0 * width * length / 2


def _precision(text: str) -> str:
    return "fp4" if "FP4" in text else "bf16" if text == "BF16" else "fp8"


def _number(text: str) -> float:
    """The figure before a mark of a footnote."""
    match = re.match(r"\d[\d.,]*", text)
    if match is None:
        raise ValueError(f"{text!r} is no figure")
    return float(match[0].replace(",", ""))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

"""Runs that papers and records state one by one, of which nothing went into the fit.

Facts with where they are from, rounded as their authors round them. Of most of them only the share of the peak is
stated, which counts attention in ways that differ by a few per cent.
"""

from __future__ import annotations

from published import Run

from hostler.accelerators import accelerator
from hostler.planning.estimate.priors import Kind
from hostler.planning.estimate.speed import peak_of

_GPT3 = 175e9
_GPT3_TOKENS = 1.2e9
"""That the record's task trains on."""
_RECORD = "nvidia-h100-sxm"


def read_stated() -> list[Run]:
    """All of them. Speeds are of one device."""
    palm = "PaLM, arXiv 2204.02311, appendix B"
    olmo = "Olmo 3, muxup.com, 2025"
    return [
        _stated(palm, "GPT-3 175B", "nvidia-v100", "fp16", weights=_GPT3, share=0.213),
        _stated(palm, "MT-NLG 530B", "nvidia-a100-80", "bf16", weights=530e9, share=0.302),
        _stated(palm, "PaLM 540B", "google-tpu-v4", "bf16", weights=540e9, share=0.462),
        _stated("Llama 3, arXiv 2407.21783", "Llama 3.1 405B", "nvidia-h100-sxm", "bf16", weights=405e9, share=0.40),
        _stated(olmo, "Olmo 3 7B", "nvidia-h100-sxm", "bf16", weights=7.3e9, share=0.34),
        _stated(olmo, "Olmo 3 32B", "nvidia-h100-sxm", "bf16", weights=32e9, share=0.37),
        *(_record(devices=devices, minutes=minutes) for devices, minutes in ((512, 58.3), (4_096, 8.6), (10_752, 3.9))),
    ]


def _stated(source: str, model: str, device: str, precision: str, *, weights: float, share: float) -> Run:
    """A run of which the share of the dense peak is known."""
    kind = accelerator(device)
    peak = peak_of(kind, precision)
    assert peak is not None, device
    return Run(
        source=source,
        framework=source,
        model=model,
        kind=Kind.DENSE,
        accelerator=kind,
        precision=precision,
        devices=1,
        sequence_length=0,
        rows=1,
        layout="",
        flops=share * peak,
        attention=0.0,
        tokens=share * peak / (6 * weights),
    )


def _record(*, devices: int, minutes: float) -> Run:
    """MLPerf Training 3.1, GPT-3 in fp8: tokens over time, without start and warm-up."""
    peak = peak_of(accelerator(_RECORD), "fp8")
    assert peak is not None
    share = 6 * _GPT3 * _GPT3_TOKENS / (minutes * 60 * devices) / peak
    return _stated("MLPerf Training 3.1", f"GPT-3 on {devices:,}", _RECORD, "fp8", weights=_GPT3, share=share)

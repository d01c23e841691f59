"""From a Hugging Face directory to a decoder and its tokenizer in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from hostler_runtime.pretrained import (
    CONFIGURATION,
    OFFLINE,
    WEIGHTS,
    guarded,
    quiet,
    read_json,
    read_tokenizer,
    require_files,
    require_size,
    require_weights,
    serving_device,
    unreadable,
)


def load_artifacts(path: Path, *, dtype: torch.dtype | str | None = None, device: str | None = None) -> tuple[Any, Any]:
    """Model (in evaluation mode, without gradients) and tokenizer. Raises ``UnservableError``.

    ``dtype`` and ``device`` are, where absent, those that suit inference on this machine.
    """
    config = read_configuration(path)
    require_size(path, lambda: AutoModelForCausalLM.from_config(config))
    loaded: Any = guarded(
        path / WEIGHTS,
        lambda: AutoModelForCausalLM.from_pretrained(
            path, config=config, use_safetensors=True, dtype=dtype or _dtype(), output_loading_info=True, **OFFLINE
        ),
    )
    model, facts = loaded
    require_weights(path, facts)
    tokenizer = read_tokenizer(path, vocabulary_size=model.get_input_embeddings().weight.shape[0])
    return model.to(device or serving_device()).eval().requires_grad_(False), tokenizer


def read_configuration(path: Path) -> Any:
    """What a directory says its decoder is, after a look at which files it has. Raises ``UnservableError``."""
    quiet()
    require_files(path, {CONFIGURATION: "says what the model is", "tokenizer.json": "turns text into tokens"})
    _check_architecture(path)
    return guarded(path / CONFIGURATION, lambda: AutoConfig.from_pretrained(path, **OFFLINE))


def _dtype() -> torch.dtype | str:
    # bf16 and fp16 are slower than fp32 on CPUs without matrix units, and fp16 lacks kernels.
    return "auto" if torch.cuda.is_available() else torch.float32


def _check_architecture(path: Path) -> None:
    config = read_json(path / CONFIGURATION)
    declared = config.get("architectures") or []
    decoders: set[str] = set()
    for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        decoders.update([names] if isinstance(names, str) else names)
    if config.get("is_encoder_decoder") or (declared and not decoders.intersection(declared)):
        what = ", ".join(map(str, declared)) or config.get("model_type")
        raise unreadable(f"{path / CONFIGURATION}: {what} is not a decoder-only language model")

"""A decoder as files that other programs load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers.utils import logging as library_logging


def save_decoder(model: Any, tokenizer: Any, directory: Path, *, generation: GenerationConfig) -> None:
    """Safetensors, configuration, generation defaults and tokenizer, as transformers has them."""
    library_logging.disable_progress_bar()  # a log is no terminal
    model.config.use_cache = True  # off in training only; a server wants it
    model.generation_config = generation
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)

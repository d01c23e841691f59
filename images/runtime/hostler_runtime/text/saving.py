"""A decoder as files that other programs load."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers.utils import logging as library_logging

from hostler_runtime.text.templates import answer_ends

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p")
"""Settings that transformers refuses to store where nothing is drawn."""


def save_decoder(model: Any, tokenizer: Any, directory: Path) -> None:
    """Safetensors, configuration, generation defaults and tokenizer, as transformers has them."""
    library_logging.disable_progress_bar()  # a log is no terminal
    model.config.use_cache = True  # off in training only; a server wants it
    model.generation_config = _stored_defaults(model, tokenizer)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the tokenizer's own first, then those that its chat template ends answers with and
    those that the model's generation defaults name already."""
    stored = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = [tokenizer.eos_token_id, *answer_ends(tokenizer), *(stored if isinstance(stored, list) else [stored])]
    return list(dict.fromkeys(int(token) for token in found if token is not None))


def fresh_defaults(*, temperature: float) -> GenerationConfig:
    """How a model that was made here answers where a request says nothing else. One with a base keeps the base's."""
    return GenerationConfig(do_sample=True, temperature=temperature, top_p=0.95)


def _stored_defaults(model: Any, tokenizer: Any) -> GenerationConfig:
    """The model's own generation defaults, with every token that ends its answers."""
    defaults: GenerationConfig = copy.deepcopy(model.generation_config)
    ends = end_tokens(model, tokenizer)
    defaults.eos_token_id = ends if len(ends) > 1 else ends[0] if ends else None
    for name in ("bos_token_id", "pad_token_id"):
        if getattr(defaults, name) is None:
            setattr(defaults, name, getattr(tokenizer, name))
    if any(getattr(defaults, name, None) is not None for name in _SAMPLING):
        # Servers take these for what they are, also of the many published files that forget to say so.
        defaults.do_sample = True
    # Whoever loads the directory would derive them from config.json otherwise, and lose these.
    defaults._from_model_config = False
    return defaults

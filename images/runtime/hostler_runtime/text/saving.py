"""A decoder as files that other programs load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers.utils import logging as library_logging

from hostler_runtime.text.templates import answer_ends


def save_decoder(model: Any, tokenizer: Any, directory: Path, *, generation: GenerationConfig) -> None:
    """Safetensors, configuration, generation defaults and tokenizer, as transformers has them."""
    library_logging.disable_progress_bar()  # a log is no terminal
    model.config.use_cache = True  # off in training only; a server wants it
    model.generation_config = generation
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the tokenizer's own first, then those that its chat template ends answers with and
    those that the model's generation defaults name already."""
    stored = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = [tokenizer.eos_token_id, *answer_ends(tokenizer), *(stored if isinstance(stored, list) else [stored])]
    return list(dict.fromkeys(int(token) for token in found if token is not None))


def generation_defaults(model: Any, tokenizer: Any, *, temperature: float) -> GenerationConfig:
    """How the saved model is to answer, where a request says nothing else."""
    ends = end_tokens(model, tokenizer)
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0] if ends else None,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=temperature,
        top_p=0.95,
    )

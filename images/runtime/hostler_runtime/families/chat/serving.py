"""The serving half of the chat family: a decoder-only language model from a plain Hugging Face directory."""

from __future__ import annotations

from pathlib import Path

from hostler_runtime.protocols.serving import LoadOptions
from hostler_runtime.text.language import DecoderModel, load_language_model


def load(path: Path, *, options: LoadOptions) -> DecoderModel:
    """Load and check. Raises ``UnservableError``."""
    options.refuse_adapters("chat")
    return load_language_model(path)

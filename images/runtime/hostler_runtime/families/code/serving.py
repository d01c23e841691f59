"""The serving half of the code family: completions of programs, and what stands between two parts of one."""

from __future__ import annotations

from pathlib import Path

from hostler_runtime.protocols.serving import LoadOptions
from hostler_runtime.text.language import DecoderModel, load_language_model


def load(path: Path, *, options: LoadOptions) -> DecoderModel:
    """Load and check. Raises ``UnservableError``."""
    options.refuse_adapters("code")
    return load_language_model(path)

"""The model families of this image, each with a training half and a serving half.

The halves are imported on demand and apart, so that a server never pays for training code and a trainer never
for serving code. A family is a package beside this file; adding one touches nothing but this tuple.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

FAMILIES: Final = ("chat", "code", "bert", "text-to-image", "text-to-video", "speech-to-text", "gan", "vae")


def serving_half(family: str) -> Any:
    """The module that satisfies ``protocols.serving.ServingHalf``."""
    return _half(family, "serving")


def training_half(family: str) -> Any:
    """The module that satisfies ``protocols.training.TrainingHalf``."""
    return _half(family, "training")


def _half(family: str, half: str) -> Any:
    if family not in FAMILIES:
        raise LookupError(f"unknown family {family!r}; this image has: {', '.join(FAMILIES)}")
    return importlib.import_module(f"hostler_runtime.families.{family.replace('-', '_')}.{half}")

"""Networks from directories as diffusers writes them, each in a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as library_logging

from hostler_runtime import pretrained
from hostler_runtime.pretrained import CONFIGURATION, guarded, pickled_hint, read_json, require_weights, unreadable


def load_network(kind: Any, directory: Path) -> Any:
    """A network of diffusers or transformers, in evaluation mode. Raises ``UnservableError``."""
    quiet()
    config = read_json(directory / CONFIGURATION)
    declared = config.get("_class_name") or ", ".join(config.get("architectures") or [])
    if declared != kind.__name__:
        raise unreadable(f"{directory / CONFIGURATION} describes {declared or 'nothing'}, not {kind.__name__}")
    weights = sorted(path.name for path in directory.glob("*.safetensors"))
    if not weights:
        raise unreadable(f"{directory} has no weights in safetensors{pickled_hint(directory)}")
    network, facts = guarded(
        directory / weights[0],
        lambda: kind.from_pretrained(
            directory,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, in words
            **precision(kind),
        ),
    )
    require_weights(directory, facts)
    return network.eval()


def precision(kind: Any) -> dict[str, Any]:
    """Single precision, in which training happens and CPUs compute."""
    if kind.__module__.startswith("transformers"):
        return {"dtype": torch.float32}
    # Otherwise diffusers builds networks without memory, in which parametrized weights cannot be set up.
    return {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}


def quiet() -> None:
    """Both libraries' own reports go to the log as errors or not at all."""
    pretrained.quiet()
    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()

"""How a model's own files recommend that it answers: ``generation_config.json``, which the trainers of a model write.

What a request says wins. What the server's sampler does not know is named in the log once, when the model is loaded.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from hostler_runtime.logs import event
from hostler_runtime.protocols.serving import SamplingDefaults

_APPLIED: Final[Mapping[str, tuple[type[int] | type[float], Callable[[float], bool]]]] = {
    "temperature": (float, lambda value: value >= 0),
    "top_p": (float, lambda value: 0 <= value <= 1),
    "top_k": (int, lambda value: value >= 0),
    "min_p": (float, lambda value: 0 <= value <= 1),
    "repetition_penalty": (float, lambda value: value > 0),
    "max_new_tokens": (int, lambda value: value >= 1),
}
"""Type of each setting that is applied, and which values make sense."""
_ELSEWHERE: Final = frozenset(
    {
        "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id",  # read with the tokenizer
        "do_sample",  # servers draw unless the temperature is 0, as the OpenAI API does
        "use_cache", "cache_implementation", "return_dict_in_generate",  # change no answer
        "output_attentions", "output_hidden_states", "output_logits", "output_scores",
        "transformers_version",
    }
)  # fmt: skip

logger = logging.getLogger(__name__)


def recommended(generation: Any) -> SamplingDefaults:
    """The settings of a ``GenerationConfig`` that the server applies."""
    named = {
        name: value
        for name, value in generation.to_diff_dict().items()
        if value is not None and name not in _ELSEWHERE and not name.startswith("_")
    }
    applied = {name: _APPLIED[name][0](value) for name, value in named.items() if _makes_sense(name, value)}
    if left := {name: value for name, value in named.items() if name not in applied}:
        event(
            logger,
            "generation_config.json has settings that this server does not apply",
            level=logging.WARNING,
            settings=", ".join(f"{name} {value!r}" for name, value in sorted(left.items())),
        )
    return SamplingDefaults(**applied)  # type: ignore[arg-type]


def _makes_sense(name: str, value: Any) -> bool:
    if name not in _APPLIED or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    kind, holds = _APPLIED[name]
    return math.isfinite(value) and holds(value) and kind(value) == value

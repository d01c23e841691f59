"""One vector out of a sequence's tokens, as the model's directory defines it in the layout of sentence-transformers.

``modules.json`` lists what stands on the encoder: pooling, dense layers, normalization. Without it, a vector is the
mean over all tokens with the length 1, as most embeddings are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from hostler_runtime.pretrained import WEIGHTS, guarded, pickled_hint, read_json, unreadable

MODULES: Final = "modules.json"
_SETTINGS: Final = "config_sentence_transformers.json"
_TRANSFORMER: Final = "sentence_*_config.json"

Step = Callable[[Tensor], Tensor]
"""From the vector of one module to that of the next."""


def _weighted(tokens: Tensor) -> Tensor:
    weights = torch.arange(1, len(tokens) + 1, dtype=tokens.dtype, device=tokens.device)[:, None]
    return (tokens * weights).sum(0) / weights.sum()


_MODES: Final[Mapping[str, Step]] = {
    "cls_token": lambda tokens: tokens[0],
    "max_tokens": lambda tokens: tokens.max(0).values,
    "mean_tokens": lambda tokens: tokens.mean(0),
    "mean_sqrt_len_tokens": lambda tokens: tokens.sum(0) / len(tokens) ** 0.5,
    "weightedmean_tokens": _weighted,
    "lasttoken": lambda tokens: tokens[-1],
}
"""What becomes of tokens x width, by the name behind ``pooling_mode_``; where several are on, side by side in this
order."""
_SHORT_NAMES: Final = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean": "weightedmean_tokens",
    "lasttoken": "lasttoken",
}
"""Values of ``pooling_mode``, which newer files have instead."""
_ACTIVATIONS: Final[Mapping[str, Step]] = {
    "Identity": lambda vector: vector,
    "Tanh": torch.tanh,
    "ReLU": functional.relu,
    "GELU": functional.gelu,
    "Sigmoid": torch.sigmoid,
}


@dataclass(frozen=True)
class Pooling:
    """How texts become vectors."""

    modes: tuple[str, ...] = ("mean_tokens",)
    steps: tuple[Step, ...] = ()
    """Dense layers and normalizations, in order."""
    unit: bool = True
    """Whether vectors end with length 1."""
    width: int | None = None
    """Length of a vector; None is what the encoder's width and the modes make."""
    longest: int | None = None
    """Most tokens of a text with those that begin and end it, where it is less than the encoder reads."""
    lowercase: bool = False
    prompt: str = ""
    """What stands before every text."""

    def prepared(self, text: str) -> str:
        """The text as the encoder is to read it."""
        text = self.prompt + text
        return text.lower() if self.lowercase else text

    def vector(self, tokens: Tensor, *, dimensions: int | None = None) -> Tensor:
        """The vector of one sequence from the encoder's last layer (tokens x width), or its first ``dimensions``."""
        found = torch.cat([_MODES[mode](tokens) for mode in self.modes])
        for step in self.steps:
            found = step(found)
        found = found[:dimensions]
        # Shortened before it gets its length, so that it stays a unit vector.
        return functional.normalize(found, dim=0) if self.unit else found


MEAN: Final = Pooling()


def read_pooling(path: Path) -> Pooling:
    """What the directory says of embeddings. Raises ``UnservableError`` where it says what cannot be done here."""
    if not (path / MODULES).is_file():
        return MEAN
    modules = _modules(path)
    kinds = [kind for kind, _ in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or modules[0][1] != path:
        raise unreadable(
            f"{path / MODULES}: begins with {', '.join(kinds[:2]) or 'nothing'}, not with the encoder in this "
            "directory and a pooling"
        )
    pooling = read_json(modules[1][1] / "config.json")
    steps = [_step(kind, place) for kind, place in modules[2:]]
    width = next((step.out for step in reversed(steps) if isinstance(step, Dense)), None)
    settings, transformer = _optional(path / _SETTINGS), _optional(next(iter(sorted(path.glob(_TRANSFORMER))), None))
    prompt = str((settings.get("prompts") or {}).get(settings.get("default_prompt_name") or "", ""))
    if prompt and not pooling.get("include_prompt", True):
        raise unreadable(
            f"{path / _SETTINGS}: has a prompt that pooling leaves out (include_prompt), which is not done here"
        )
    unit = bool(kinds) and kinds[-1] == "Normalize"
    modes = _modes(modules[1][1] / "config.json", pooling)
    return Pooling(
        modes=modes,
        steps=tuple(steps[:-1] if unit else steps),
        unit=unit,
        width=width if width is not None else _width(pooling, modes),
        longest=transformer.get("max_seq_length"),
        lowercase=bool(transformer.get("do_lower_case")),
        prompt=prompt,
    )


def copy_pooling(source: Path, target: Path) -> None:
    """Bring the definition along to a model that was made from the encoder in ``source``."""
    if not (source / MODULES).is_file():
        return
    for file in (source / MODULES, source / _SETTINGS, *source.glob(_TRANSFORMER)):
        if file.is_file():
            shutil.copyfile(file, target / file.name)
    for _, place in _modules(source):
        if place != source:
            (target / place.name).mkdir(exist_ok=True)
            for name in ("config.json", WEIGHTS):
                if (place / name).is_file():
                    shutil.copyfile(place / name, target / place.name / name)


@dataclass(frozen=True)
class Dense:
    """A linear layer on the vector."""

    weight: Tensor
    bias: Tensor | None
    activation: Step

    @property
    def out(self) -> int:
        """Length of the vector that comes out."""
        return int(self.weight.shape[0])

    def __call__(self, vector: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(vector)
        return self.activation(functional.linear(vector, self.weight.to(vector), bias))


def _modules(path: Path) -> list[tuple[str, Path]]:
    """Kind and directory of each module, in order."""
    listed: Any = guarded(path / MODULES, lambda: json.loads((path / MODULES).read_bytes()))
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and {"type", "path"} <= one.keys() for one in listed
    ):
        raise unreadable(f"{path / MODULES}: is no list of objects with type and path")
    found = []
    for one in sorted(listed, key=lambda one: int(one.get("idx", 0))):
        place = path / str(one["path"])
        if place.parent != path and place != path:
            raise unreadable(f"{path / MODULES}: {one['path']!r} is no directory of the model")
        found.append((str(one["type"]).rsplit(".", 1)[-1], place))
    return found


def _modes(file: Path, settings: Mapping[str, Any]) -> tuple[str, ...]:
    named = settings.get("pooling_mode")
    if named is not None:
        wanted = [named] if isinstance(named, str) else list(named)
        unknown = [one for one in wanted if one not in _SHORT_NAMES]
        chosen = {_SHORT_NAMES[one] for one in wanted if one in _SHORT_NAMES}
    else:
        asked = [
            key.removeprefix("pooling_mode_") for key, on in settings.items() if key.startswith("pooling_mode_") and on
        ]
        unknown, chosen = [one for one in asked if one not in _MODES], set(asked)
    if unknown or not chosen:
        raise unreadable(f"{file}: pools by {', '.join(map(str, unknown)) or 'nothing'}; known are {', '.join(_MODES)}")
    return tuple(mode for mode in _MODES if mode in chosen)


def _width(settings: Mapping[str, Any], modes: tuple[str, ...]) -> int | None:
    each = settings.get("word_embedding_dimension") or settings.get("embedding_dimension")
    return each * len(modes) if isinstance(each, int) else None


def _step(kind: str, place: Path) -> Step:
    if kind == "Normalize":
        return lambda vector: functional.normalize(vector, dim=0)
    if kind == "Dropout":
        return lambda vector: vector
    if kind != "Dense":
        raise unreadable(
            f"{place.parent / MODULES}: the module {kind} is not known; known are Pooling, Dense, Normalize"
        )
    settings = read_json(place / "config.json")
    name = str(settings.get("activation_function", "torch.nn.modules.activation.Tanh")).rsplit(".", 1)[-1]
    if name not in _ACTIVATIONS:
        raise unreadable(
            f"{place / 'config.json'}: the activation {name} is not known; known are {', '.join(_ACTIVATIONS)}"
        )
    if not (place / WEIGHTS).is_file():
        raise unreadable(f"{place} has no {WEIGHTS}{pickled_hint(place)}")
    tensors = guarded(place / WEIGHTS, lambda: load_file(place / WEIGHTS))
    if "linear.weight" not in tensors:
        raise unreadable(f"{place / WEIGHTS} has no linear.weight")
    return Dense(tensors["linear.weight"], tensors.get("linear.bias"), _ACTIVATIONS[name])


def _optional(path: Path | None) -> dict[str, Any]:
    return read_json(path) if path is not None and path.is_file() else {}

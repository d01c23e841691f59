"""From a Hugging Face directory to a model in memory: offline, safetensors only, no code from the directory.

transformers fills missing weights with random numbers and only warns; here that is an error, like every other
way in which the artifacts can differ from what they claim to be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging as quiet

from hostler_contract import ErrorReason
from hostler_runtime.families.serving_protocol import UnservableError

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
HARMLESS_LEFTOVERS = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "position_ids")
"""Buffers that old checkpoints carry and current code computes."""
LARGEST_SURPLUS = 2
"""How many times the stored parameters a configuration may describe: weights that are shared are stored once."""

_OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

T = TypeVar("T")


def load_artifacts(path: Path, *, dtype: torch.dtype | str | None = None, device: str | None = None) -> tuple[Any, Any]:
    """Model (in evaluation mode, without gradients) and tokenizer. Raises ``UnservableError``.

    ``dtype`` and ``device`` are, where absent, those that suit inference on this machine.
    """
    config = read_configuration(path)
    _check_size(path, config)
    tokenizer = read_tokenizer(path)
    loaded: Any = _guarded(
        path / WEIGHTS,
        lambda: AutoModelForCausalLM.from_pretrained(
            path, config=config, use_safetensors=True, dtype=dtype or _dtype(), output_loading_info=True, **_OFFLINE
        ),
    )
    model, facts = loaded
    _check_weights(path, facts)
    _check_vocabulary(path, model, tokenizer)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return model.to(device).eval().requires_grad_(False), tokenizer


def read_configuration(path: Path) -> Any:
    """What a directory says its decoder is, after a look at which files it has. Raises ``UnservableError``."""
    quiet.set_verbosity_error()  # type: ignore[no-untyped-call]
    quiet.disable_progress_bar()  # type: ignore[no-untyped-call]
    _check_files(path)
    _check_architecture(path)
    return _guarded(path / "config.json", lambda: AutoConfig.from_pretrained(path, **_OFFLINE))


def read_tokenizer(path: Path) -> Any:
    """The tokenizer of a directory. Raises ``UnservableError``."""
    return _guarded(path / "tokenizer.json", lambda: AutoTokenizer.from_pretrained(path, **_OFFLINE))


def _dtype() -> torch.dtype | str:
    # bf16 and fp16 are slower than fp32 on CPUs without matrix units, and fp16 lacks kernels.
    return "auto" if torch.cuda.is_available() else torch.float32


def _check_files(path: Path) -> None:
    if not path.is_dir():
        raise _unreadable(f"there is no directory {path}; is the model's volume mounted?")
    for name, use in (("config.json", "says what the model is"), ("tokenizer.json", "turns text into tokens")):
        if not (path / name).is_file():
            raise _unreadable(f"{path} has no {name}, which {use}")
    if (path / WEIGHTS_INDEX).is_file():
        _check_shards(path)
    elif not (path / WEIGHTS).is_file():
        pickled = sorted(one.name for one in path.glob("*.bin"))
        hint = f" ({', '.join(pickled)} can run code when loaded; convert it to safetensors)" if pickled else ""
        raise _unreadable(f"{path} has no {WEIGHTS}{hint}")


def _check_shards(path: Path) -> None:
    if not isinstance(_json(path / WEIGHTS_INDEX).get("weight_map"), dict):
        raise _unreadable(f"{path / WEIGHTS_INDEX} has no weight_map")
    missing = [name for name in _weight_files(path) if not (path / name).is_file()]
    if missing:
        raise _unreadable(f"{path} lacks {_some(missing)}, which {WEIGHTS_INDEX} names")


def _check_architecture(path: Path) -> None:
    config = _json(path / "config.json")
    declared = config.get("architectures") or []
    decoders: set[str] = set()
    for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        decoders.update([names] if isinstance(names, str) else names)
    if config.get("is_encoder_decoder") or (declared and not decoders.intersection(declared)):
        what = ", ".join(map(str, declared)) or config.get("model_type")
        raise _unreadable(f"{path / 'config.json'}: {what} is not a decoder-only language model")


def _check_size(path: Path, config: Any) -> None:
    """Before any memory is taken: a wrong config.json can describe a model of many times the weights' size."""

    def described() -> int:
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        return sum(parameter.numel() for parameter in model.parameters())

    def stored() -> int:
        total = 0
        for name in _weight_files(path):
            with safe_open(path / name, framework="pt") as file:
                total += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
        return total

    wanted, found = _guarded(path / "config.json", described), _guarded(path / WEIGHTS, stored)
    if wanted > LARGEST_SURPLUS * found:
        raise _unreadable(
            f"{path / 'config.json'} describes a model of {wanted:,} parameters, the weights beside it hold {found:,}"
        )


def _weight_files(path: Path) -> list[str]:
    if (path / WEIGHTS_INDEX).is_file():
        return sorted({str(name) for name in _json(path / WEIGHTS_INDEX)["weight_map"].values()})
    return [WEIGHTS]


def _check_weights(path: Path, facts: dict[str, Any]) -> None:
    extra = [key for key in facts["unexpected_keys"] if not key.endswith(HARMLESS_LEFTOVERS)]
    for keys, what in (
        (facts["missing_keys"], "are missing"),
        (facts["mismatched_keys"], "have another shape"),
        (extra, "have no place in it"),
    ):
        if keys:
            names = sorted(key if isinstance(key, str) else str(key[0]) for key in keys)
            raise _unreadable(
                f"the weights in {path} are not of the architecture that config.json describes: "
                f"{len(names)} tensors {what}, such as {_some(names)}"
            )


def _check_vocabulary(path: Path, model: Any, tokenizer: Any) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise _unreadable(
            f"the tokenizer in {path} has {len(tokenizer)} tokens, the model only {rows}; they are not a pair"
        )


def _json(path: Path) -> dict[str, Any]:
    value = _guarded(path, lambda: json.loads(path.read_bytes()))
    if not isinstance(value, dict):
        raise _unreadable(f"{path} is not a JSON object")
    return value


def _guarded(path: Path, read: Callable[[], T]) -> T:
    """Libraries raise anything on damaged files; all of it means the same to the user."""
    try:
        return read()
    except torch.cuda.OutOfMemoryError as error:
        raise UnservableError(ErrorReason.OUT_OF_MEMORY, f"{path}: the model does not fit: {error}") from error
    except MemoryError as error:
        raise UnservableError(ErrorReason.OUT_OF_MEMORY, f"{path}: the model does not fit into memory") from error
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise _unreadable(f"cannot read {path}: {type(error).__name__}: {first_line}") from error


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (" and more" if len(listed) > 3 else "")


def _unreadable(message: str) -> UnservableError:
    return UnservableError(ErrorReason.ARTIFACT_UNREADABLE, message)

"""Networks from directories as diffusers writes them: offline, safetensors only, every weight in its place.

diffusers fills missing weights with random numbers and only warns; here that is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.serving_protocol import UnservableError

T = TypeVar("T")


def load_network(kind: Any, directory: Path) -> Any:
    """A network of diffusers or transformers, in evaluation mode. Raises ``UnservableError``."""
    quiet()
    config = read_json(directory / "config.json")
    declared = config.get("_class_name") or ", ".join(config.get("architectures") or [])
    if declared != kind.__name__:
        raise unreadable(f"{directory / 'config.json'} describes {declared or 'nothing'}, not {kind.__name__}")
    weights = sorted(path.name for path in directory.glob("*.safetensors"))
    if not weights:
        pickled = sorted(path.name for path in directory.glob("*.bin"))
        hint = f" ({', '.join(pickled)} can run code when loaded; convert it to safetensors)" if pickled else ""
        raise unreadable(f"{directory} has no weights in safetensors{hint}")
    network, facts = guarded(
        directory / weights[0],
        lambda: kind.from_pretrained(
            directory, use_safetensors=True, local_files_only=True, output_loading_info=True, **precision(kind)
        ),
    )
    for key, what in (
        ("missing_keys", "are missing"),
        ("mismatched_keys", "have another shape"),
        ("unexpected_keys", "have no place in it"),
    ):
        # Position ids are computed; old checkpoints carry them.
        names = [str(name) for name in facts.get(key) or () if not str(name).endswith("position_ids")]
        if names:
            raise unreadable(
                f"the weights in {directory} are not of the network that config.json describes: "
                f"{len(names)} tensors {what}, such as {', '.join(sorted(names)[:3])}"
            )
    return network.eval()


def precision(kind: Any) -> dict[str, Any]:
    """Single precision, in which training happens and CPUs compute."""
    if kind.__module__.startswith("transformers"):
        return {"dtype": torch.float32}
    # Otherwise diffusers builds networks without memory, in which parametrized weights cannot be set up.
    return {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}


def from_base(read: Callable[[], T], *, what: str) -> T:
    """Read a model that a job starts from. Raises ``RuntimeFailure``."""
    try:
        return read()
    except UnservableError as error:
        raise RuntimeFailure(error.reason, f"{what} cannot be used: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ``UnservableError``."""
    if not path.parent.is_dir():
        raise unreadable(f"there is no directory {path.parent}; is the model's volume mounted?")
    if not path.is_file():
        raise unreadable(f"{path.parent} has no {path.name}")
    value = guarded(path, lambda: json.loads(path.read_bytes()))
    if not isinstance(value, dict):
        raise unreadable(f"{path} is not a JSON object")
    return value


def guarded(path: Path, read: Callable[[], T]) -> T:
    """Libraries raise anything on damaged files; all of it means the same to the user."""
    try:
        return read()
    except UnservableError:
        raise
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise UnservableError(ErrorReason.OUT_OF_MEMORY, f"{path}: the model does not fit into memory") from error
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise unreadable(f"cannot read {path}: {type(error).__name__}: {first_line}") from error


def require_finite(tensors: Iterable[torch.Tensor], *, path: Path) -> None:
    """Refuse the weights of a run that diverged. Raises ``UnservableError``."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise unreadable(f"the weights in {path} hold NaN or infinity; take another checkpoint")


def unreadable(message: str) -> UnservableError:
    """Artifacts that are not what they claim to be."""
    return UnservableError(ErrorReason.ARTIFACT_UNREADABLE, message)


def quiet() -> None:
    """The libraries' own reports go to the log as errors or not at all."""
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def serving_device() -> torch.device:
    """Where a served model computes."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")

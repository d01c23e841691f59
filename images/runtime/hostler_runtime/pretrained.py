"""Directories of the Hugging Face libraries, read strictly: offline, safetensors only, no code from the directory.

The libraries fill missing weights with random numbers and only warn; here that is an error, like every other way in
which files can differ from what they claim to be.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from safetensors import safe_open
from transformers import AutoTokenizer
from transformers.utils import logging as library_logging

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.serving import UnservableError

CONFIGURATION: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
WEIGHTS_INDEX: Final = "model.safetensors.index.json"
OFFLINE: Final[dict[str, Any]] = {"local_files_only": True, "trust_remote_code": False}
LARGEST_SURPLUS: Final = 2
"""How many times the stored parameters a configuration may describe: weights that are shared are stored once."""

_COMPUTED: Final = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "position_ids")
"""Buffers that old checkpoints carry and current code computes."""

T = TypeVar("T")


def quiet() -> None:
    """transformers' own reports go to the log as errors or not at all."""
    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()


def unreadable(message: str) -> UnservableError:
    """Artifacts that are not what they claim to be."""
    return UnservableError(ErrorReason.ARTIFACT_UNREADABLE, message)


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


def from_base(read: Callable[[], T], *, what: str) -> T:
    """Read a model that a job starts from. Raises ``RuntimeFailure``."""
    try:
        return read()
    except UnservableError as error:
        raise RuntimeFailure(error.reason, f"{what} cannot be used: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ``UnservableError``."""
    require_directory(path.parent)
    if not path.is_file():
        raise unreadable(f"{path.parent} has no {path.name}")
    value = guarded(path, lambda: json.loads(path.read_bytes()))
    if not isinstance(value, dict):
        raise unreadable(f"{path} is not a JSON object")
    return value


def read_tokenizer(path: Path, *, vocabulary_size: int | None = None) -> Any:
    """The tokenizer, which must fit a model of so many tokens. Raises ``UnservableError``."""
    tokenizer = guarded(path / "tokenizer.json", lambda: AutoTokenizer.from_pretrained(path, **OFFLINE))
    if vocabulary_size is not None and len(tokenizer) > vocabulary_size:
        raise unreadable(
            f"the tokenizer in {path} has {len(tokenizer)} tokens, the model only {vocabulary_size}; "
            "they are not a pair"
        )
    return tokenizer


def require_directory(path: Path) -> None:
    """Raises ``UnservableError`` where there is none."""
    if not path.is_dir():
        raise unreadable(f"there is no directory {path}; is the model's volume mounted?")


def require_files(path: Path, needed: Mapping[str | tuple[str, ...], str]) -> None:
    """One of each name, or of alternative names, with what it is for; and weights. Raises ``UnservableError``."""
    require_directory(path)
    for names, use in needed.items():
        wanted = (names,) if isinstance(names, str) else names
        if not any((path / name).is_file() for name in wanted):
            raise unreadable(f"{path} has no {' or '.join(wanted)}, which {use}")
    if not (path / WEIGHTS_INDEX).is_file() and not (path / WEIGHTS).is_file():
        raise unreadable(f"{path} has no {WEIGHTS}{pickled_hint(path)}")
    missing = [name for name in weight_files(path) if not (path / name).is_file()]
    if missing:
        raise unreadable(f"{path} lacks {some(missing)}, which {WEIGHTS_INDEX} names")


def pickled_hint(path: Path) -> str:
    """What to say of weights that are there, but as pickles."""
    pickled = sorted(one.name for one in path.glob("*.bin"))
    return f" ({', '.join(pickled)} can run code when loaded; convert it to safetensors)" if pickled else ""


def weight_files(path: Path) -> list[str]:
    """Names of the files that hold the weights, one or the shards that an index names. Raises ``UnservableError``."""
    if not (path / WEIGHTS_INDEX).is_file():
        return [WEIGHTS]
    places = read_json(path / WEIGHTS_INDEX).get("weight_map")
    if not isinstance(places, dict):
        raise unreadable(f"{path / WEIGHTS_INDEX} has no weight_map")
    return sorted({str(name) for name in places.values()})


def require_size(path: Path, build: Callable[[], torch.nn.Module]) -> None:
    """That the network of ``build`` has about as many weights as are stored. Raises ``UnservableError``.

    Asked before any memory is taken: a wrong config.json can describe a model of many times the weights' size.
    """

    def described() -> int:
        with torch.device("meta"):
            network = build()
        return sum(parameter.numel() for parameter in network.parameters())

    def stored() -> int:
        total = 0
        for name in weight_files(path):
            with safe_open(path / name, framework="pt") as file:
                total += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
        return total

    wanted, found = guarded(path / CONFIGURATION, described), guarded(path / WEIGHTS, stored)
    if wanted > LARGEST_SURPLUS * found:
        raise unreadable(
            f"{path / CONFIGURATION} describes a model of {wanted:,} parameters, the weights beside it hold {found:,}"
        )


def require_weights(
    path: Path,
    facts: Mapping[str, Collection[Any]],
    *,
    may_lack: tuple[str, ...] = (),
    may_exceed: tuple[str, ...] = (),
) -> None:
    """That every weight found its place. Raises ``UnservableError``.

    ``facts`` is what the library's ``output_loading_info`` gives; names that begin as in ``may_lack`` may be missing,
    those that begin as in ``may_exceed`` may be there without a place.
    """
    for key, what, forgiven, computed in (
        ("missing_keys", "are missing", may_lack, ()),
        ("mismatched_keys", "have another shape", (), ()),
        ("unexpected_keys", "have no place in it", may_exceed, _COMPUTED),
    ):
        names = sorted(name if isinstance(name, str) else str(name[0]) for name in facts.get(key) or ())
        wrong = [name for name in names if not name.startswith(forgiven) and not name.endswith(computed)]
        if wrong:
            raise unreadable(
                f"the weights in {path} are not of the architecture that config.json describes: "
                f"{len(wrong)} tensors {what}, such as {some(wrong)}"
            )


def require_finite(tensors: Iterable[torch.Tensor], *, path: Path) -> None:
    """Refuse the weights of a run that diverged. Raises ``UnservableError``."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise unreadable(f"the weights in {path} hold NaN or infinity; take another checkpoint")


def serving_device() -> torch.device:
    """Where a served model computes."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_granted_threads() -> None:
    """Compute with as many threads as ``OMP_NUM_THREADS`` says; where it says nothing, torch decides."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > 0:
        torch.set_num_threads(int(threads))


def some(names: Iterable[str]) -> str:
    """The first three of a list of names."""
    listed = list(names)
    return ", ".join(listed[:3]) + (" and more" if len(listed) > 3 else "")

"""A BERT as the ecosystem stores it: a directory with configuration, vocabulary and weights in safetensors.

Read offline and without code from the directory. transformers fills weights that are missing with random numbers and
only warns; here that is an error, except for the head of a base model that gets another one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from safetensors import safe_open
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

from hostler_contract import ErrorReason
from hostler_runtime.families.bert.network import HEADS, PackedEncoder, label_names
from hostler_runtime.families.serving_protocol import UnservableError

WEIGHTS: Final = "model.safetensors"
WEIGHTS_INDEX: Final = "model.safetensors.index.json"
LARGEST_SURPLUS: Final = 2
"""How many times the stored parameters a configuration may describe: weights that are shared are stored once."""
_HEADS_BY_CLASS: Final = {
    "BertForMaskedLM": "masked-lm",
    "BertForPreTraining": "masked-lm",
    "BertForSequenceClassification": "classification",
    "BertForQuestionAnswering": "question-answering",
    "BertModel": None,
}
_HEAD_WEIGHTS: Final = ("cls.", "classifier.", "qa_outputs.", "bert.pooler.")
_LEFTOVERS: Final = ("cls.seq_relationship.", "bert.pooler.", "pooler.")
"""Weights that a checkpoint may hold beyond its head: published ones were trained on sentence order too."""
_OFFLINE: Final = {"local_files_only": True, "trust_remote_code": False}

T = TypeVar("T")


@dataclass(frozen=True)
class BertDirectory:
    """What ``config.json`` says, and the means to read the rest."""

    path: Path
    config: BertConfig
    head: str | None
    """None for an encoder alone."""

    @property
    def context_length(self) -> int:
        """Longest sequence, in tokens."""
        return int(self.config.max_position_embeddings)

    @property
    def labels(self) -> list[str]:
        """Names of a classifier's labels, in order."""
        return [str(self.config.id2label[index]) for index in range(self.config.num_labels)]

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The vocabulary. Raises ``UnservableError``, also where it does not belong to the weights."""
        if not any((self.path / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
            raise _unreadable(f"{self.path} has no tokenizer.json or vocab.txt, which turns text into tokens")
        tokenizer: PreTrainedTokenizerFast = _guarded(
            self.path / "tokenizer.json", lambda: AutoTokenizer.from_pretrained(self.path, **_OFFLINE)
        )
        if len(tokenizer) > self.config.vocab_size:
            raise _unreadable(
                f"the tokenizer in {self.path} has {len(tokenizer)} tokens, the model only {self.config.vocab_size}; "
                "they are not a pair"
            )
        absent = [name for name in ("cls", "sep", "pad", "mask") if getattr(tokenizer, f"{name}_token_id") is None]
        if absent:
            raise _unreadable(f"the tokenizer in {self.path} has no token for {', '.join(absent)}")
        return tokenizer

    def network(self, *, head: str | None, labels: list[str], dtype: torch.dtype | str) -> PackedEncoder:
        """The network with its own head or another, whose weights are then fresh. Raises ``UnservableError``."""
        library_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        kind = BertModel if head is None else HEADS[head]
        config = self.config
        if labels and head == "classification" and self.head != head:
            config = _guarded(self.path, lambda: BertConfig.from_pretrained(self.path, **label_names(labels)))
        _check_size(self.path, config, kind)
        loaded: Any = _guarded(
            self.path / WEIGHTS,
            lambda: kind.from_pretrained(
                self.path, config=config, use_safetensors=True, dtype=dtype, output_loading_info=True, **_OFFLINE
            ),
        )
        model, facts = loaded
        _check_weights(self.path, facts, exempt=_LEFTOVERS if head == self.head else _HEAD_WEIGHTS)
        return PackedEncoder(model, head=head)


def open_directory(path: Path) -> BertDirectory:
    """Look at what a directory holds before anything is loaded. Raises ``UnservableError``."""
    if not path.is_dir():
        raise _unreadable(f"there is no directory {path}; is the model's volume mounted?")
    if not (path / "config.json").is_file():
        raise _unreadable(f"{path} has no config.json, which says what the model is")
    if not (path / WEIGHTS_INDEX).is_file() and not (path / WEIGHTS).is_file():
        pickled = sorted(one.name for one in path.glob("*.bin"))
        hint = f" ({', '.join(pickled)} can run code when loaded; convert it to safetensors)" if pickled else ""
        raise _unreadable(f"{path} has no {WEIGHTS}{hint}")
    missing = [name for name in _weight_files(path) if not (path / name).is_file()]
    if missing:
        raise _unreadable(f"{path} lacks {_some(missing)}, which {WEIGHTS_INDEX} names")
    declared = _json(path / "config.json")
    kinds = [name for name in declared.get("architectures") or [] if name in _HEADS_BY_CLASS]
    if declared.get("model_type") != "bert" or (declared.get("architectures") and not kinds):
        what = ", ".join(map(str, declared.get("architectures") or [])) or declared.get("model_type")
        raise _unreadable(f"{path / 'config.json'}: {what} is not a BERT with a head for words, labels or answers")
    if declared.get("is_decoder"):
        raise _unreadable(f"{path / 'config.json'}: this BERT is a decoder (is_decoder), not an encoder")
    config = _guarded(path / "config.json", lambda: BertConfig.from_pretrained(path, **_OFFLINE))
    return BertDirectory(path, config, _HEADS_BY_CLASS[kinds[0]] if kinds else None)


def _check_size(path: Path, config: BertConfig, kind: Any) -> None:
    """Before any memory is taken: a wrong config.json can describe a model of many times the weights' size."""

    def described() -> int:
        with torch.device("meta"):
            model = kind(config)
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
    if not (path / WEIGHTS_INDEX).is_file():
        return [WEIGHTS]
    places = _json(path / WEIGHTS_INDEX).get("weight_map")
    if not isinstance(places, dict):
        raise _unreadable(f"{path / WEIGHTS_INDEX} has no weight_map")
    return sorted({str(name) for name in places.values()})


def _check_weights(path: Path, facts: dict[str, Any], *, exempt: tuple[str, ...]) -> None:
    extra = [key for key in facts["unexpected_keys"] if not key.endswith("position_ids")]
    for keys, what, allowed in (
        (facts["missing_keys"], "are missing", () if exempt == _LEFTOVERS else exempt),
        (facts["mismatched_keys"], "have another shape", ()),
        (extra, "have no place in it", exempt),
    ):
        names = sorted(key if isinstance(key, str) else str(key[0]) for key in keys)
        wrong = [name for name in names if not name.startswith(allowed)] if allowed else names
        if wrong:
            raise _unreadable(
                f"the weights in {path} are not of the architecture that config.json describes: "
                f"{len(wrong)} tensors {what}, such as {_some(wrong)}"
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
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise UnservableError(ErrorReason.OUT_OF_MEMORY, f"{path}: the model does not fit into memory") from error
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise _unreadable(f"cannot read {path}: {type(error).__name__}: {first_line}") from error


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (" and more" if len(listed) > 3 else "")


def _unreadable(message: str) -> UnservableError:
    return UnservableError(ErrorReason.ARTIFACT_UNREADABLE, message)

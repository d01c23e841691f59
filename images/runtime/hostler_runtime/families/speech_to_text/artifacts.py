"""From a directory in transformers' own layout to a format and a network: offline, safetensors only, no code from it.

transformers fills missing weights with random numbers and only warns; here that is an error, like every other
way in which the files can differ from what they claim to be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoTokenizer,
    WhisperForConditionalGeneration,
)
from transformers.utils import logging as library_logging

from hostler_contract import ErrorReason
from hostler_runtime.families.serving_protocol import UnservableError
from hostler_runtime.families.speech_to_text.conformer import ConformerFormat
from hostler_runtime.families.speech_to_text.networks import ParakeetForCTC
from hostler_runtime.families.speech_to_text.recognizers import ConformerRecognizer, Recognizer, WhisperRecognizer
from hostler_runtime.families.speech_to_text.whisper import (
    END,
    NO_TIMESTAMPS,
    START,
    TRANSCRIBE,
    TRANSLATE,
    WhisperFormat,
)

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_CLASSES: dict[str, Any] = {"whisper": WhisperForConditionalGeneration, "parakeet_ctc": ParakeetForCTC}
_OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_TIED = ("proj_out.weight",)
"""Stored once, as the decoder's embedding."""
_MOST_SECONDS = 30
"""Longest stretch that a published conformer hears at once; it has no limit of its own, but attention grows fast."""

T = TypeVar("T")


@dataclass(frozen=True)
class SpeechDirectory:
    """A directory that has been looked at, but whose weights have not been read."""

    path: Path
    config: Any

    @property
    def architecture(self) -> str:
        """As the contract names it."""
        return "whisper" if self.config.model_type == "whisper" else "conformer"

    def format(self) -> WhisperFormat | ConformerFormat:
        """Tokenizer and feature extractor. Raises ``UnservableError``, also where they do not belong to the weights."""
        tokenizer: Any = _guarded(
            self.path / "tokenizer.json", lambda: AutoTokenizer.from_pretrained(self.path, **_OFFLINE)
        )
        extractor: Any = _guarded(
            self.path / "preprocessor_config.json", lambda: AutoFeatureExtractor.from_pretrained(self.path, **_OFFLINE)
        )
        if len(tokenizer) > self.config.vocab_size:
            raise _unreadable(
                f"the tokenizer in {self.path} has {len(tokenizer)} tokens, the model only {self.config.vocab_size}; "
                "they are not a pair"
            )
        if self.architecture == "whisper":
            return self._whisper(tokenizer, extractor)
        return self._conformer(tokenizer, extractor)

    def network(self, *, dtype: torch.dtype | str) -> Any:
        """The network with every weight from the files. Raises ``UnservableError``."""
        library_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        model, facts = _guarded(
            self.path / _WEIGHTS[0],
            lambda: _CLASSES[self.config.model_type].from_pretrained(
                self.path,
                config=self.config,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, in words
                **_OFFLINE,
            ),
        )
        for kind, what in (
            ("missing_keys", "are missing"),
            ("mismatched_keys", "have another shape"),
            ("unexpected_keys", "have no place in it"),
        ):
            names = sorted(key if isinstance(key, str) else str(key[0]) for key in facts[kind])
            wrong = [name for name in names if name not in _TIED]
            if wrong:
                raise _unreadable(
                    f"the weights in {self.path} are not of the architecture that config.json describes: "
                    f"{len(wrong)} tensors {what}, such as {', '.join(wrong[:3])}"
                )
        return model

    def _whisper(self, tokenizer: Any, extractor: Any) -> WhisperFormat:
        generation = self.path / "generation_config.json"
        told = _json(generation) if generation.is_file() else {}
        layout = WhisperFormat(
            tokenizer,
            extractor,
            text_positions=self.config.max_target_positions,
            multilingual=told.get("is_multilingual", True) is not False,
        )
        needed = (END, START, NO_TIMESTAMPS, *((TRANSCRIBE, TRANSLATE) if layout.multilingual else ()))
        absent = [name for name in needed if tokenizer.convert_tokens_to_ids(name) in (None, tokenizer.unk_token_id)]
        absent = [name for name in absent if name != END]  # which is the unknown token too
        if absent or not layout.languages:
            raise _unreadable(
                f"the tokenizer in {self.path} is not Whisper's: it lacks {', '.join(absent) or 'languages'}"
            )
        positions = self.config.max_source_positions
        if extractor.nb_max_frames != 2 * positions or extractor.feature_size != self.config.num_mel_bins:
            raise _unreadable(
                f"the feature extractor in {self.path} makes {extractor.nb_max_frames} frames of "
                f"{extractor.feature_size} bins, the model hears {2 * positions} of {self.config.num_mel_bins}"
            )
        return layout

    def _conformer(self, tokenizer: Any, extractor: Any) -> ConformerFormat:
        encoder = self.config.encoder_config
        if extractor.feature_size != encoder.num_mel_bins:
            raise _unreadable(
                f"the feature extractor in {self.path} makes {extractor.feature_size} bins, the model hears "
                f"{encoder.num_mel_bins}"
            )
        seconds = getattr(self.config, "max_seconds", None) or _MOST_SECONDS
        return ConformerFormat(tokenizer, extractor, subsampling=encoder.subsampling_factor, max_seconds=seconds)


def open_directory(path: Path) -> SpeechDirectory:
    """Look at what a directory holds before anything is loaded. Raises ``UnservableError``."""
    if not path.is_dir():
        raise _unreadable(f"there is no directory {path}; is the model's volume mounted?")
    if not (path / "config.json").is_file():
        raise _unreadable(f"{path} has no config.json, which says what the model is")
    if not any((path / name).is_file() for name in _WEIGHTS):
        pickled = sorted(one.name for one in path.glob("*.bin"))
        hint = f" ({', '.join(pickled)} can run code when loaded; convert it to safetensors)" if pickled else ""
        raise _unreadable(f"{path} has no {_WEIGHTS[0]}{hint}")
    if not any((path / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise _unreadable(f"{path} has no tokenizer.json, which turns tokens into text")
    if not any((path / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        raise _unreadable(f"{path} has no preprocessor_config.json, which says how audio becomes frames")
    kind = _json(path / "config.json").get("model_type")
    if kind not in _CLASSES:
        raise _unreadable(f"{path / 'config.json'}: {kind} is neither a Whisper nor a Conformer with CTC (Parakeet)")
    return SpeechDirectory(path, _guarded(path / "config.json", lambda: AutoConfig.from_pretrained(path, **_OFFLINE)))


def recognizer_of(model: Any, layout: WhisperFormat | ConformerFormat) -> Recognizer:
    """A network with its format."""
    if isinstance(layout, WhisperFormat):
        return WhisperRecognizer(model, layout)
    return ConformerRecognizer(model, layout)


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


def _unreadable(message: str) -> UnservableError:
    return UnservableError(ErrorReason.ARTIFACT_UNREADABLE, message)

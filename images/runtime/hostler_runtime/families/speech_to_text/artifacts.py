"""From a directory in transformers' own layout to what a recognizer hears and writes, and to its network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    WhisperForConditionalGeneration,
)

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
from hostler_runtime.pretrained import (
    CONFIGURATION,
    OFFLINE,
    WEIGHTS,
    guarded,
    quiet,
    read_json,
    read_tokenizer,
    require_files,
    require_weights,
    unreadable,
)

_CLASSES: dict[str, Any] = {"whisper": WhisperForConditionalGeneration, "parakeet_ctc": ParakeetForCTC}
_TIED = ("proj_out.weight",)
"""Stored once, as the decoder's embedding."""
_MOST_SECONDS = 30
"""Longest stretch that a published conformer hears at once; it has no limit of its own, but attention grows fast."""


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
        tokenizer = read_tokenizer(self.path, vocabulary_size=self.config.vocab_size)
        extractor: Any = guarded(
            self.path / "preprocessor_config.json", lambda: AutoFeatureExtractor.from_pretrained(self.path, **OFFLINE)
        )
        if self.architecture == "whisper":
            return self._whisper(tokenizer, extractor)
        return self._conformer(tokenizer, extractor)

    def network(self, *, dtype: torch.dtype | str) -> Any:
        """The network with every weight from the files. Raises ``UnservableError``."""
        quiet()
        model, facts = guarded(
            self.path / WEIGHTS,
            lambda: _CLASSES[self.config.model_type].from_pretrained(
                self.path,
                config=self.config,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, in words
                **OFFLINE,
            ),
        )
        require_weights(self.path, facts, may_lack=_TIED, may_exceed=_TIED)
        return model

    def _whisper(self, tokenizer: Any, extractor: Any) -> WhisperFormat:
        generation = self.path / "generation_config.json"
        told = read_json(generation) if generation.is_file() else {}
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
            raise unreadable(
                f"the tokenizer in {self.path} is not Whisper's: it lacks {', '.join(absent) or 'languages'}"
            )
        positions = self.config.max_source_positions
        if extractor.nb_max_frames != 2 * positions or extractor.feature_size != self.config.num_mel_bins:
            raise unreadable(
                f"the feature extractor in {self.path} makes {extractor.nb_max_frames} frames of "
                f"{extractor.feature_size} bins, the model hears {2 * positions} of {self.config.num_mel_bins}"
            )
        return layout

    def _conformer(self, tokenizer: Any, extractor: Any) -> ConformerFormat:
        encoder = self.config.encoder_config
        if extractor.feature_size != encoder.num_mel_bins:
            raise unreadable(
                f"the feature extractor in {self.path} makes {extractor.feature_size} bins, the model hears "
                f"{encoder.num_mel_bins}"
            )
        seconds = getattr(self.config, "max_seconds", None) or _MOST_SECONDS
        return ConformerFormat(tokenizer, extractor, subsampling=encoder.subsampling_factor, max_seconds=seconds)


def open_directory(path: Path) -> SpeechDirectory:
    """Look at what a directory holds before anything is loaded. Raises ``UnservableError``."""
    require_files(
        path,
        {
            CONFIGURATION: "says what the model is",
            ("tokenizer.json", "vocab.json"): "turns tokens into text",
            ("preprocessor_config.json", "processor_config.json"): "says how audio becomes frames",
        },
    )
    kind = read_json(path / CONFIGURATION).get("model_type")
    if kind not in _CLASSES:
        raise unreadable(f"{path / 'config.json'}: {kind} is neither a Whisper nor a Conformer with CTC (Parakeet)")
    return SpeechDirectory(path, guarded(path / CONFIGURATION, lambda: AutoConfig.from_pretrained(path, **OFFLINE)))


def recognizer_of(model: Any, layout: WhisperFormat | ConformerFormat) -> Recognizer:
    """A network with its format."""
    if isinstance(layout, WhisperFormat):
        return WhisperRecognizer(model, layout)
    return ConformerRecognizer(model, layout)

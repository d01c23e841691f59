"""Whisper's format (arXiv 2212.04356): its vocabulary, and what its decoder is told before the text.

    <|startoftranscript|> <|spoken|> <|transcribe|> <|notimestamps|> text in the language spoken
    <|startoftranscript|> <|spoken|> <|translate|> <|notimestamps|> English text
    <|startoftranscript|> <|spoken|> <|translate|> <|target|> <|notimestamps|> text in another language

The first two are OpenAI's own, so its checkpoints behave as ever. The third says with the token of a language, which
every multilingual Whisper has, what the text shall be in; a model has to be trained for it. The loss counts the spoken
language, which is how it is detected, and the text; the task is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import WhisperFeatureExtractor, WhisperProcessor, WhisperTokenizer

from hostler_contract import ErrorReason
from hostler_contract.architectures import SpeechConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.speech_to_text.formats import (
    Example,
    MisfitError,
    Sound,
    encode_text,
    language_token,
    seconds_of,
)
from hostler_runtime.protocols.tasks import SAMPLING_RATE
from hostler_runtime.protocols.training import Batch

END = "<|endoftext|>"
START = "<|startoftranscript|>"
TRANSCRIBE = "<|transcribe|>"
TRANSLATE = "<|translate|>"
NO_TIMESTAMPS = "<|notimestamps|>"
PREVIOUS = "<|startofprev|>"
"""Before a prompt: text that came before. Models made here are not trained with prompts and do not have it."""
IGNORED = -100
"""Target that the loss leaves out."""

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_WINDOW_FRAMES = 3
"""Frames that still hear the end of the audio, because the window of the transform is wider than a frame."""


class WhisperFormat:
    """A ``Format``."""

    architecture = "whisper"

    def __init__(self, tokenizer: Any, extractor: Any, *, text_positions: int, multilingual: bool = True) -> None:
        self.tokenizer = tokenizer
        self.extractor = extractor
        self.text_positions = text_positions
        """Tokens that the decoder has positions for."""
        self.multilingual = multilingual
        """False for OpenAI's English-only models, whose decoder is told neither language nor task."""
        special: dict[str, int] = {added.content: token for token, added in tokenizer.added_tokens_decoder.items()}
        self._special = special
        self._language_tokens = {found[1]: special[name] for name in special if (found := _LANGUAGE.fullmatch(name))}
        self.languages = tuple(self._language_tokens) if multilingual else ("en",)

    @property
    def max_samples(self) -> int:
        """Longest stretch of audio."""
        return int(self.extractor.n_samples)

    @property
    def start(self) -> int:
        """The token that begins every transcript."""
        return self._special[START]

    @property
    def end(self) -> int:
        """The token that ends every transcript."""
        return self._special[END]

    @property
    def takes_prompt(self) -> bool:
        """Whether the decoder knows of text that came before."""
        return PREVIOUS in self._special

    @property
    def unwritten(self) -> list[int]:
        """Special tokens that are no part of a text: all but its end."""
        return sorted(set(self._special.values()) - {self.end})

    def token(self, name: str) -> int:
        """A special token by its name; a missing one is an error of the model's files."""
        return self._special[name]

    def language(self, language: str) -> int:
        """The token of a language."""
        return self._language_tokens[language]

    def prompt(self, *, spoken: str, target: str, before: str = "") -> list[int]:
        """What the decoder is told; ``before`` is text that came before, of which the end is kept."""
        told = self._before(before)
        told.append(self.start)
        if self.multilingual:
            told.append(self.language(spoken))
            told.append(self.token(TRANSCRIBE if spoken == target else TRANSLATE))
            if target not in (spoken, "en"):
                told.append(self.language(target))
        told.append(self.token(NO_TIMESTAMPS))
        return told

    def example(self, text: str, *, spoken: str, target: str, sound: Sound) -> Example:
        """Raises ``MisfitError`` where there is no token for a language or no room for the text."""
        for language in (spoken, target):
            if language not in self.languages:
                raise MisfitError(f"the base model has no language {language!r}; it knows {', '.join(self.languages)}")
        told = self.prompt(spoken=spoken, target=target)
        tokens = (*told, *encode_text(self.tokenizer, f" {text.strip()}"), self.end)
        # The last token is a target only and needs no position.
        if len(tokens) - 1 > self.text_positions:
            raise MisfitError(
                f"the text has {len(tokens)} tokens, and the model writes {self.text_positions} at most: "
                "cut the recording or raise maxTextTokens"
            )
        return Example(tokens, len(told))

    def sound(self, samples: np.ndarray) -> Sound:
        """Log-mel frames as Whisper's own extractor makes them; what is silent after the end is left out."""
        made = self.extractor(samples, sampling_rate=SAMPLING_RATE, return_tensors="np")["input_features"][0].T
        heard = -(-len(samples) // self.extractor.hop_length) + _WINDOW_FRAMES
        return Sound(made[:heard], float(made[-1].max()), seconds_of(samples))

    def width(self, sounds: Sequence[Sound]) -> int:
        """Every window is as long as the model can hear, so that no result depends on what else is in the batch."""
        return int(self.extractor.nb_max_frames)

    def features(self, sounds: Sequence[Sound]) -> dict[str, Tensor]:
        """rows x mel bins x frames, filled up with silence."""
        filled = np.empty((len(sounds), self.extractor.feature_size, self.width(sounds)), dtype=np.float32)
        for row, sound in zip(filled, sounds, strict=True):
            row[:, : len(sound.frames)] = sound.frames.T
            row[:, len(sound.frames) :] = sound.silence
        return {"input_features": torch.from_numpy(filled)}

    def batch(self, sounds: Sequence[Sound], examples: Sequence[Example]) -> Batch:
        """Adds ``decoder_input_ids`` and, shifted by one, ``labels``."""
        length = max(len(each.tokens) for each in examples) - 1
        inputs = torch.full((len(examples), length), self.end)
        labels = torch.full((len(examples), length), IGNORED)
        for row, each in enumerate(examples):
            tokens = torch.tensor(each.tokens)
            inputs[row, : len(tokens) - 1] = tokens[:-1]
            labels[row, each.given - 1 : len(tokens) - 1] = tokens[each.given :]
            if self.multilingual:
                labels[row, 0] = tokens[1]
        seconds = torch.tensor([each.seconds for each in sounds])
        return {**self.features(sounds), "decoder_input_ids": inputs, "labels": labels, "seconds": seconds}

    def text(self, tokens: Sequence[int]) -> str:
        """With the space before the first word, where the language has spaces."""
        found: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return found

    def save(self, directory: Path) -> None:
        """In transformers' own files."""
        WhisperProcessor(self.extractor, self.tokenizer).save_pretrained(directory)

    def _before(self, text: str) -> list[int]:
        if not text.strip():
            return []
        kept = encode_text(self.tokenizer, f" {text.strip()}")[-(self.text_positions // 2 - 1) :]
        return [self.token(PREVIOUS), *kept]


def fresh_format(sizes: SpeechConfig, *, texts: Iterable[str], languages: Sequence[str]) -> WhisperFormat:
    """Extractor by the sizes, vocabulary from the transcripts, with tokens for the data's languages."""
    names = [END, START, *map(language_token, languages), TRANSLATE, TRANSCRIBE, NO_TIMESTAMPS]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    least = len(alphabet) + len(names)
    if sizes.vocabulary_size < least:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"vocabularySize is {sizes.vocabulary_size}; Whisper's byte-level vocabulary with {len(languages)} "
            f"languages needs at least {least}",
        )
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=sizes.vocabulary_size - len(names), initial_alphabet=alphabet, show_progress=False
    )
    learned.train_from_iterator((f" {text.strip()}" for text in texts), trainer=trainer)
    model = json.loads(learned.to_str())["model"]
    tokenizer = WhisperTokenizer(
        vocab={**model["vocab"], END: len(model["vocab"])},
        merges=[tuple(pair) for pair in model["merges"]],
        pad_token=END,
        extra_special_tokens=names[1:],
        model_max_length=sizes.max_text_tokens,
    )
    extractor = WhisperFeatureExtractor(
        feature_size=sizes.mel_bins,
        chunk_length=sizes.max_seconds,
        hop_length=SAMPLING_RATE * sizes.frame_milliseconds // 1000,
    )
    return WhisperFormat(tokenizer, extractor, text_positions=sizes.max_text_tokens)

"""Conformer's format: an encoder with CTC (arXiv 2005.08100, 2305.05084) that writes the language, then the text.

    <|spoken|> text

CTC writes tokens in the order in which they are heard and is told nothing, so a model writes each language that it
hears in one language only. The token of the language comes first and is read back as what was spoken.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import ParakeetFeatureExtractor, ParakeetProcessor, ParakeetTokenizer

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

BLANK = "<pad>"
"""Stands between two equal tokens and where nothing is written; transformers calls it padding."""
UNKNOWN = "<unk>"
WINDOW = 400
"""Samples of the transform's window: audio must be longer."""

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")


class ConformerFormat:
    """A ``Format``."""

    architecture = "conformer"

    def __init__(self, tokenizer: Any, extractor: Any, *, subsampling: int, max_seconds: float) -> None:
        self.tokenizer = tokenizer
        self.extractor = extractor
        self.subsampling = subsampling
        self._max_seconds = max_seconds
        added = tokenizer.added_tokens_decoder.items()
        self.language_tokens = {found[1]: token for token, name in added if (found := _LANGUAGE.fullmatch(str(name)))}
        self.languages = tuple(self.language_tokens)

    @property
    def max_samples(self) -> int:
        """Longest stretch of audio."""
        return int(self._max_seconds * SAMPLING_RATE)

    def steps(self, frames: int) -> int:
        """Steps of the encoder for so many frames: its convolutions halve them, rounded up, again and again."""
        factor = self.subsampling
        while factor > 1:
            frames, factor = -(-frames // 2), factor // 2
        return frames

    def example(self, text: str, *, spoken: str, target: str, sound: Sound) -> Example:
        """Raises ``MisfitError`` where there is no token for the language or no time for the text."""
        label = self.language_tokens.get(spoken)
        if label is None and self.languages:
            raise MisfitError(f"the base model has no language {spoken!r}; it knows {', '.join(self.languages)}")
        tokens = ([] if label is None else [label]) + encode_text(self.tokenizer, text.strip())
        needed = len(tokens) + sum(one == other for one, other in itertools.pairwise(tokens))
        steps = self.steps(len(sound.frames))
        if needed > steps:
            raise MisfitError(
                f"the text needs {needed} steps and {sound.seconds:.2f} s of sound have {steps}: check that they "
                "belong together, or lower frameMilliseconds or subsampling, or raise vocabularySize"
            )
        return Example(tuple(tokens), 0)

    def sound(self, samples: np.ndarray) -> Sound:
        """Log-mel frames, each bin normalised over the recording, as the library's extractor makes them."""
        if len(samples) < 2 * WINDOW:  # the variance needs several frames
            samples = np.pad(samples, (0, 2 * WINDOW - len(samples)))
        made = self.extractor(samples, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        heard = int(made["attention_mask"].sum())
        return Sound(made["input_features"][0, :heard].numpy(), 0.0, seconds_of(samples))

    def width(self, sounds: Sequence[Sound]) -> int:
        """As long as the longest."""
        return max(len(each.frames) for each in sounds)

    def features(self, sounds: Sequence[Sound]) -> dict[str, Tensor]:
        """rows x frames x mel bins, with a mask over what is padding."""
        width = self.width(sounds)
        filled = torch.zeros((len(sounds), width, self.extractor.feature_size))
        mask = torch.zeros((len(sounds), width), dtype=torch.bool)
        for row, sound in enumerate(sounds):
            filled[row, : len(sound.frames)] = torch.from_numpy(np.asarray(sound.frames, dtype=np.float32))
            mask[row, : len(sound.frames)] = True
        return {"input_features": filled, "attention_mask": mask}

    def batch(self, sounds: Sequence[Sound], examples: Sequence[Example]) -> Batch:
        """Adds ``labels`` with ``label_lengths``, and ``steps`` of the encoder for each row."""
        lengths = torch.tensor([len(each.tokens) for each in examples])
        labels = torch.zeros((len(examples), int(lengths.max())), dtype=torch.long)
        for row, each in enumerate(examples):
            labels[row, : len(each.tokens)] = torch.tensor(each.tokens)
        return {
            **self.features(sounds),
            "labels": labels,
            "label_lengths": lengths,
            "steps": torch.tensor([self.steps(len(each.frames)) for each in sounds]),
            "seconds": torch.tensor([each.seconds for each in sounds]),
        }

    def text(self, tokens: Sequence[int]) -> str:
        """Of tokens that are no longer one for each step: repeated ones were meant."""
        found: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True, group_tokens=False)
        return found

    def save(self, directory: Path) -> None:
        """In transformers' own files."""
        ParakeetProcessor(self.extractor, self.tokenizer).save_pretrained(directory)


def fresh_format(sizes: SpeechConfig, *, texts: Iterable[str], languages: Sequence[str]) -> ConformerFormat:
    """Extractor by the sizes; a vocabulary of the transcripts' characters and, as far as there is room, their parts."""
    names = [BLANK, UNKNOWN, *map(language_token, languages)]
    learned = Tokenizer(models.BPE(unk_token=UNKNOWN))
    learned.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    learned.decoder = decoders.Metaspace(prepend_scheme="never")
    trainer = trainers.BpeTrainer(vocab_size=sizes.vocabulary_size, special_tokens=names, show_progress=False)
    learned.train_from_iterator((text.strip() for text in texts), trainer=trainer)
    if learned.get_vocab_size() > sizes.vocabulary_size:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"vocabularySize is {sizes.vocabulary_size}, but the transcripts have {learned.get_vocab_size()} different "
            "characters: raise it",
        )
    tokenizer = ParakeetTokenizer(
        tokenizer_object=learned, pad_token=BLANK, unk_token=UNKNOWN, extra_special_tokens=names[2:]
    )
    extractor = ParakeetFeatureExtractor(
        feature_size=sizes.mel_bins, hop_length=SAMPLING_RATE * sizes.frame_milliseconds // 1000
    )
    return ConformerFormat(tokenizer, extractor, subsampling=sizes.subsampling, max_seconds=sizes.max_seconds)

"""Prepared recordings on disk: frames and tokens of any length, one after the other, read through memory maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hostler_runtime.families.speech_to_text.formats import Example, Sound

_FRAMES = "frames.f16"
_TOKENS = "tokens.i32"
_INDEX = "index.npy"
_ROW = np.dtype(
    [("frames", "<i8"), ("tokens", "<i8"), ("given", "<i4"), ("silence", "<f4"), ("seconds", "<f4")]
)  # the first two are counts


def write_examples(directory: Path, examples: Iterable[tuple[Sound, Example]]) -> int:
    """Store sounds with what is to be written for them, as they come; returns the number of tokens."""
    directory.mkdir()
    rows = []
    with (directory / _FRAMES).open("wb") as frames, (directory / _TOKENS).open("wb") as tokens:
        for sound, example in examples:
            frames.write(sound.frames.astype("<f2").tobytes())
            tokens.write(np.asarray(example.tokens, dtype="<i4").tobytes())
            rows.append((len(sound.frames), len(example.tokens), example.given, sound.silence, sound.seconds))
    index = np.array(rows, dtype=_ROW)
    np.save(directory / _INDEX, index)
    return int(index["tokens"].sum())


class Examples:
    """What ``write_examples`` wrote."""

    def __init__(self, directory: Path, *, mel_bins: int) -> None:
        self._index = np.load(directory / _INDEX)
        self._frames = np.memmap(directory / _FRAMES, dtype="<f2", mode="r").reshape(-1, mel_bins)
        self._tokens = np.memmap(directory / _TOKENS, dtype="<i4", mode="r")
        self._frame_ends = np.cumsum(self._index["frames"])
        self._token_ends = np.cumsum(self._index["tokens"])

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, row: int) -> tuple[Sound, Example]:
        facts = self._index[row]
        frames, tokens = int(self._frame_ends[row]), int(self._token_ends[row])
        heard = np.asarray(self._frames[frames - facts["frames"] : frames], dtype=np.float32)
        written = tuple(self._tokens[tokens - facts["tokens"] : tokens].tolist())
        return Sound(heard, float(facts["silence"]), float(facts["seconds"])), Example(written, int(facts["given"]))

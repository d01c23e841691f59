"""Scikit-learn's 1,797 handwritten digits as an image folder, and a classifier that no model under test has seen.

The digits are 8 x 8 pixels with 17 grey levels; larger sizes are interpolated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTIONS: Final = ("a handwritten {}", "the digit {}", "a picture of the number {}", "{}")
"""Ways to say what an image shows; the n-th image has the n-th of them, in turn."""
SURE: Final = 0.8
"""Mean probability from which an image counts as a digit: 0.88 of held-out digits reach it, 0.13 of means of four."""
Images = np.ndarray | Sequence[np.ndarray]
_NATIVE_SIZE: Final = 8


@dataclass(frozen=True)
class Digits:
    """Images (count x size x size, uint8) and what they show (count, 0..9)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def load(*, size: int = 16) -> Digits:
    """All digits, in the order of the data set."""
    images, labels = load_digits(return_X_y=True)
    native = np.round(images.reshape(-1, _NATIVE_SIZE, _NATIVE_SIZE) * (255 / 16)).astype(np.uint8)
    return Digits(np.stack([_resized(image, size) for image in native]), labels.astype(np.int64))


def caption(index: int, label: int) -> str:
    """What is said of the index-th image."""
    return CAPTIONS[index % len(CAPTIONS)].format(WORDS[label])


def write_folder(directory: Path, *, size: int = 16, digits: Digits | None = None) -> Path:
    """PNG files beside a metadata.jsonl of ``file_name``, ``caption`` and ``label`` (a word). Returns the directory."""
    digits = digits or load(size=size)
    directory.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        name = f"{index:05d}.png"
        Image.fromarray(image).save(directory / name)
        rows.append({"file_name": name, "caption": caption(index, label), "label": WORDS[label]})
    (directory / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


class Reader:
    """Reads digits, on 8 x 8 pixels; what it learned from is every other image of the data set.

    A support vector machine says which digit an image shows. Whether it shows one at all is another question, which a
    single discriminative model answers badly, so several small networks are asked: on real digits they agree, between
    the classes they do not.
    """

    def __init__(self) -> None:
        digits = load(size=_NATIVE_SIZE)
        learned, labels = self._features(digits.images[::2]), digits.labels[::2]
        self._machine = SVC(C=5).fit(learned, labels)
        self._jurors = [
            MLPClassifier((64,), alpha=1e-2, max_iter=150, random_state=seed).fit(learned, labels) for seed in range(5)
        ]
        self.held_out: Final = Digits(digits.images[1::2], digits.labels[1::2])
        """The other half, at 8 x 8 pixels."""

    def accuracy(self, *, size: int = 16) -> float:
        """Share of the other half that it reads right at this size."""
        images = np.stack([_resized(image, size) for image in self.held_out.images])
        return float(np.mean(self.read(images) == self.held_out.labels))

    def read(self, images: Images) -> np.ndarray:
        """The digit that each image (uint8, any size) shows."""
        return np.asarray(self._machine.predict(self._features(images)))

    def recognized(self, images: Images) -> np.ndarray:
        """Whether each image shows a digit beyond doubt: all are sure, and of the same."""
        features = self._features(images)
        votes = np.mean([juror.predict_proba(features) for juror in self._jurors], axis=0)
        return np.asarray((votes.max(1) >= SURE) & (votes.argmax(1) == self._machine.predict(features)))

    @staticmethod
    def _features(images: Images) -> np.ndarray:
        small = [_resized(np.asarray(image), _NATIVE_SIZE) for image in images]
        return np.stack(small).reshape(len(small), -1) / 255.0


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    if image.shape[0] == size:
        return image
    # A box is the mean of the pixels that fall together, and undoes what bicubic interpolation made larger.
    way = Image.Resampling.BOX if image.shape[0] > size else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((size, size), way))

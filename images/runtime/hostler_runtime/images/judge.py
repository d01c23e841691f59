"""Who says whether a drawn image shows what was asked for: a small network that learns from the training images alone.

It is independent of the model that it judges, and takes seconds. An image and a caption become vectors; those of an
image and of its own caption are close (CLIP, arXiv 2103.00020), a caption being the mean of its words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import torch
import torch.nn.functional as functional
from torch import nn

from hostler_runtime.images.store import ImageDataset, Part

STEPS: Final = 300
BATCH_SIZE: Final = 64
LEARNING_RATE: Final = 3e-3
LARGEST_IMAGE: Final = 32
"""Larger images are looked at from a distance."""
MOST_IMAGES: Final = 8192
MOST_WORDS: Final = 2048
_SPACE: Final = 64
_UNKNOWN: Final = 0


class Judge(nn.Module):
    """Images and captions in a common space."""

    def __init__(self, words: Sequence[str], *, channels: int, size: int) -> None:
        super().__init__()
        self._words = {word: index for index, word in enumerate(words, start=_UNKNOWN + 1)}
        self._size = min(size, LARGEST_IMAGE)
        side = math.ceil(self._size / 4)
        self.tower = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(32 * side * side, _SPACE),
        )
        self.words = nn.EmbeddingBag(len(words) + 1, _SPACE, mode="mean")
        self.temperature = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, images: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Images (count x channels x height x width in -1..1) against captions: how well they go together."""
        small = functional.interpolate(images.float(), size=self._size, mode="area")
        seen = functional.normalize(self.tower(small), dim=-1)
        tokens = [[self._words.get(word, _UNKNOWN) for word in _split(caption)] or [_UNKNOWN] for caption in captions]
        starts = torch.tensor([0, *(len(each) for each in tokens[:-1])]).cumsum(0)
        flat = torch.tensor([token for each in tokens for token in each])
        said = functional.normalize(self.words(flat.to(images.device), starts.to(images.device)), dim=-1)
        return self.temperature.clamp(max=math.log(100.0)).exp() * seen @ said.T

    @torch.no_grad()
    def choose(self, images: torch.Tensor, candidates: Sequence[str]) -> torch.Tensor:
        """The index of the caption that goes best with each image."""
        chunks = [self(chunk, candidates).argmax(dim=1) for chunk in images.split(256)]
        return torch.cat(chunks).cpu()


def judge_of(dataset: ImageDataset, captions: Sequence[str], *, device: torch.device) -> Judge:
    """The judge of a dataset, whose training images have these captions. Learns once in a process; draws no random
    numbers from torch's global generator."""
    if dataset.judge is None:
        kept: list[Any] = [device] if device.type == "cuda" else []
        with (
            torch.random.fork_rng(devices=kept),
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            torch.manual_seed(0)
            dataset.judge = _learned(dataset.train, captions, device=device)
    judge: Judge = dataset.judge
    return judge


def _learned(part: Part, captions: Sequence[str], *, device: torch.device) -> Judge:
    size, channels = part.pixels.shape[1], part.pixels.shape[3]
    rows = range(0, len(part), max(1, len(part) // MOST_IMAGES))[:MOST_IMAGES]
    judge = Judge(_frequent(captions), channels=channels, size=size).to(device)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        chosen = [rows[index] for index in torch.randint(len(rows), (BATCH_SIZE,)).tolist()]
        said = [captions[row] for row in chosen]
        logits = judge(part.images(chosen).to(device), said)
        # Rows with the same caption are not each other's negatives.
        same = torch.tensor([[one == other for other in said] for one in said], dtype=logits.dtype, device=device)
        wanted = same / same.sum(dim=1, keepdim=True)
        loss = -(wanted * (logits.log_softmax(dim=1) + logits.log_softmax(dim=0))).sum() / (2 * len(said))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval().requires_grad_(False)


def _frequent(captions: Sequence[str]) -> list[str]:
    counts: dict[str, int] = {}
    for caption in captions:
        for word in _split(caption):
            counts[word] = counts.get(word, 0) + 1
    return sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]


def _split(caption: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in caption.lower()).split()

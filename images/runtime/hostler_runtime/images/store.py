"""Images of a dataset as raw bytes that every process maps into memory, with their labels and captions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.result import DatasetFacts
from hostler_data.labels import caption_of, label_of
from hostler_data.media import decode_image
from hostler_data.record import Record
from hostler_data.records import Records
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.images.png import CHANNELS, to_floats
from hostler_runtime.protocols.preparing import CHUNK_OF_MEDIA, INLINE, Made, Work
from hostler_runtime.protocols.training import Batch

PARTS = ("train", "validation")
_FACTS = "facts.json"
Captions = Literal["required", "unused"]


@dataclass(frozen=True)
class Part:
    """Images (rows x height x width x channels, uint8) and what is said of them."""

    pixels: np.ndarray
    labels: torch.Tensor | None
    """Class of each row, from 0; None where the data has no labels."""
    captions: list[str]
    """Empty where captions are not used."""

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, rows: Sequence[int]) -> torch.Tensor:
        """rows x channels x height x width in -1..1."""
        return to_floats(torch.from_numpy(self.pixels[list(rows)]).permute(0, 3, 1, 2))


class ImageDataset:
    """A ``protocols.training.Dataset`` of images and, where the data has them, labels."""

    sequences_per_row = 1.0

    def __init__(self, directory: Path) -> None:
        stored = json.loads((directory / _FACTS).read_text())
        self.facts = DatasetFacts.model_validate(stored["dataset"])
        self.classes: list[str] = stored["classes"]
        """Names of the labels, in order; empty where the data has none."""
        self.train, self.validation = (self._part(directory, name, stored[name]) for name in PARTS)
        self.judge: Any = None
        """Who has learnt from the training part what images show; see ``judge.judge_of``."""

    @property
    def train_rows(self) -> int:
        """Images to train on."""
        return len(self.train)

    @property
    def validation_rows(self) -> int:
        """Images held out."""
        return len(self.validation)

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """``images`` and, where there are labels, ``labels``."""
        return self._batch(self.train, rows)

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """The same of held-out rows."""
        return self._batch(self.validation, rows)

    def _batch(self, part: Part, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        batch = {"images": part.images(rows)}
        if part.labels is not None:
            batch["labels"] = part.labels[list(rows)]
        return batch

    def _part(self, directory: Path, name: str, stored: dict[str, Any]) -> Part:
        pixels = np.memmap(directory / f"{name}.images", dtype=np.uint8, mode="r", shape=tuple(stored["shape"]))
        labels = torch.tensor(stored["labels"]) if self.classes else None
        return Part(pixels, labels, stored["captions"])


def write_images(
    job: JobConfig,
    records: Records,
    directory: Path,
    *,
    shape: tuple[int, int],
    captions: Captions,
    work: Work = INLINE,
) -> None:
    """Both parts, the names of the labels and what the data turned out to be; ``shape`` is size and channels.

    Raises ``DataError`` and ``RuntimeFailure``.
    """
    size, channels = shape
    if channels not in CHANNELS:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"channels is {channels}, but image files have 1 (grey), 3 (colour) or 4 (colour and transparency)",
        )
    parts = dict(zip(PARTS, records.split(job.dataset.validation_percent), strict=True))
    classes = _classes(parts["train"])
    known = {name: index for index, name in enumerate(classes)}
    stored = {
        name: _write_part(
            directory / f"{name}.images",
            work.each(
                name,
                rows,
                lambda chunk, _: _made(chunk, size=size, channels=channels, known=known, captions=captions),
                most=max(1, CHUNK_OF_MEDIA // (size * size * channels)),
            ),
            shape=(size, size, channels),
        )
        for name, rows in parts.items()
    }
    facts = DatasetFacts(
        sha256=records.sha256,
        size_bytes=records.size_bytes,
        rows=sum(part["shape"][0] for part in stored.values()),
    )
    document = {"dataset": facts.model_dump(mode="json"), "classes": classes, **stored}
    (directory / _FACTS).write_text(json.dumps(document))


def _classes(rows: Iterable[Record]) -> list[str]:
    """All labels, numbers in their order; none where the first row has none."""
    found: set[str] = set()
    for index, row in enumerate(rows):
        if index == 0 and row.values.get("label") is None:
            return []
        found.add(label_of(row))
    return sorted(found, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name))


def _made(
    rows: Iterable[Record], *, size: int, channels: int, known: dict[str, int], captions: Captions
) -> Iterator[Made]:
    for row in rows:
        pixels = decode_image(row, size=size, channels=channels)
        label, caption = None, None
        if known:
            name = label_of(row)
            if name not in known:
                raise row.error(
                    f"label {name!r} occurs only among the held-out rows: it cannot be learnt. Add rows of it, or "
                    "remove this one"
                )
            label = known[name]
        if captions == "required":
            caption = caption_of(row)
        yield Made({"pixels": np.asarray(pixels, dtype=np.uint8).reshape(-1)}, [label, caption])


def _write_part(path: Path, passed: Iterable[Made], *, shape: tuple[int, int, int]) -> dict[str, Any]:
    labels: list[int] = []
    said: list[str] = []
    count = 0
    with path.open("wb") as file:
        for made in passed:
            file.write(made.arrays["pixels"].tobytes())
            label, caption = made.facts
            labels += [] if label is None else [label]
            said += [] if caption is None else [caption]
            count += 1
    return {"shape": [count, *shape], "labels": labels, "captions": said}

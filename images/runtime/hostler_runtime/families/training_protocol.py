"""What the training core asks of a family's training half: data, model, loss and figures of merit.

Processes, checkpoints, optimizer, progress and signals are the core's business; the same loop trains every family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from hostler_contract import JobConfig
from hostler_contract.result import DatasetFacts
from hostler_runtime.training.corpus import Corpus


@dataclass(frozen=True)
class LossSum:
    """A loss as a sum and its weight, so that the core can normalise over all processes."""

    total: torch.Tensor
    """Sum over the batch's targets, differentiable."""
    weight: int
    """Number of targets."""


class Dataset(Protocol):
    """Prepared data, opened by every process."""

    facts: DatasetFacts

    @property
    def train_rows(self) -> int:
        """Rows to train on."""

    @property
    def validation_rows(self) -> int:
        """Rows held out."""

    def train_batch(self, rows: Sequence[int]) -> torch.Tensor:
        """Rows to train on, as the loss wants them."""

    def validation_batch(self, rows: Sequence[int]) -> torch.Tensor:
        """Rows held out, as the loss wants them."""


@dataclass(frozen=True)
class ModelFacts:
    """What the control plane needs to know to place and serve the model."""

    parameters: int
    context_length: int
    vocabulary_size: int
    kv_bytes_per_token: int | None


class TrainingHalf(Protocol):
    """The module ``families.<name>.training``."""

    def fingerprint(self, job: JobConfig) -> str:
        """Whatever besides the corpus decides what ``prepare`` writes."""

    def prepare(self, job: JobConfig, corpus: Corpus, directory: Path) -> None:
        """Turn the corpus into files that ``open_dataset`` reads. Rank 0 only. Raises ``RuntimeFailure``."""

    def open_dataset(self, job: JobConfig, directory: Path) -> Dataset:
        """Open what ``prepare`` wrote."""

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """A model with fresh weights from torch's current random state. Raises ``RuntimeFailure``."""

    def loss(self, model: torch.nn.Module, batch: torch.Tensor) -> LossSum:
        """Forward pass; the model may be wrapped."""

    def metrics(self, dataset: Any, *, validation_loss: float) -> dict[str, float]:
        """Final figures, with the baselines that make them meaningful."""

    def save(self, model: torch.nn.Module, dataset: Any, directory: Path) -> ModelFacts:
        """Write the artifacts that plain libraries load."""

    def card_header(self) -> dict[str, Any]:
        """What the model card says of the family in its YAML header."""

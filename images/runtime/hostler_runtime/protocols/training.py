"""What the training core asks of a family's training half: data, network, losses and figures of merit.

Processes, precision, checkpoints, optimizers, progress and signals are the core's business; the same loop trains every
family. A family says which networks learn in which order (``Stage``) and whose turn it is within a step (``Update``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from hostler_contract import JobConfig
from hostler_contract.figures import Need
from hostler_contract.result import DatasetFacts
from hostler_data.records import Records
from hostler_runtime.protocols.preparing import Work
from hostler_runtime.room import Demand

Batch = Mapping[str, torch.Tensor]
"""Tensors by name, first axis: rows. The core moves them to the device."""


@dataclass(frozen=True)
class LossSum:
    """A loss as a sum and its weight, so that the core can normalise over micro-batches and processes."""

    total: torch.Tensor
    """Sum over the batch's targets, differentiable."""
    weight: float
    """Number of targets."""
    units: float = 0.0
    """What was really processed, in the family's unit (tokens without padding, images); 0 stands for ``weight``."""
    parts: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """Sums of its parts by name, for display; same weight."""


@dataclass(frozen=True)
class Survey:
    """What a loss needs to know of a whole step before it is computed on any part of it."""

    sums: Mapping[str, torch.Tensor]
    """Vectors by name, of one micro-batch. The core adds them up over all micro-batches of all processes; the losses
    find the totals under the same names in their batches, and so do not depend on how a step is shared out."""
    found: Batch = field(default_factory=dict)
    """What was computed on the way, for the loss of the same micro-batch; first axis: rows."""


@dataclass(frozen=True)
class Update:
    """One optimizer's turn within a step."""

    name: str
    module: torch.nn.Module
    """Whose parameters it changes (those that require gradients). Losses call it through its ``forward``, because the
    parallel wrapper's hooks hang on it."""
    loss: Callable[[Any, Batch], LossSum]
    """Forward pass of one micro-batch; the module that it gets may be wrapped."""
    learning_rate: float = 1.0
    """Factor on the job's learning rate."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW."""
    weight_decay: bool = True
    """False leaves the job's weight decay out."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Of the learning rate after the warm-up."""
    survey: Callable[[Any, Batch], Survey] | None = None
    """Called for every micro-batch of a step, without gradients, before the first loss."""


@dataclass(frozen=True)
class Stage:
    """Networks that learn together, for a share of the job's steps."""

    name: str
    updates: tuple[Update, ...]
    """In the order in which they take their turns in each step."""
    share: float = 1.0
    """Relative to the other stages' shares."""
    batch_scale: int = 1
    """Factor on the job's batch size."""
    begin: Callable[[], None] | None = None
    """Called when the stage begins, and again when it goes on from a checkpoint: freezes what must not learn. Must not
    draw random numbers or read weights that an earlier stage has not finished."""
    after_step: Callable[[], None] | None = None
    """Called after each optimizer step, on every process: averages of weights, masks."""


class Dataset(Protocol):
    """Prepared data, opened by every process. One whose rows are other than the job asked for has ``notes``, a list
    of sentences that say how."""

    facts: DatasetFacts

    @property
    def train_rows(self) -> int:
        """Rows to train on. A row may hold several packed sequences."""

    @property
    def validation_rows(self) -> int:
        """Rows held out."""

    @property
    def sequences_per_row(self) -> float:
        """The packing factor of the training part; 1 where nothing is packed. The core divides batchSize by it, so
        that a step sees as many sequences as was asked for."""

    def train_batch(self, rows: Sequence[int]) -> Batch:
        """Rows to train on. May augment with torch's global generator, which the core seeds for each step."""

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        """Rows held out, without augmentation."""


@dataclass(frozen=True)
class ModelFacts:
    """What the control plane needs to know to place and serve the model."""

    parameters: int
    context_length: int | None = None
    vocabulary_size: int | None = None
    kv_bytes_per_token: int | None = None
    description: str = ""
    """One sentence for the model card: what the network is."""


@dataclass(frozen=True)
class Evaluation:
    """What the core lends a family for measuring."""

    device: torch.device
    batch_size: int
    """Rows that fit in one batch of one process."""
    seed: int
    mean_loss: Callable[[Update], float]
    """Mean loss per target of an update over the held-out rows, shared out over all processes."""


class TrainingHalf(Protocol):
    """The module ``families.<name>.training``."""

    UNIT: str
    """What speed is counted in: ``tokens``, ``images``, ``clips``, ``audio-seconds``."""
    BLOCK: str
    """Field of ``ModelConfig`` that holds this family's sizes."""

    def fingerprint(self, job: JobConfig) -> str:
        """Whatever besides the data decides what ``prepare`` writes."""

    def prepare(self, job: JobConfig, records: Records, directory: Path, *, work: Work) -> None:
        """Turn the rows into files that ``open_dataset`` reads, in one process, which may share out the passes over
        the rows by ``work``. Nothing else than the data and what ``fingerprint`` names may show in the files, because
        other jobs read them too. Raises ``RuntimeFailure`` and ``DataError``."""

    def open_dataset(self, job: JobConfig, directory: Path) -> Dataset:
        """Open what ``prepare`` wrote."""

    def build(self, job: JobConfig, dataset: Any) -> torch.nn.Module:
        """All networks in one module: fresh, from torch's current random state, or loaded from ``job.inputs``.
        Raises ``RuntimeFailure`` where a size or a checkpoint does not fit. What has a ``state_dict`` entry here is in
        the checkpoints."""

    def stages(self, job: JobConfig, model: Any, dataset: Any) -> Sequence[Stage]:
        """What learns, in order."""

    def evaluate(self, model: Any, dataset: Any, around: Evaluation) -> dict[str, float]:
        """Figures on held-out data, with the baselines that make them meaningful, and a conditioning metric where
        there is a condition. Called on every process with the same random state; all processes do the same work but
        for ``mean_loss``. Deterministic."""

    def sample(self, model: Any, dataset: Any, directory: Path, *, count: int) -> None:
        """Write sample outputs: text, an image grid, a clip, transcripts."""

    def save(self, model: Any, dataset: Any, directory: Path) -> ModelFacts:
        """Write the artifacts in the ecosystem's own format (safetensors, never pickle)."""

    def card_header(self) -> dict[str, Any]:
        """What the model card says of the family in its YAML header."""


class Decorated(Protocol):
    """Optional functions of a half. Objectives ask a family for the first two (``Decorator.asked``), and one that is
    missing makes the objective ``InvalidConfiguration`` with the family's name; the core asks a decorated half for the
    others."""

    def logits(self, module: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """``distill``: logits (targets x classes) of the batch's targets, and the target indices."""

    def prunable(self, model: Any) -> Iterable[tuple[str, torch.nn.Module]]:
        """``prune``, ``quantize``, LoRA: linear and convolution modules whose weights may be changed, by their full
        name in the model."""

    COMPUTES_OTHERWISE: bool
    """True where what ``complete`` leaves computes something else than what was trained (8-bit weights do, a merged
    adapter does not), so that shards are joined before the final figures."""

    def original(self, job: JobConfig, dataset: Any) -> torch.nn.Module | None:
        """The model to compare with, where it is not what ``build`` gives: a teacher, a base before its channels
        went."""

    def beside(self) -> Iterable[torch.nn.Module]:
        """Networks that are asked and do not learn, and are no part of the model: a reference, a teacher. Asked after
        ``build``."""

    def demand(self, job: JobConfig, dataset: Any | None, *, item_bytes: int, processes: int) -> tuple[Demand, int]:
        """What rows of the family take of a process's memory, and the longest row in tokens; ``dataset`` is None before
        the data is prepared. Families whose rows have a length say it."""

    def lacking(self, model: Any, dataset: Any) -> Collection[Need]:
        """What figures of the family need and this job does not have, of what ``hostler_contract.figures`` names.
        Without the function it has everything."""

    def head_of(self, model: Any) -> str | None:
        """The head of which ``evaluate`` gives figures, in a family with several."""

    def counterpart(self, job: JobConfig, dataset: Any) -> torch.nn.Module | None:
        """The base as a network of its own, where it is another one than what comes out, so that a forward pass of it
        takes another time. Without the function both are the same network with other weights."""

    def forward_update(self, job: JobConfig, model: Any, dataset: Any) -> Update:
        """An update whose loss is one forward pass of the model and nothing else, to be timed. Without the function the
        last one of the last stage is."""

    def complete(self, model: Any) -> Any:
        """Called once between the last step and the final figures; returns the model to measure and to save."""

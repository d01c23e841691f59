"""Figures of a model on held-out data: the family's own, and what every model has (size, latency)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.result import Measured
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.frozen import holds_halves
from hostler_runtime.protocols.training import Batch, Dataset, Evaluation, LossSum, TrainingHalf, Update
from hostler_runtime.training.artifact import SAMPLES_DIRECTORY
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.files import clear_directory, fresh_directory
from hostler_runtime.training.loop import micro_batch_rows
from hostler_runtime.training.parallel import Parallel

MOST_VALIDATION_ROWS = 4096
"""Held-out rows beyond these change the figure less than its noise, and cost time on every run."""
_LATENCY_REPEATS = 15
_ADAPTED = ".lora_"
"""In the names that peft gives to an adapter's matrices: before training they stand beside the base, and no weights of
it; afterwards they are merged."""


def _nobody_asks(done: int, of: int) -> None:
    """Where nobody shows progress."""


@dataclass(frozen=True)
class Measurer:
    """Measures one model of one job; called on every process."""

    job: JobConfig
    half: TrainingHalf
    model: torch.nn.Module
    dataset: Dataset
    processes: Processes
    parallel: Parallel
    advanced: Callable[[int, int], None] = _nobody_asks
    """Told how many of the passes over the held-out rows are done."""

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """The family's figures on the held-out rows."""
        self.model.eval()
        torch.manual_seed(self.job.hyperparameters.seed)
        with self.parallel.autocast():
            return dict(self.half.evaluate(self.model, self.dataset, self._around()))

    @torch.no_grad()
    def sample(self, label: str) -> None:
        """Sample outputs into ``<workspace>/samples/<label>``, whole or not at all."""
        count = self.job.evaluation.samples
        if count == 0 or not (self.processes.first or self.parallel.sharded):
            return
        self.model.eval()
        torch.manual_seed(self.job.hyperparameters.seed)
        root = Path(self.job.workspace) / SAMPLES_DIRECTORY
        temporary = fresh_directory(root / f".{label}-{self.processes.rank}")
        try:
            with self.parallel.autocast() if holds_halves(self.model) else nullcontext():
                self.half.sample(self.model, self.dataset, temporary, count=count)
            if self.processes.first:
                clear_directory(root / label)
                temporary.rename(root / label)
        finally:
            clear_directory(temporary)

    def forward_pass(self, update: Update) -> Callable[[], Any]:
        """One forward pass of one held-out row in the job's precision, to be timed."""
        batch = self._moved(self.dataset.validation_batch([0]))

        def once() -> Any:
            with self.parallel.autocast():
                return update.loss(update.module, batch)

        return once

    def _around(self) -> Evaluation:
        # What fits in training fits here: packed rows hold several of batchSize's sequences each.
        size = micro_batch_rows(self.job, self.dataset, self.processes)
        return Evaluation(
            device=self.processes.device,
            batch_size=size,
            seed=self.job.hyperparameters.seed,
            mean_loss=lambda update: self._mean_loss(update, size=size),
        )

    def _mean_loss(self, update: Update, *, size: int) -> float:
        rows = range(min(self.dataset.validation_rows, MOST_VALIDATION_ROWS))
        mine = rows[self.processes.rank :: self.processes.world_size]
        total = weight = 0.0
        passes = range(0, len(rows[:: self.processes.world_size]), size)
        for done, start in enumerate(passes):
            self.advanced(done, len(passes))
            # Every process makes as many passes, because sharded weights are gathered together; a pass too many
            # looks at the first row again and counts for nothing.
            portion = mine[start : start + size]
            part: LossSum = update.loss(update.module, self._moved(self.dataset.validation_batch(portion or rows[:1])))
            if len(portion):
                total += float(part.total)
                weight += part.weight
        self.advanced(len(passes), len(passes))
        total, weight = self.processes.sum(total, weight)
        if not weight:
            raise RuntimeFailure(
                ErrorReason.DATASET_INVALID, "the validation part has nothing that could be learnt: bring more data"
            )
        return total / weight

    def _moved(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: tensor.to(self.processes.device) for name, tensor in batch.items()}


@torch.no_grad()
def median_seconds(
    *passes: Callable[[], Any], device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Median duration of each call, after one that warms up.

    They take turns, and change who comes first: whatever else the machine does, it does to all of them, and what is
    left of the difference is their own.
    """
    seconds: list[list[float]] = [[] for _ in passes]
    order = list(range(len(passes)))
    for _ in range(1 + _LATENCY_REPEATS):
        for index in order:
            began = clock()
            passes[index]()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds[index].append(clock() - began)
        order.reverse()
    return [statistics.median(each[1:]) for each in seconds]


def measured(
    model: torch.nn.Module, *, size_bytes: int, latency_seconds: float, metrics: Mapping[str, float]
) -> Measured:
    """One side of a comparison."""
    return Measured(
        size_bytes=size_bytes,
        parameters=sum(_nonzero(each) for name, each in model.named_parameters() if _ADAPTED not in name),
        latency_seconds=latency_seconds,
        metrics=dict(metrics),
    )


def _nonzero(weight: torch.Tensor) -> int:
    # Quantized tensors implement products, and little else.
    plain = weight.dequantize() if hasattr(weight, "dequantize") and type(weight) is not torch.nn.Parameter else weight
    return int(torch.count_nonzero(plain))

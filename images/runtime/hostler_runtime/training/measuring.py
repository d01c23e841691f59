"""Figures of a model on held-out data: the family's own, and what every model has (size, latency)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.result import Measured
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.training import Batch, Dataset, Evaluation, LossSum, TrainingHalf, Update
from hostler_runtime.training.artifact import SAMPLES_DIRECTORY
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.files import clear_directory, fresh_directory
from hostler_runtime.training.parallel import Parallel

MOST_VALIDATION_ROWS = 4096
"""Held-out rows beyond these change the figure less than its noise, and cost time on every run."""
_LATENCY_REPEATS = 7


@dataclass(frozen=True)
class Measurer:
    """Measures one model of one job; called on every process."""

    job: JobConfig
    half: TrainingHalf
    model: torch.nn.Module
    dataset: Dataset
    processes: Processes
    parallel: Parallel

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
            self.half.sample(self.model, self.dataset, temporary, count=count)
            if self.processes.first:
                clear_directory(root / label)
                temporary.rename(root / label)
        finally:
            clear_directory(temporary)

    def latency(self, update: Update) -> float:
        """Median time of one forward pass of one held-out row, in seconds."""
        batch = self._moved(self.dataset.validation_batch([0]))
        return median_seconds(lambda: update.loss(update.module, batch), device=self.processes.device)

    def _around(self) -> Evaluation:
        size = max(1, self.job.hyperparameters.batch_size // self.processes.world_size)
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
        for start in range(0, len(rows[:: self.processes.world_size]), size):
            # Every process makes as many passes, because sharded weights are gathered together; a pass too many
            # looks at the first row again and counts for nothing.
            portion = mine[start : start + size]
            part: LossSum = update.loss(update.module, self._moved(self.dataset.validation_batch(portion or rows[:1])))
            if len(portion):
                total += float(part.total)
                weight += part.weight
        total, weight = self.processes.sum(total, weight)
        if not weight:
            raise RuntimeFailure(
                ErrorReason.DATASET_INVALID, "the validation part has nothing that could be learnt: bring more data"
            )
        return total / weight

    def _moved(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: tensor.to(self.processes.device) for name, tensor in batch.items()}


@torch.no_grad()
def median_seconds(forward: Callable[[], Any], *, device: torch.device) -> float:
    """Median duration of a call, after one that warms up."""
    seconds = []
    for _ in range(1 + _LATENCY_REPEATS):
        began = time.perf_counter()
        forward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def measured(
    model: torch.nn.Module, *, size_bytes: int, latency_seconds: float, metrics: Mapping[str, float]
) -> Measured:
    """One side of a comparison."""
    return Measured(
        size_bytes=size_bytes,
        parameters=sum(_nonzero(each) for each in model.parameters()),
        latency_seconds=latency_seconds,
        metrics=dict(metrics),
    )


def _nonzero(weight: torch.Tensor) -> int:
    # Quantized tensors implement products, and little else.
    plain = weight.dequantize() if hasattr(weight, "dequantize") and type(weight) is not torch.nn.Parameter else weight
    return int(torch.count_nonzero(plain))

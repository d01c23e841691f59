"""The training loop: one optimizer step after the other until the last one, a signal, or a loss that is no number."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch.nn.parallel import DistributedDataParallel

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.progress import Stage
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families.training_protocol import Dataset, TrainingHalf
from hostler_runtime.logs import event
from hostler_runtime.training.checkpoint import Checkpoints, TrainingState
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.order import RowOrder, learning_rate, step_seed
from hostler_runtime.training.progress import ProgressBoard, StepFigures

MOST_VALIDATION_ROWS = 4096
"""Held-out rows beyond these change the figure less than its noise, and cost time on every run."""
_BETAS = (0.9, 0.95)

logger = logging.getLogger(__name__)


class Trainer:
    """One process's part in training one model."""

    def __init__(
        self,
        *,
        job: JobConfig,
        half: TrainingHalf,
        model: torch.nn.Module,
        dataset: Dataset,
        processes: Processes,
        checkpoints: Checkpoints,
        board: ProgressBoard,
        stop_requested: Callable[[], bool],
    ) -> None:
        self._job = job
        self._half = half
        self._dataset = dataset
        self._processes = processes
        self._checkpoints = checkpoints
        self._board = board
        self._stop_requested = stop_requested
        self._options = job.hyperparameters
        self._model = model
        self._parallel = model if processes.world_size == 1 else DistributedDataParallel(model)
        self._optimizer = make_optimizer(model, weight_decay=self._options.weight_decay)
        self._learning_rate = learning_rate(self._options)
        self._order = RowOrder(rows=dataset.train_rows, batch_size=self._options.batch_size, seed=self._options.seed)
        self._log_every = max(1, min(50, self._options.steps // 20))
        self.step = 0
        """Optimizer steps done."""

    @property
    def state(self) -> TrainingState:
        """What checkpoints hold."""
        return TrainingState(model=self._model, optimizer=self._optimizer)

    def restore(self) -> None:
        """Continue from the newest usable checkpoint, if there is one."""
        self._board.enter(Stage.RESTORING)
        step = self._checkpoints.restore(self.state)
        if step is not None:
            self.step = step
            self._board.resumed(step)
            self._say("resumed from checkpoint", step=step)

    def train(self) -> None:
        """All steps that are left. Raises ``RuntimeFailure``; Interrupted only after a checkpoint was saved."""
        self._board.enter(Stage.TRAINING)
        self._parallel.train()
        while self.step < self._options.steps:
            figures = self._advance()
            self.step += 1
            self._board.stepped(self.step, figures)
            if self.step % self._log_every == 0 or self.step == self._options.steps:
                self._log(figures)
            if self.step % self._job.checkpoint.every_steps == 0 or self.step == self._options.steps:
                self._save()

    @torch.no_grad()
    def evaluate(self) -> float:
        """Mean loss per target on the held-out rows."""
        self._board.enter(Stage.EVALUATING)
        self._model.eval()
        rows = range(min(self._dataset.validation_rows, MOST_VALIDATION_ROWS))
        mine = rows[self._processes.rank :: self._processes.world_size]
        size = max(1, self._options.batch_size // self._processes.world_size)
        total = weight = 0.0
        for start in range(0, len(mine), size):
            batch = self._dataset.validation_batch(mine[start : start + size]).to(self._processes.device)
            with self._precision():
                part = self._half.loss(self._model, batch)
            total += float(part.total)
            weight += part.weight
        total, weight = self._processes.sum(total, weight)
        return total / weight

    def _advance(self) -> StepFigures:
        """One optimizer step, the same on every process."""
        rows = self._order.of_step(self.step)[self._processes.rank :: self._processes.world_size]
        torch.manual_seed(step_seed(seed=self._options.seed, step=self.step, rank=self._processes.rank))
        batch = self._dataset.train_batch(rows).to(self._processes.device)
        with self._precision():
            part = self._half.loss(self._parallel, batch)
        # One collective for all three: the normaliser, the figure to show, and whether any pod was told to stop.
        total, weight, stops = self._processes.sum(float(part.total.detach()), part.weight, self._stop_requested())
        loss = total / weight
        if not math.isfinite(loss):
            self._diverged(f"the loss became {loss}")
        if stops:
            self._interrupt()
        # Gradients are averaged over processes, so the sum over targets is scaled by their number first.
        (part.total * (self._processes.world_size / weight)).backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._options.gradient_clip))
        if not math.isfinite(norm):
            self._diverged(f"the gradient's norm became {norm}")
        rate = self._learning_rate(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return StepFigures(loss=loss, tokens=weight, learning_rate=rate, gradient_norm=norm)

    def _interrupt(self) -> None:
        """Save what is done and leave; the step that was begun is not applied, so the resumed run repeats it."""
        if self.step > 0:
            self._save()
        raise RuntimeFailure(
            ErrorReason.INTERRUPTED, f"asked to stop after step {self.step} of {self._options.steps}; progress is saved"
        )

    def _diverged(self, what: str) -> None:
        raise RuntimeFailure(
            ErrorReason.TRAINING_DIVERGED,
            f"{what} at step {self.step + 1} of {self._options.steps}: lower the learning rate or lengthen the warm-up",
        )

    def _save(self) -> None:
        with self._during(Stage.SAVING):
            self._checkpoints.save(self.state, step=self.step)
        self._board.saved(self.step)

    @contextmanager
    def _during(self, stage: Stage) -> Iterator[None]:
        before = self._board.snapshot.stage
        self._board.enter(stage)
        yield
        self._board.enter(before)

    def _precision(self) -> AbstractContextManager[object]:
        wanted = self._options.precision
        if wanted == "auto":
            accelerated = self._processes.device.type == "cuda" and torch.cuda.is_bf16_supported()
            wanted = "bf16" if accelerated else "fp32"
        if wanted == "fp32":
            return nullcontext()
        return torch.autocast(self._processes.device.type, dtype=torch.bfloat16)

    def _log(self, figures: StepFigures) -> None:
        seen = self._board.snapshot
        self._say(
            "step",
            step=self.step,
            of=self._options.steps,
            loss=round(figures.loss, 4),
            tokens_per_second=None if seen.tokens_per_second is None else round(seen.tokens_per_second),
            learning_rate=float(f"{figures.learning_rate:.3g}"),
            gradient_norm=round(figures.gradient_norm, 3),
        )

    def _say(self, message: str, **fields: object) -> None:
        if self._processes.first:
            event(logger, message, **fields)


def make_optimizer(model: torch.nn.Module, *, weight_decay: float) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms) do not decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in parameters if each.dim() >= 2], "weight_decay": weight_decay},
        {"params": [each for each in parameters if each.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=_BETAS)

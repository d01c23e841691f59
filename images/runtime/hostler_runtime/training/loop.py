"""The training loop: one optimizer step after the other until the last one, a target, a signal, or a loss that is no
number. It knows stages and updates, and nothing of what a family's networks compute."""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_contract.progress import Stage as Doing
from hostler_contract.result import TargetReached
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.logs import event
from hostler_runtime.protocols.training import Batch, Dataset, Stage
from hostler_runtime.training.checkpoint import Checkpoints, TrainingState
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.order import RowOrder, Span, micro_batches, span_of, spans, step_seed
from hostler_runtime.training.parallel import Parallel
from hostler_runtime.training.progress import ProgressBoard, StepFigures
from hostler_runtime.training.throttle import Throttle
from hostler_runtime.training.updates import Player, TurnFigures, make_player, only

logger = logging.getLogger(__name__)

Measure = Callable[[], Mapping[str, float]]
"""Figures of the model on held-out data."""


class Trainer:
    """One process's part in training one model."""

    def __init__(
        self,
        *,
        job: JobConfig,
        model: torch.nn.Module,
        stages: tuple[Stage, ...],
        dataset: Dataset,
        processes: Processes,
        parallel: Parallel,
        checkpoints: Checkpoints,
        board: ProgressBoard,
        stop_requested: Callable[[], bool],
    ) -> None:
        self._job = job
        self._options = job.hyperparameters
        self._model = model
        self._stages = stages
        self._dataset = dataset
        self._processes = processes
        self._parallel = parallel
        self._checkpoints = checkpoints
        self._board = board
        self._stop_requested = stop_requested
        self._spans = spans([stage.share for stage in stages], steps=self._options.steps)
        self._span: Span | None = None
        self._players: list[Player] = []
        self._order = RowOrder(rows=1, batch_size=1, seed=0)
        self._log_every = max(1, min(50, self._options.steps // 20))
        self._count_next = False
        self._throttle = Throttle()
        self._weights = sum(each.numel() for each in model.parameters())
        self._before = 0.0
        self._since = time.monotonic()
        self.step = 0
        """Optimizer steps done."""

    @property
    def seconds(self) -> float:
        """Training time over all attempts."""
        return self._before + time.monotonic() - self._since

    @property
    def state(self) -> TrainingState:
        """What checkpoints hold: every network, and the optimizers of a stage that is not over.

        Where one is, whether or not the next has begun, there is nothing of an optimizer to remember.
        """
        players = [] if self._between_stages(self.step) else self._players
        return TrainingState(
            model=self._model,
            optimizers=tuple(player.plain for player in players),
            scaler=self._parallel.scaler,
            seconds=self.seconds,
        )

    def restore(self) -> None:
        """Continue from the newest usable checkpoint, if there is one."""
        self._board.enter(Doing.RESTORING)
        found = self._checkpoints.find()
        if found is None:
            return
        self.step = found.step
        if self._between_stages(found.step):
            self._before = self._checkpoints.load(found, self.state)
        else:
            span = span_of(self._spans, step=found.step)
            self._enter(span)
            self._before = self._checkpoints.load(found, self.state)
            if begin := self._stages[span.index].begin:
                begin()
        self._board.resumed(found.step)
        self._say("resumed from checkpoint", step=found.step)

    def train(self, measure: Measure) -> TargetReached | None:
        """All steps that are left. Raises ``RuntimeFailure``; Interrupted only after a checkpoint was saved."""
        self._since = time.monotonic()
        self._board.enter(Doing.TRAINING)
        if (reached := self._target(measure, resumed=True)) is not None:
            return reached
        while self.step < self._options.steps:
            if self.step >= self._current_end():
                self._enter(span_of(self._spans, step=self.step))
            figures = self._advance()
            self.step += 1
            self._board.stepped(self.step, figures)
            if self.step % self._log_every == 0 or self.step == self._options.steps:
                self._log(figures)
            if self.step % self._job.checkpoint.every_steps == 0 or self.step == self._options.steps:
                self._save()
            if (reached := self._target(measure)) is not None:
                self._save()
                return reached
        return None

    def finish(self) -> None:
        """Take the networks out of their wrappers, so that they can be measured and saved."""
        self._leave()
        self._model.eval()

    def _between_stages(self, step: int) -> bool:
        return any(step == span.end for span in self._spans)

    @property
    def _current(self) -> Span:
        assert self._span is not None
        return self._span

    def _current_end(self) -> int:
        return self._span.end if self._span is not None else 0

    def _enter(self, span: Span) -> None:
        """Begin a stage: its networks are wrapped, its optimizers fresh, its row order its own."""
        self._leave()
        stage = self._stages[span.index]
        if stage.begin is not None:
            stage.begin()
        self._model.train()
        self._players = [
            make_player(update, parallel=self._parallel, options=self._options, steps=span.steps)
            for update in stage.updates
        ]
        self._order = RowOrder(
            rows=self._dataset.train_rows,
            batch_size=rows_per_step(self._job, self._dataset, self._processes, scale=stage.batch_scale),
            seed=self._options.seed,
            stage=span.index,
        )
        self._span = span
        self._count_next = True
        self._board.entered_stage(stage.name if len(self._stages) > 1 else None)
        if len(self._stages) > 1:
            self._say("stage begins", stage=stage.name, steps=span.steps)

    def _leave(self) -> None:
        for player in self._players:
            self._parallel.unwrap(player.wrapped)
        left = bool(self._players)
        self._players = []
        if left:
            gc.collect()  # hooks and optimizers hold each other, and a device's memory with them

    def _advance(self) -> StepFigures:
        """One optimizer step, the same on every process."""
        began = time.perf_counter()
        self._throttle.begin()
        rows = self._order.of_step(self.step - self._current.first)
        torch.manual_seed(step_seed(seed=self._options.seed, step=self.step, rank=self._processes.rank))
        batches = [self._load(portion) for portion in self._portions(rows)]
        waited = time.perf_counter() - began
        with self._counting() as operations:
            turns = {}
            for player in self._players:
                with only(player, among=self._players):
                    turns[player.update.name] = self._turn(player, batches, rows=len(rows))
        units = next(iter(turns.values())).units / self._processes.world_size
        if operations is not None:
            self._board.counted(operations.get_total_flops() / max(1.0, units))
        stage = self._stages[self._current.index]
        if stage.after_step is not None:
            stage.after_step()
        self._throttle.end(weights=self._weights, units=units)
        elapsed = time.perf_counter() - began
        return step_figures(turns, data_wait_ratio=min(1.0, waited / elapsed) if elapsed > 0 else 0.0)

    def _counting(self) -> AbstractContextManager[Any]:
        """Count the operations of a stage's first step, where nobody gave a formula and utilization is wanted."""
        if not (self._board.counts_flops and self._count_next):
            return nullcontext()
        from torch.utils.flop_counter import FlopCounterMode  # complains about a missing triton when it is imported

        self._count_next = False
        return FlopCounterMode(display=False)

    def _portions(self, rows: list[int]) -> list[list[int]]:
        return micro_batches(
            rows,
            rank=self._processes.rank,
            world_size=self._processes.world_size,
            accumulation=self._job.accumulation,
        )

    def _load(self, rows: list[int]) -> Batch:
        batch = self._dataset.train_batch(rows)
        return {name: tensor.to(self._processes.device) for name, tensor in batch.items()}

    def _turn(self, player: Player, batches: list[Batch], *, rows: int) -> TurnFigures:
        """One update: gradients of all micro-batches, joined over processes, then one optimizer step."""
        first = player is self._players[0]
        # A forward pass changes running statistics and spectral norms, which a step that is not applied must not leave.
        before = [each.detach().clone() for each in self._model.buffers()] if first else []
        sums = player.accumulate(player.surveyed(batches, processes=self._processes), scale=1 / rows)
        # Nothing of the step is applied before the first update; a signal that comes later waits for the next step.
        stop = first and self._stop_requested()
        # One collective for everything: the normaliser, the figures to show, and whether any pod was told to stop.
        total = self._processes.sum_named({**sums, "stop": float(stop)})
        # Masks are drawn, and may leave a step of few tokens with nothing to learn: it has no gradient of its own.
        loss = total["loss"] / total["weight"] if total["weight"] else 0.0
        if not math.isfinite(loss):
            self._diverged(f"the loss of {player.update.name} became {loss}")
        if total["stop"]:
            with torch.no_grad():
                for buffer, value in zip(self._model.buffers(), before, strict=True):
                    buffer.copy_(value)
            self._interrupt()
        # Processes average their gradients, so the mean over targets needs the number of processes back.
        factor = rows * self._processes.world_size / total["weight"] if total["weight"] else 0.0
        norm = player.step(self.step - self._current.first, factor=factor)
        if not math.isfinite(norm) and not self._parallel.overflowed:
            self._diverged(f"the norm of the gradient of {player.update.name} became {norm}")
        self._model.zero_grad(set_to_none=True)
        return TurnFigures(
            loss=loss,
            parts={
                name[5:]: value / (total["weight"] or 1.0) for name, value in total.items() if name.startswith("part:")
            },
            units=total["units"],
            learning_rate=player.rate,
            gradient_norm=norm,
        )

    def _target(self, measure: Measure, *, resumed: bool = False) -> TargetReached | None:
        """Measure where it is due; the target where it is reached.

        After a restart the measurement of the checkpoint's step is repeated: the process may have died between it and
        the end. Only the last stage is measured, because before it the model cannot do yet what the metric asks.
        """
        every, stop = self._job.evaluation.every_steps, self._job.evaluation.stop_at
        due = every is not None and self.step > 0 and self.step % every == 0
        if not due or self._spans[-1].first >= self.step or (resumed and stop is None):
            return None
        if self.step == self._options.steps and stop is None:
            return None  # the final figures are taken after training anyway
        with self._during(Doing.EVALUATING):
            figures = measure()
        self._model.train()
        self._board.measured(figures)
        self._say("measured", step=self.step, **{name: round(value, 5) for name, value in figures.items()})
        if stop is None:
            return None
        if stop.metric not in figures:
            raise RuntimeFailure(
                ErrorReason.INVALID_CONFIGURATION,
                f"stopAt names the metric {stop.metric!r}; metrics of this job: {', '.join(sorted(figures))}",
            )
        if not stop.reached(figures[stop.metric]):
            return None
        return TargetReached(metric=stop.metric, value=figures[stop.metric], step=self.step, seconds=self.seconds)

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
        with self._during(Doing.SAVING):
            self._checkpoints.save(self.state, step=self.step)
        self._board.saved(self.step)

    @contextmanager
    def _during(self, doing: Doing) -> Iterator[None]:
        before = self._board.snapshot.stage
        self._board.enter(doing)
        yield
        self._board.enter(before)

    def _log(self, figures: StepFigures) -> None:
        seen = self._board.snapshot
        self._say(
            "step",
            step=self.step,
            of=self._options.steps,
            loss=round(figures.loss, 4),
            speed=None if seen.units_per_second is None else f"{seen.units_per_second:.0f} {seen.unit}/s",
            learning_rate=float(f"{figures.learning_rate:.3g}"),
            gradient_norm=round(figures.gradient_norm, 3),
        )

    def _say(self, message: str, **fields: Any) -> None:
        if self._processes.first:
            event(logger, message, **fields)


def rows_per_step(job: JobConfig, dataset: Dataset, processes: Processes, *, scale: int = 1) -> int:
    """Rows of one optimizer step over all processes: as many as batchSize asks for, as far as there can be so few."""
    return max(wanted_rows(job, dataset, scale=scale), fewest_rows(job, processes))


def micro_batch_rows(job: JobConfig, dataset: Dataset, processes: Processes) -> int:
    """The most rows that one process computes at once."""
    return -(-rows_per_step(job, dataset, processes) // fewest_rows(job, processes))


def wanted_rows(job: JobConfig, dataset: Dataset, *, scale: int = 1) -> int:
    """Rows that hold the sequences of batchSize, to the nearest; 0 where one row holds more than twice as many.

    A packed row holds several sequences; without the division a step would see that many times more of them, and the
    learning rate that suits the padded run would not suit it (arXiv 2107.02027, section 4).
    """
    return round(job.hyperparameters.batch_size * scale / dataset.sequences_per_row)


def fewest_rows(job: JobConfig, processes: Processes) -> int:
    """Rows that a step cannot do without: one for each micro-batch of each process."""
    return processes.world_size * job.accumulation


def step_figures(turns: Mapping[str, TurnFigures], *, data_wait_ratio: float) -> StepFigures:
    """What one step shows: the figures of its only turn, or the sum over turns with each as a part."""
    first = next(iter(turns.values()))
    parts = dict(first.parts) if len(turns) == 1 else {name: turn.loss for name, turn in turns.items()}
    return StepFigures(
        loss=sum(turn.loss for turn in turns.values()),
        parts=parts,
        units=first.units,
        learning_rate=first.learning_rate,
        gradient_norm=max(turn.gradient_norm for turn in turns.values()),
        data_wait_ratio=data_wait_ratio,
    )

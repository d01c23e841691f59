"""One attempt of a TrainingJob from data to artifacts: the stages, in order."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from hostler_contract import ErrorReason, JobConfig, Result
from hostler_contract.progress import Stage
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families import training_half
from hostler_runtime.families.training_protocol import Dataset, TrainingHalf
from hostler_runtime.logs import event
from hostler_runtime.training.artifact import model_card, publish_model
from hostler_runtime.training.checkpoint import Checkpoints, identity
from hostler_runtime.training.corpus import read_corpus
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.files import clear_directory, fresh_directory, publish_directory
from hostler_runtime.training.loop import Trainer
from hostler_runtime.training.progress import ProgressBoard
from hostler_runtime.training.sources import locate

VOLUME_ROOT = Path("/workspace")
"""Where the trainer sees the workspace volume; artifact paths are relative to it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What one process needs beside the job."""

    processes: Processes
    board: ProgressBoard
    stop_requested: Callable[[], bool]
    volume: Path = VOLUME_ROOT


def run(job: JobConfig, around: Surroundings) -> Result:
    """Train, evaluate, publish. Raises ``RuntimeFailure`` and whatever the libraries raise."""
    processes, board = around.processes, around.board
    _check(job, processes)
    half = training_half(job.family)
    board.enter(Stage.PREPARING_DATA)
    prepared = processes.from_first(lambda: prepare_data(job, half))
    dataset = half.open_dataset(job, prepared)
    torch.manual_seed(job.hyperparameters.seed)
    trainer = Trainer(
        job=job,
        half=half,
        model=half.build(job, dataset).to(processes.device),
        dataset=dataset,
        processes=processes,
        checkpoints=Checkpoints(
            Path(job.workspace) / "checkpoints",
            job=job,
            identity=identity(job, dataset_sha256=dataset.facts.sha256),
            processes=processes,
        ),
        board=board,
        stop_requested=around.stop_requested,
    )
    trainer.restore()
    trainer.train()
    metrics = {
        **half.metrics(dataset, validation_loss=trainer.evaluate()),
        **({} if board.snapshot.loss is None else {"training_loss": board.snapshot.loss}),
    }
    return finish(job, half, trainer, dataset=dataset, metrics=metrics, around=around)


def prepare_data(job: JobConfig, half: TrainingHalf) -> Path:
    """Rank 0: the prepared dataset's directory in the workspace, made once per content."""
    cache = _workspace(job) / "cache"
    started = time.monotonic()
    files = locate(job.dataset.source, cache=cache)
    corpus = read_corpus(files, location=job.dataset.source.location)
    key = hashlib.sha256(f"{corpus.sha256} {half.fingerprint(job)}".encode()).hexdigest()[:32]
    target = cache / f"prepared-{key}"
    if not target.exists():
        temporary = fresh_directory(cache / ".preparing")
        try:
            half.prepare(job, corpus, temporary)
            publish_directory(temporary, target)
        finally:
            clear_directory(temporary)
    event(logger, "data ready", files=len(files), bytes=corpus.size_bytes, seconds=round(time.monotonic() - started, 2))
    return target


def finish(
    job: JobConfig,
    half: TrainingHalf,
    trainer: Trainer,
    *,
    dataset: Dataset,
    metrics: dict[str, float],
    around: Surroundings,
) -> Result:
    """Publish the model and say what became of the job."""
    around.board.enter(Stage.SAVING)
    artifact = around.processes.from_first(
        lambda: publish_model(
            Path(job.workspace),
            volume=around.volume,
            save=lambda directory: half.save(trainer.state.model, dataset, directory),
            card=lambda facts: model_card(
                job, header=half.card_header(), model=facts, dataset=dataset.facts, metrics=metrics
            ),
        )
    )
    around.board.enter(Stage.FINISHED)
    return Result(succeeded=True, steps=trainer.step, metrics=metrics, artifact=artifact, dataset=dataset.facts)


def _check(job: JobConfig, processes: Processes) -> None:
    batch = job.hyperparameters.batch_size
    if batch < processes.world_size:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"batchSize {batch} is smaller than the number of processes, {processes.world_size}: raise it",
        )


def _workspace(job: JobConfig) -> Path:
    workspace = Path(job.workspace)
    try:
        (workspace / "cache").mkdir(parents=True, exist_ok=True)
        (workspace / "checkpoints").mkdir(exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"the workspace {workspace} cannot be written: {error.strerror}"
        ) from error
    return workspace

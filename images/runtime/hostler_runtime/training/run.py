"""One attempt of a TrainingJob from data to artifacts: the stages, in order."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor

from hostler_contract import ErrorReason, JobConfig, Result
from hostler_contract.figures import FIGURES, Figure, Need, figures_of, unmeasured
from hostler_contract.progress import Stage
from hostler_contract.result import Comparison, Measured, TargetReached
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.families import training_half
from hostler_runtime.frozen import hold_as_stored, stored_type
from hostler_runtime.logs import event
from hostler_runtime.objectives import with_objective
from hostler_runtime.protocols.training import Dataset, ModelFacts, TrainingHalf
from hostler_runtime.room import item_bytes, memory_of, require_room
from hostler_runtime.training.artifact import SAMPLES_DIRECTORY, model_card, publish_model, staging, weights_bytes
from hostler_runtime.training.assembled import Assembled, Surroundings
from hostler_runtime.training.checkpoint import Checkpoints
from hostler_runtime.training.comparing import latencies, latency
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.files import write_file
from hostler_runtime.training.loop import Trainer, fewest_rows, micro_batch_rows
from hostler_runtime.training.measuring import Measurer, measured
from hostler_runtime.training.notes import data_notes, step_notes
from hostler_runtime.training.parallel import Parallel
from hostler_runtime.training.preparing.step import Watch, prepare_data
from hostler_runtime.training.storage import round_weights, storage_of, store_weights
from hostler_runtime.training.unread import unread_notes

_FINAL = "final"
"""Name of the samples of the finished model."""
_BEFORE = "before.json"
"""What the base model measured, kept for the attempts after the first."""

logger = logging.getLogger(__name__)


def run(job: JobConfig, around: Surroundings) -> Result:
    """Train, evaluate, publish. Raises ``RuntimeFailure`` and whatever the libraries raise."""
    parts = assemble(job, around)
    before = measure_base(parts) if job.objective.kind.needs_base else None
    parts.trainer.restore()
    target = parts.trainer.train(lambda: measure_and_sample(parts))
    parts.trainer.finish()
    parts = completed(parts)
    around.board.enter(Stage.EVALUATING)
    metrics = parts.measurer.figures()
    around.board.measured(metrics)
    parts.measurer.sample(_FINAL)
    return finish(parts, metrics=metrics, before=before, target=target)


def assemble(job: JobConfig, around: Surroundings) -> Assembled:
    """Data, networks, stages: everything that exists before the first step."""
    processes, board = around.processes, around.board
    half = with_objective(job, training_half(job.family))
    if job.prepared is None:
        board.enter(Stage.PREPARING_DATA if job.dataset.source.kind == "path" else Stage.IMPORTING)
    check_room(job, half, processes, rows=1)
    _make_workspace(job)
    watch = Watch(there=lambda: board.enter(Stage.PREPARING_DATA), advanced=board.advanced)
    prepared = processes.from_first(lambda: prepare_data(job, half, volume=around.volume, watch=watch).directory)
    board.enter(Stage.STARTING)
    dataset = half.open_dataset(job, prepared)
    _check(job, processes)
    check_room(job, half, processes, rows=micro_batch_rows(job, dataset, processes), dataset=dataset)
    parallel = Parallel(processes, job.hyperparameters)
    torch.manual_seed(job.hyperparameters.seed)
    model = built(job, half, dataset, parallel).to(processes.device)
    notes = [
        *parallel.notes,
        *getattr(dataset, "notes", ()),
        *step_notes(job, dataset, processes),
        *data_notes(dataset.facts),
        *unread_notes(prepared),
    ]
    board.described(unit=half.UNIT, packing_factor=dataset.facts.packing_factor, notes=notes)
    for note in notes if processes.first else ():
        event(logger, note)
    _check_metrics(job, half, model, dataset)
    trainer = Trainer(
        job=job,
        model=model,
        stages=tuple(half.stages(job, model, dataset)),
        dataset=dataset,
        processes=processes,
        parallel=parallel,
        checkpoints=Checkpoints(
            Path(job.workspace) / "checkpoints",
            job=job,
            dataset_sha256=dataset.facts.sha256,
            processes=processes,
        ),
        board=board,
        stop_requested=around.stop_requested,
    )
    measurer = Measurer(job, half, model, dataset, processes, parallel, board.advanced)
    return Assembled(job, half, dataset, measurer, trainer, around)


def built(job: JobConfig, half: TrainingHalf, dataset: Dataset, parallel: Parallel) -> torch.nn.Module:
    """The networks, of which those that do not learn take no more room than they must."""
    model = half.build(job, dataset)
    if job.objective.kind.needs_base:
        beside = getattr(half, "beside", None)
        for network in (model, *(() if beside is None else beside())):
            hold_as_stored(network, stored_type(job), precision=parallel.precision)
    return model


def check_room(
    job: JobConfig, half: TrainingHalf, processes: Processes, *, rows: int, dataset: Dataset | None = None
) -> None:
    """Raises ``RuntimeFailure`` where a micro-batch of so many rows cannot fit into memory, as far as the family says
    what it takes: once with a single row before the data is prepared, once with as many as there will be."""
    asked = getattr(half, "demand", None)
    if asked is None:
        return
    demand, length = asked(job, dataset, item_bytes=item_bytes(job, processes.device), processes=processes.world_size)
    require_room(demand, rows=rows, length=length, memory=memory_of(processes.device))


def completed(parts: Assembled) -> Assembled:
    """With the model as the objective leaves it, and its figures with it.

    Shards stay where they are unless what the objective leaves computes something else than what was trained.
    """
    if not parts.measurer.parallel.sharded:
        model = parts.measurer.model
    elif getattr(parts.half, "COMPUTES_OTHERWISE", False):
        model = gathered(parts)
    else:
        return replace(parts, whole=False)
    return replace(parts, measurer=replace(parts.measurer, model=_complete(parts, model)))


def gathered(parts: Assembled) -> torch.nn.Module:
    """The model that was trained in shards, in one piece on every process."""
    model = parts.half.build(parts.job, parts.dataset)
    held = model.state_dict()
    # One weight after the other: nobody holds all of them twice.
    for name, shard in parts.measurer.model.state_dict().items():
        held[name].copy_(whole_tensor(shard))
    return model.to(parts.around.processes.device)


def whole_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """A weight in one piece, wherever its parts are. Every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _complete(parts: Assembled, model: torch.nn.Module) -> torch.nn.Module:
    """Let the objective merge its adapter, or quantize; then the weights are as precise as they will be stored."""
    complete = getattr(parts.half, "complete", None)
    done: torch.nn.Module = model if complete is None else complete(model)
    round_weights(done, storage_of(parts.job))
    return done.eval()


def measure_and_sample(parts: Assembled) -> dict[str, float]:
    """Figures of the model in the middle of training, with samples beside them."""
    parts.measurer.sample(f"step-{parts.trainer.step:08d}")
    return parts.measurer.figures()


def measure_base(parts: Assembled) -> Measured:
    """The base model before anything changes it; remembered, because a later attempt starts from a checkpoint."""
    path = Path(parts.job.workspace) / _BEFORE
    remembered = parts.around.processes.from_first(lambda: path.read_text() if path.exists() else None)
    if remembered is not None:
        return Measured.model_validate_json(remembered)
    parts.around.board.enter(Stage.EVALUATING)
    original = getattr(parts.half, "original", None)
    model = original(parts.job, parts.dataset) if original is not None else None
    if model is not None:
        model = model.to(parts.around.processes.device).eval()
        parts = replace(parts, measurer=replace(parts.measurer, model=model))
    found = measured(
        parts.measurer.model,
        size_bytes=max(1, weights_bytes(Path(parts.job.inputs.base or ""))),
        latency_seconds=latency(parts),
        metrics=parts.measurer.figures(),
    )
    parts.around.processes.from_first(lambda: write_file(path, found.model_dump_json()))
    return found


def finish(
    parts: Assembled, *, metrics: dict[str, float], before: Measured | None, target: TargetReached | None
) -> Result:
    """Publish the model and say what became of the job."""
    job, around = parts.job, parts.around
    around.board.enter(Stage.SAVING)
    times = latencies(parts, before) if before is not None else (0.0, 0.0)
    model = whole_model(parts)

    def publish() -> Result:
        assert model is not None
        directory = staging(Path(job.workspace))
        store_weights(model, storage_of(job))
        facts = parts.half.save(model, parts.dataset, directory)
        comparison = None
        if before is not None:
            size = weights_bytes(directory)
            after = measured(model, size_bytes=size, latency_seconds=times[1], metrics=metrics)
            comparison = Comparison(before=before.model_copy(update={"latency_seconds": times[0]}), after=after)
        write_card(parts, directory, facts, metrics=metrics, comparison=comparison)
        return Result(
            succeeded=True,
            steps=parts.trainer.step,
            metrics=metrics,
            artifact=publish_model(directory, facts, workspace=Path(job.workspace), volume=around.volume),
            dataset=parts.dataset.facts,
            comparison=comparison,
            target=target,
            pace=around.board.pace(precision=parts.measurer.parallel.precision),
            notes=around.board.snapshot.notes,
        )

    result = around.processes.from_first(publish)
    around.board.enter(Stage.FINISHED)
    return result


def write_card(
    parts: Assembled, directory: Path, facts: ModelFacts, *, metrics: dict[str, float], comparison: Comparison | None
) -> None:
    """The samples and the card that speaks of them."""
    samples = Path(parts.job.workspace) / SAMPLES_DIRECTORY
    if samples.exists():
        shutil.copytree(samples, directory / SAMPLES_DIRECTORY, ignore=shutil.ignore_patterns(".*"))
    final = sorted((directory / SAMPLES_DIRECTORY / _FINAL).glob("*"))
    card = model_card(
        parts.job,
        header=parts.half.card_header(),
        model=facts,
        dataset=parts.dataset.facts,
        metrics=metrics,
        comparison=comparison,
        notes=parts.around.board.snapshot.notes,
        samples=[f"{_FINAL}/{path.name}" for path in final],
    )
    (directory / "README.md").write_text(card, encoding="utf-8")


def whole_model(parts: Assembled) -> torch.nn.Module | None:
    """The trained model in one piece; None on processes that hold nothing to save."""
    if parts.whole:
        return parts.measurer.model
    state = get_model_state_dict(parts.measurer.model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not parts.around.processes.first:
        return None
    model = parts.half.build(parts.job, parts.dataset)
    model.load_state_dict(state)
    # Only now: an adapter is merged into whole matrices.
    return _complete(parts, model)


def _check(job: JobConfig, processes: Processes) -> None:
    least, batch = fewest_rows(job, processes), job.hyperparameters.batch_size
    if batch < least:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION,
            f"batchSize {batch} is smaller than the number of processes times gradientAccumulation, {least}: raise it",
        )


def _check_metrics(job: JobConfig, half: TrainingHalf, model: torch.nn.Module, dataset: Dataset) -> None:
    """Whoever waits for a figure that will not be there is told before the first step."""
    if not job.evaluation.wanted or job.family not in FIGURES:
        return  # what a family measures that nobody has described, only its first measurement tells
    missing = list(unmeasured(measurable(job, half, model), job.evaluation.wanted, lacks=lacking(half, model, dataset)))
    if missing:
        said = "; ".join(f"{metric} {why}" for metric, why in missing)
        raise RuntimeFailure(ErrorReason.INVALID_CONFIGURATION, f"evaluation: {said}")


def measurable(job: JobConfig, half: TrainingHalf, model: torch.nn.Module) -> tuple[Figure, ...]:
    """What a job of this kind measures, where everything that it needs is there."""
    head_of = getattr(half, "head_of", None)
    return figures_of(job.family, job.objective, head=None if head_of is None else head_of(model))


def lacking(half: TrainingHalf, model: torch.nn.Module, dataset: Dataset) -> Collection[Need]:
    """What this job does not have of it."""
    asked = getattr(half, "lacking", None)
    found: Collection[Need] = () if asked is None else asked(model, dataset)
    return found


def _make_workspace(job: JobConfig) -> None:
    workspace = Path(job.workspace)
    try:
        (workspace / "checkpoints").mkdir(parents=True, exist_ok=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise RuntimeFailure(
            ErrorReason.INVALID_CONFIGURATION, f"the workspace {workspace} cannot be written: {error.strerror}"
        ) from error

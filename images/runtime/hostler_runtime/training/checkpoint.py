"""Checkpoints that exist completely or not at all.

All processes write their shards into a temporary directory with ``torch.distributed.checkpoint``; rank 0 renames it
and writes the manifest last. A directory without a manifest is not a checkpoint for any reader, so a crash at any
moment leaves the previous one in force. Random state, data position and learning rate are functions of the step
(``order``) and need no place here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from pydantic import ValidationError
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from hostler_contract import CheckpointManifest, ErrorReason, JobConfig
from hostler_contract.checkpoint import MANIFEST_NAME, CheckpointFile
from hostler_data.files import sha256_of
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.logs import event
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.files import clear_directory, flush, fresh_directory, write_file

_TEMPORARY = ".incomplete"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """What a checkpoint saves and restores."""

    model: torch.nn.Module
    optimizers: tuple[torch.optim.Optimizer, ...]
    scaler: torch.amp.GradScaler | None = None
    """Of losses in fp16: a new one would begin at a scale that overflows, and leave steps out."""
    seconds: float = 0.0
    """Training time up to now, over all attempts."""


@dataclass(frozen=True)
class Found:
    """A checkpoint that can be loaded."""

    directory: Path
    step: int
    seconds: float


class Checkpoints:
    """The checkpoints of one job, below ``<workspace>/checkpoints``."""

    def __init__(self, root: Path, *, job: JobConfig, dataset_sha256: str, processes: Processes) -> None:
        self._root = root
        self._others = None if job.resume_from is None else Path(job.resume_from) / root.name
        self._family = job.family
        self._network = network_identity(job)
        self._steps = job.hyperparameters.steps
        self._keep = job.checkpoint.keep
        self._job = job
        self._dataset = dataset_sha256
        self._identity = identity(job, dataset_sha256=dataset_sha256)
        self._processes = processes
        # What an adapter stands on is frozen and comes from the base model at every start.
        adapter = job.objective.lora is not None
        self._options = StateDictOptions(ignore_frozen_params=adapter, strict=not adapter)
        self.newest: int | None = None

    def save(self, state: TrainingState, *, step: int) -> None:
        """Write the checkpoint of ``step``; returns on every process once it is complete."""
        if self.newest == step:
            return
        temporary = self._root / _TEMPORARY
        self._processes.from_first(lambda: fresh_directory(temporary) and None)
        content = self._content(state)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dcp.save(content, checkpoint_id=temporary)
        except CheckpointException as error:
            raise _cause(error) from error
        self._processes.from_first(lambda: self._complete(temporary, step=step, seconds=state.seconds))
        self.newest = step

    def find(self) -> Found | None:
        """The newest usable checkpoint, the same for every process; None where there is none at all.

        Where the job has none of its own, that of the job that it is to start from. Raises ``RuntimeFailure`` where
        there are some and none can be used, or where the other job has none.
        """
        self._processes.from_first(lambda: clear_directory(self._root / _TEMPORARY))
        return self._processes.from_first(lambda: self._find() or self._find_others())

    def load(self, found: Found, state: TrainingState) -> float:
        """Bring the state to what the checkpoint holds; returns the training time up to it, in seconds.

        Of another job's checkpoint the optimizers may be of another stage, or missing because its training was over.
        They begin anew then.
        """
        others = found.directory.parent != self._root
        try:
            self._load(found.directory, state)
        except RuntimeFailure as failure:
            if not others or not state.optimizers:
                raise
            event(logger, "the optimizers begin anew", why=failure.message)
            self._load(found.directory, replace(state, optimizers=(), scaler=None))
            for optimizer in state.optimizers:
                optimizer.state.clear()
        # Another job's checkpoint is not in this workspace.
        self.newest = None if others else found.step
        return found.seconds

    def _load(self, directory: Path, state: TrainingState) -> None:
        loaded = self._content(state)
        try:
            if not _holds(directory, "scaler"):
                loaded.pop("scaler", None)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dcp.load(loaded, checkpoint_id=directory)
        except CheckpointException as error:
            cause = _cause(error)
            raise RuntimeFailure(
                ErrorReason.CHECKPOINT_UNREADABLE, f"{directory} cannot be loaded: {cause.message}"
            ) from error
        set_state_dict(
            state.model,
            state.optimizers,
            model_state_dict=loaded["model"],
            optim_state_dict=loaded["optimizer"],
            options=self._options,
        )
        if state.scaler is not None and "scaler" in loaded:
            state.scaler.load_state_dict(loaded["scaler"])

    def _content(self, state: TrainingState) -> dict[str, Any]:
        model, optimizer = get_state_dict(state.model, state.optimizers, options=self._options)
        found: dict[str, Any] = {"model": model, "optimizer": optimizer}
        if state.scaler is not None:
            found["scaler"] = state.scaler.state_dict()
        return found

    def _complete(self, temporary: Path, *, step: int, seconds: float) -> None:
        """Rank 0, after every shard is flushed: rename, then the manifest, then make room."""
        files = [
            CheckpointFile(path=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path))
            for path in sorted(temporary.iterdir())
        ]
        manifest = CheckpointManifest(
            step=step,
            training_seconds=round(seconds, 3),
            family=self._family,
            network_sha256=self._network,
            world_size=self._processes.world_size,
            config_sha256=self._identity,
            dataset_sha256=self._dataset,
            created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            files=files,
        )
        directory = self._root / f"step-{step:08d}"
        clear_directory(directory)  # left without a manifest, or damaged, by an earlier process
        temporary.rename(directory)
        flush(self._root)
        write_file(directory / MANIFEST_NAME, manifest.to_json())
        self._prune(keeping=step)
        event(logger, "checkpoint saved", step=step, bytes=sum(file.size_bytes for file in files))

    def _prune(self, *, keeping: int) -> None:
        """Remove all but the newest ones. Those beyond ``keeping`` were skipped at the start and cannot be used."""
        usable = [path for path in _directories(self._root) if path.name <= f"step-{keeping:08d}"]
        for path in _directories(self._root):
            if path not in usable[-self._keep :]:
                # The manifest goes first: a crash in the middle must not leave half a checkpoint with one.
                (path / MANIFEST_NAME).unlink(missing_ok=True)
                clear_directory(path)

    def _find(self) -> Found | None:
        """Rank 0: the newest checkpoint that is whole. Raises when there are some and none can be used."""
        return self._newest(
            self._root, fits=self._is_own, way_out="restore one, or remove the directory to start from the beginning"
        )

    def _find_others(self) -> Found | None:
        """Rank 0: the same of the job that this one is to start from."""
        if self._others is None:
            return None
        way_out = "name another job in spec.resumeFrom, or none to start from the beginning"
        found = self._newest(self._others, fits=self._is_loadable, way_out=way_out)
        if found is None:
            raise RuntimeFailure(
                ErrorReason.CHECKPOINT_UNREADABLE, f"there is no complete checkpoint in {self._others}: {way_out}"
            )
        return found

    def _newest(self, root: Path, *, fits: Fits, way_out: str) -> Found | None:
        complaints = []
        for directory in reversed(_directories(root)):
            if not (directory / MANIFEST_NAME).exists():
                event(logger, "incomplete checkpoint passed over", path=str(directory))
                continue
            complaint, manifest = _inspect(directory, fits=fits)
            if manifest is not None and complaint is None:
                return Found(directory, manifest.step, manifest.training_seconds)
            complaints.append(f"{directory.name} {complaint}")
            event(logger, "damaged checkpoint passed over", level=logging.WARNING, path=str(directory), why=complaint)
        if complaints:
            raise RuntimeFailure(
                ErrorReason.CHECKPOINT_UNREADABLE,
                f"no checkpoint in {root} can be used ({'; '.join(complaints)}): {way_out}",
            )
        return None

    def _is_own(self, manifest: CheckpointManifest) -> str | None:
        if manifest.config_sha256 == self._identity:
            return None
        before = manifest.dataset_sha256
        if before and manifest.config_sha256 == identity(self._job, dataset_sha256=before):
            raise RuntimeFailure(
                ErrorReason.DATASET_CHANGED,
                f"the data is not what it was when step {manifest.step} was saved: its SHA-256 was {before} and is "
                f"{self._dataset} now",
            )
        return "belongs to another configuration or dataset"

    def _is_loadable(self, manifest: CheckpointManifest) -> str | None:
        if manifest.family != self._family:
            return f"is of family {manifest.family}, and this job trains {self._family}"
        if manifest.network_sha256 not in (None, self._network):
            return "is of another network or objective"
        if manifest.step > self._steps:
            return f"is of step {manifest.step}, and training.steps is {self._steps}"
        return None


Fits = Callable[[CheckpointManifest], str | None]
"""What speaks against a whole checkpoint."""


def _inspect(directory: Path, *, fits: Fits) -> tuple[str | None, CheckpointManifest | None]:
    """What is wrong with a checkpoint, and its manifest."""
    try:
        manifest = CheckpointManifest.from_json((directory / MANIFEST_NAME).read_bytes())
    except (OSError, ValidationError):
        return "has an unreadable manifest", None
    if complaint := fits(manifest):
        return complaint, manifest
    for file in manifest.files:
        path = directory / file.path
        if not path.is_file():
            return f"lacks {file.path}", manifest
        if path.stat().st_size != file.size_bytes or sha256_of(path) != file.sha256:
            return f"has a damaged {file.path}", manifest
    return None, manifest


def _holds(directory: Path, part: str) -> bool:
    """Whether a checkpoint has a part that older ones, or those of other precisions, lack."""
    names = dcp.FileSystemReader(directory).read_metadata().state_dict_metadata
    return any(name.startswith(f"{part}.") for name in names)


def _directories(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("step-*") if path.is_dir())


def identity(job: JobConfig, *, dataset_sha256: str) -> str:
    """Hash of what must not change between attempts. The number of processes may."""
    fixed = {
        "family": job.family,
        "objective": job.objective.model_dump(mode="json"),
        "model": job.model.model_dump(mode="json"),
        # What is absent is left out, so that a new setting does not make strangers of older checkpoints.
        "hyperparameters": job.hyperparameters.model_dump(mode="json", exclude_none=True),
        "inputs": job.inputs.model_dump(mode="json"),
        "packing": job.packing.model_dump(mode="json"),
        # Which rows there are follows from it. Left out where it is as it was before there was a choice.
        **({} if job.overlong == "truncate" else {"overlong": job.overlong}),
        "validation_percent": job.dataset.validation_percent,
        "dataset": dataset_sha256,
    }
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def network_identity(job: JobConfig) -> str:
    """Hash of what decides which weights there are. Data, steps and rates may be another job's own."""
    lora = job.objective.lora
    fixed = {
        "family": job.family,
        "objective": job.objective.kind.value,
        "lora": None if lora is None else lora.model_dump(mode="json"),
        "model": job.model.model_dump(mode="json"),
        "parts": sorted(job.inputs.parts),
    }
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def _cause(error: CheckpointException) -> RuntimeFailure:
    """The most telling of the failures that the processes reported."""
    failures = [classify(wrapped[0]) for wrapped in error.failures.values()]
    typed = [failure for failure in failures if failure.reason is not ErrorReason.INTERNAL]
    return (typed or failures or [RuntimeFailure(ErrorReason.INTERNAL, str(error))])[0]

"""A run that was cut off anywhere ends with the same weights, bit for bit, as one that was not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.training.harness import JobFactory, Train, make_job
from safetensors.torch import load_file

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.training import artifact, checkpoint, files, loop, measuring
from hostler_runtime.training.checkpoint import Checkpoints
from hostler_runtime.training.preparing import place


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test catches it."""


def weights(job: JobConfig) -> dict[str, torch.Tensor]:
    """The published model's tensors."""
    return load_file(Path(job.workspace) / "model" / "model.safetensors")


def checkpoints(job: JobConfig) -> list[Path]:
    """Checkpoint directories, oldest first, whole or not."""
    return sorted((Path(job.workspace) / "checkpoints").glob("step-*"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, train: Train) -> dict[str, torch.Tensor]:
    """The weights of twelve steps in one go. The model has dropout, so random state matters."""
    job = make_job(tmp_path_factory.mktemp("whole") / "workspace")
    train(job)
    return weights(job)


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """Tensor by tensor, bit by bit."""
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


def kill_in(module: Any, name: str, *, call: int, when: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Die before or after the nth call of a function."""

    def arrange(patch: pytest.MonkeyPatch) -> None:
        genuine = getattr(module, name)
        calls = 0

        def deadly(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call and when == "before":
                raise Killed
            value = genuine(*arguments, **options)
            if calls == call:
                raise Killed
            return value

        patch.setattr(module, name, deadly)

    return arrange


@pytest.mark.parametrize(
    ("arrange", "want_resumed_from"),
    [
        pytest.param(kill_in(place, "publish_directory", call=1, when="before"), None, id="while preparing data"),
        pytest.param(kill_in(loop.Trainer, "_advance", call=3, when="after"), None, id="before any checkpoint"),
        pytest.param(kill_in(checkpoint.dcp, "save", call=1, when="before"), None, id="before the first shard"),
        pytest.param(kill_in(checkpoint.dcp, "save", call=2, when="after"), 4, id="after the shards, before the name"),
        pytest.param(kill_in(checkpoint, "write_file", call=2, when="before"), 4, id="named, but without manifest"),
        pytest.param(kill_in(checkpoint, "write_file", call=2, when="after"), 8, id="with the manifest just written"),
        pytest.param(kill_in(Checkpoints, "_prune", call=2, when="after"), 8, id="after pruning"),
        pytest.param(kill_in(loop.Trainer, "_advance", call=7, when="after"), 4, id="between two checkpoints"),
        pytest.param(kill_in(measuring.Measurer, "figures", call=1, when="before"), 12, id="before evaluation"),
        pytest.param(kill_in(artifact, "publish_directory", call=1, when="before"), 12, id="with the model unnamed"),
        pytest.param(kill_in(artifact, "publish_directory", call=1, when="after"), 12, id="with the result unsaid"),
    ],
)
def test_killed_anywhere_the_job_ends_as_if_nothing_had_happened(
    arrange: Callable[[pytest.MonkeyPatch], None],
    want_resumed_from: int | None,
    job: JobFactory,
    train: Train,
    uninterrupted: dict[str, torch.Tensor],
) -> None:
    config = job()
    with pytest.MonkeyPatch.context() as patch:
        arrange(patch)
        with pytest.raises(Killed):
            train(config)

    again = train(config)

    assert again.board.snapshot.resumed_from_step == want_resumed_from
    assert again.result.steps == 12
    assert_same(weights(config), uninterrupted)
    leftovers = [path for path in Path(config.workspace).rglob(".*") if path.name != ".metadata"]
    assert leftovers == []


def test_a_file_half_replaced_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Death between removing the old model and naming the new one is the worst moment: the new one is still there."""
    target, temporary = tmp_path / "model", tmp_path / ".model"
    for directory, text in ((target, "old"), (temporary, "new")):
        directory.mkdir()
        (directory / "file").write_text(text)
    genuine = Path.rename
    seen = []

    def rename(self: Path, other: Path) -> Path:
        seen.append(target.exists())
        return genuine(self, other)

    monkeypatch.setattr(Path, "rename", rename)
    files.publish_directory(temporary, target)

    assert (target / "file").read_text() == "new"
    assert seen == [True, False]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_asked_to_stop_the_job_saves_what_is_done_and_goes_on_later(
    job: JobFactory, train: Train, uninterrupted: dict[str, torch.Tensor]
) -> None:
    config = job()

    with pytest.raises(RuntimeFailure) as failure:
        train(config, stop_after=6)
    again = train(config)

    assert failure.value.reason is ErrorReason.INTERRUPTED
    assert "after step 6 of 12" in failure.value.message
    assert again.board.snapshot.resumed_from_step == 6
    assert_same(weights(config), uninterrupted)


def test_without_the_optimizer_state_the_weights_differ(
    job: JobFactory, train: Train, uninterrupted: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests above: they notice when a part of the state is lost."""
    config = job()
    with pytest.raises(RuntimeFailure):
        train(config, stop_after=6)
    genuine = checkpoint.set_state_dict

    def forgetful(model: Any, optimizers: tuple[torch.optim.Optimizer, ...], **states: Any) -> None:
        genuine(model, optimizers, **states)
        for optimizer in optimizers:
            optimizer.state.clear()

    monkeypatch.setattr(checkpoint, "set_state_dict", forgetful)

    train(config)

    with pytest.raises(AssertionError):
        assert_same(weights(config), uninterrupted)


def test_only_the_newest_checkpoints_stay(job: JobFactory, train: Train) -> None:
    config = job(checkpoint__everySteps=2, checkpoint__keep=3)

    train(config)

    assert [path.name for path in checkpoints(config)] == ["step-00000008", "step-00000010", "step-00000012"]


def _shard(directory: Path) -> Path:
    return next(directory.glob("*.distcp"))


def truncate(directory: Path) -> None:
    """A shard lost its end."""
    shard = _shard(directory)
    shard.write_bytes(shard.read_bytes()[:-100])


def flip(directory: Path) -> None:
    """One bit of a shard changed."""
    shard = _shard(directory)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)


def remove_shard(directory: Path) -> None:
    """A shard is gone."""
    _shard(directory).unlink()


def remove_metadata(directory: Path) -> None:
    """The index of the shards is gone."""
    (directory / ".metadata").unlink()


def garble_manifest(directory: Path) -> None:
    """The manifest is no JSON."""
    (directory / "manifest.json").write_text('{"schemaVersion": "v1", "step"')


def other_major_version(directory: Path) -> None:
    """Written by a release that this one does not understand."""
    _edit_manifest(directory, schemaVersion="v9")


def other_configuration(directory: Path) -> None:
    """Belongs to a job with other hyperparameters."""
    _edit_manifest(directory, configSha256="0" * 64)


def remove_manifest(directory: Path) -> None:
    """Never completed."""
    (directory / "manifest.json").unlink()


def _edit_manifest(directory: Path, **changes: str) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES = [
    (truncate, "has a damaged __0_0.distcp"),
    (flip, "has a damaged __0_0.distcp"),
    (remove_shard, "lacks __0_0.distcp"),
    (remove_metadata, "lacks .metadata"),
    (garble_manifest, "has an unreadable manifest"),
    (other_major_version, "has an unreadable manifest"),
    (other_configuration, "belongs to another configuration or dataset"),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, train: Train) -> JobConfig:
    """A job with checkpoints of steps 4 and 8, stopped at 8."""
    job = make_job(tmp_path_factory.mktemp("stopped") / "workspace")
    with pytest.raises(RuntimeFailure):
        train(job, stop_after=8)
    return job


@pytest.fixture
def copied(stopped: JobConfig, tmp_path: Path) -> JobConfig:
    """A copy of it to break."""
    shutil.copytree(stopped.workspace, tmp_path / "workspace")
    return stopped.model_copy(update={"workspace": str(tmp_path / "workspace")})


@pytest.mark.parametrize(("damage", "want"), [*DAMAGES, (remove_manifest, "")])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    damage: Callable[[Path], None],
    want: str,
    copied: JobConfig,
    train: Train,
    uninterrupted: dict[str, torch.Tensor],
) -> None:
    damage(checkpoints(copied)[-1])

    outcome = train(copied)

    assert outcome.board.snapshot.resumed_from_step == 4
    assert_same(weights(copied), uninterrupted)


@pytest.mark.parametrize(("damage", "want"), DAMAGES)
def test_when_every_checkpoint_is_damaged_the_job_says_so_instead_of_starting_over(
    damage: Callable[[Path], None], want: str, copied: JobConfig, train: Train
) -> None:
    for directory in checkpoints(copied):
        damage(directory)

    with pytest.raises(RuntimeFailure) as failure:
        train(copied)

    assert failure.value.reason is ErrorReason.CHECKPOINT_UNREADABLE
    assert f"step-00000008 {want}" in failure.value.message
    assert f"step-00000004 {want}" in failure.value.message


def test_checkpoints_without_manifests_are_as_good_as_none(
    copied: JobConfig, train: Train, uninterrupted: dict[str, torch.Tensor]
) -> None:
    for directory in checkpoints(copied):
        remove_manifest(directory)

    outcome = train(copied)

    assert outcome.board.snapshot.resumed_from_step is None
    assert_same(weights(copied), uninterrupted)


def test_a_shard_that_does_not_fit_the_model_is_named(copied: JobConfig, train: Train, tmp_path: Path) -> None:
    """The hashes agree, but the content cannot be loaded: the identity alone was forged."""
    assert copied.model.transformer is not None
    sizes = copied.model.transformer.model_copy(update={"layers": 3})
    wider = copied.model_copy(update={"model": copied.model.model_copy(update={"transformer": sizes})})
    wanted = checkpoint.identity(wider, dataset_sha256=_dataset_hash(copied))
    for directory in checkpoints(copied):
        _edit_manifest(directory, configSha256=wanted)

    with pytest.raises(RuntimeFailure) as failure:
        train(wider)

    assert failure.value.reason is ErrorReason.CHECKPOINT_UNREADABLE
    assert "cannot be loaded" in failure.value.message


def _dataset_hash(job: JobConfig) -> str:
    (facts,) = Path(job.workspace).glob("cache/prepared-*/facts.json")
    return str(json.loads(facts.read_text())["dataset"]["sha256"])


def test_no_room_for_a_checkpoint_is_a_reason_of_its_own(
    job: JobFactory, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_file", full)

    with pytest.raises(OSError, match="No space left") as failure:
        train(job())

    assert classify(failure.value).reason is ErrorReason.STORAGE_FULL


def beside(tmp_path: Path, train: Train, **changes: Any) -> JobConfig:
    """A job that has been trained to its end, and whose workspace another one may read."""
    config = make_job(tmp_path / "first" / "workspace", **changes)
    train(config)
    return config


def test_a_new_job_goes_on_from_another_ones_newest_checkpoint(tmp_path: Path, train: Train) -> None:
    first = beside(tmp_path, train, hyperparameters__steps=8)
    second = make_job(tmp_path / "second" / "workspace", resumeFrom=first.workspace, hyperparameters__learningRate=1e-3)
    found = train(second)
    assert found.board.snapshot.resumed_from_step == 8
    assert found.result.steps == 12
    assert [path.name for path in checkpoints(second)] == ["step-00000012"], "what it saves lies in its own workspace"
    assert [path.name for path in checkpoints(first)] == ["step-00000004", "step-00000008"], "the other's is only read"


def test_with_nothing_changed_it_ends_as_the_other_one_would_have(
    tmp_path: Path, train: Train, uninterrupted: dict[str, torch.Tensor]
) -> None:
    first = beside(tmp_path, train)
    shutil.rmtree(checkpoints(first)[-1])
    second = make_job(tmp_path / "second" / "workspace", resumeFrom=first.workspace)
    assert train(second).board.snapshot.resumed_from_step == 8
    assert_same(weights(second), uninterrupted)


def test_its_own_checkpoint_comes_first(tmp_path: Path, train: Train) -> None:
    first = beside(tmp_path, train)
    second = make_job(tmp_path / "second" / "workspace", hyperparameters__steps=4)
    train(second)
    again = second.model_copy(update={"resume_from": first.workspace})
    assert train(again).board.snapshot.resumed_from_step == 4


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({"model__transformer__layers": 1}, "is of another network or objective", id="fewer layers"),
        pytest.param({"hyperparameters__steps": 8}, "is of step 12, and training.steps is 8", id="fewer steps"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_with_its_reason(
    tmp_path: Path, train: Train, changes: dict[str, Any], want: str
) -> None:
    first = beside(tmp_path, train, checkpoint__everySteps=12)
    second = make_job(tmp_path / "second" / "workspace", resumeFrom=first.workspace, **changes)
    with pytest.raises(RuntimeFailure, match=want) as caught:
        train(second)
    assert caught.value.reason is ErrorReason.CHECKPOINT_UNREADABLE
    assert "spec.resumeFrom" in caught.value.message


def test_a_job_without_checkpoints_is_nothing_to_start_from(tmp_path: Path, train: Train) -> None:
    second = make_job(tmp_path / "second" / "workspace", resumeFrom=str(tmp_path))
    with pytest.raises(RuntimeFailure, match="no complete checkpoint") as caught:
        train(second)
    assert caught.value.reason is ErrorReason.CHECKPOINT_UNREADABLE

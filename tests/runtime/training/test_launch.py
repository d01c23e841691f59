"""The container's command: real processes through torchrun, killed and asked to stop as a cluster does it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from runtime.training.harness import JobFactory, Launch, Train, log_lines
from runtime.weights import assert_same_training
from safetensors.torch import load_file
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from hostler_contract import ArtifactFacts, ErrorReason, JobConfig, Result
from hostler_contract.result import EXIT_FAILED, EXIT_INTERRUPTED
from hostler_runtime.errors import RuntimeFailure, classify
from hostler_runtime.launch import conclude, exit_status, explain_exit, wait_for_name
from hostler_runtime.memory import MemoryWitness, kill_count


def weights(job: JobConfig) -> dict[str, torch.Tensor]:
    """The published model's tensors."""
    return load_file(Path(job.workspace) / "model" / "model.safetensors")


def moved(job: JobConfig, workspace: Path) -> JobConfig:
    """The same job in another workspace."""
    workspace.mkdir(parents=True)
    return job.model_copy(update={"workspace": str(workspace)})


def slower(job: JobConfig) -> JobConfig:
    """The same job beside it, with half of its learning rate."""
    document = json.loads(moved(job, Path(job.workspace).parent / "slower").to_json())
    document["hyperparameters"]["learningRate"] /= 2
    return JobConfig.model_validate(document)


def test_two_pods_train_the_same_model_as_one_process(
    job: JobFactory, train: Train, launch: Launch, tmp_path: Path
) -> None:
    alone = job(model__transformer__dropoutPercent=0, hyperparameters__batchSize=5)  # 5 rows: the shares differ in size
    train(alone)
    pods = moved(alone, tmp_path / "pods")

    first, second = launch(pods, pods=2, plain=True)
    assert [first.wait(), second.wait()] == [0, 0], first.log.read_text()

    control = slower(alone)
    train(control)
    assert_same_training(weights(pods), weights(alone), control=weights(control))
    result = first.result()
    assert (result.succeeded, result.steps) == (True, 12)
    assert result.artifact is not None
    assert result.artifact.path == "pods/model"
    assert not second.message.exists()
    assert [line["message"] for line in log_lines(first)][-2:] == ["finished", "volume tidied"]
    assert second.log.read_text() == ""


def test_one_pod_asked_to_stop_all_save_and_leave_together_and_fewer_processes_go_on(
    job: JobFactory, train: Train, launch: Launch, tmp_path: Path
) -> None:
    config = job(model__transformer__dropoutPercent=0, hyperparameters__steps=4000, checkpoint__everySteps=10_000)
    first, second = launch(config, pods=2)
    first.wait_for(lambda seen: seen.step >= 5)

    second.process.send_signal(signal.SIGTERM)

    assert [second.wait(), first.wait()] == [EXIT_INTERRUPTED, EXIT_INTERRUPTED]
    result = first.result()
    assert result.reason is ErrorReason.INTERRUPTED
    (saved,) = (Path(config.workspace) / "checkpoints").glob("step-*")
    assert result.steps == int(saved.name.removeprefix("step-")) >= 5
    whole, control = moved(config, tmp_path / "whole"), slower(config)
    for each in (config, whole, control):
        with pytest.raises(RuntimeFailure, match="asked to stop"):
            train(each, stop_after=result.steps + 3)
    assert_same_training(saved_weights(config), saved_weights(whole), control=saved_weights(control))


def saved_weights(job: JobConfig) -> dict[str, torch.Tensor]:
    """The model's tensors in the newest checkpoint."""
    newest = max((Path(job.workspace) / "checkpoints").glob("step-*"))
    flat = newest.with_suffix(".pt")
    dcp_to_torch_save(newest, flat)
    return dict(torch.load(flat)["model"])


def test_when_one_of_two_processes_is_killed_both_are_restarted_in_their_pod_and_continue(
    job: JobFactory, train: Train, launch: Launch, tmp_path: Path
) -> None:
    config = job(model__transformer__dropoutPercent=0, hyperparameters__steps=100, checkpoint__everySteps=10)
    whole, control = moved(config, tmp_path / "whole"), slower(config)
    (pod,) = launch(config, processes=2, restarts=1)
    pod.wait_for(lambda seen: (seen.checkpoint_step or 0) >= 10)

    os.kill(pod.workers()[1], signal.SIGKILL)
    resumed = pod.wait_for(lambda seen: seen.resumed_from_step is not None)

    assert pod.wait() == 0, pod.log.read_text()
    assert resumed.resumed_from_step is not None
    assert resumed.resumed_from_step >= 10
    train(whole)
    train(control)
    assert_same_training(weights(config), weights(whole), control=weights(control))


def test_a_killed_process_without_restarts_ends_the_pod_with_a_reason(job: JobFactory, launch: Launch) -> None:
    (pod,) = launch(job(hyperparameters__steps=2000), restarts=0)
    pod.wait_for(lambda seen: seen.step >= 1)

    os.kill(pod.workers()[0], signal.SIGKILL)

    assert pod.wait() == EXIT_FAILED
    result = pod.result()
    assert result.reason in {ErrorReason.INTERNAL, ErrorReason.OUT_OF_MEMORY}
    assert result.reason.retryable
    assert "rank 0" in str(result.message)


def test_a_failure_that_would_come_again_is_not_tried_again(job: JobFactory, launch: Launch) -> None:
    (pod,) = launch(job(data="/nowhere"), processes=2, restarts=3)

    assert pod.wait() == EXIT_FAILED
    result = pod.result()
    assert (result.succeeded, result.reason) == (False, ErrorReason.DATASET_NOT_FOUND)
    assert result.message == "/nowhere does not exist in the dataset volume: check the source's path"
    assert len([line for line in log_lines(pod) if line["level"] == "error"]) == 2  # once for each process


@pytest.mark.parametrize(
    ("text", "want_words"),
    [
        ("{", "is wrong at document"),
        ('{"schemaVersion": "v2"}', "is wrong at"),
        ('{"name": "x", "namespace": "y", "attempt": -1}', "is wrong at attempt"),
    ],
)
def test_a_wrong_configuration_ends_before_torch_is_imported(text: str, want_words: str, launch: Launch) -> None:
    (pod,) = launch(text, plain=True)

    assert pod.wait() == EXIT_FAILED
    result = pod.result()
    assert result.reason is ErrorReason.INVALID_CONFIGURATION
    assert want_words in str(result.message)


# What the launcher concludes, without processes.

INTERNAL = Result(succeeded=False, steps=7, reason=ErrorReason.INTERNAL, message="contact was lost")
DIVERGED = Result(succeeded=False, steps=7, reason=ErrorReason.TRAINING_DIVERGED, message="the loss became nan")
SUCCESS = Result(
    succeeded=True,
    steps=9,
    artifact=ArtifactFacts(path="model", size_bytes=1, sha256="0", parameters=1, context_length=1, vocabulary_size=1),
)
KILLED = RuntimeFailure(ErrorReason.OUT_OF_MEMORY, "the kernel killed it")
STOPPED = RuntimeFailure(ErrorReason.INTERRUPTED, "asked to stop")


@pytest.mark.parametrize(
    ("outcomes", "trouble", "first", "want_reason", "want_message"),
    [
        pytest.param([SUCCESS], None, True, None, None, id="success is the first pod's to report"),
        pytest.param([SUCCESS], None, False, "nothing", None, id="other pods are quiet about it"),
        pytest.param([DIVERGED, INTERNAL], None, True, "TrainingDiverged", "the loss became nan", id="the cause"),
        pytest.param([INTERNAL, DIVERGED], None, False, "TrainingDiverged", "the loss became nan", id="in any order"),
        pytest.param(
            [INTERNAL], KILLED, True, "OutOfMemory", "the kernel killed it", id="a kill explains lost contact"
        ),
        pytest.param([], KILLED, False, "OutOfMemory", "the kernel killed it", id="on any pod"),
        pytest.param([], STOPPED, True, "Interrupted", "asked to stop", id="stopped before anything was said"),
        pytest.param([DIVERGED], STOPPED, True, "TrainingDiverged", "the loss became nan", id="said before the stop"),
        pytest.param([], None, True, "InternalError", "the training process ended without a result", id="silence"),
    ],
)
def test_the_most_telling_cause_is_reported(
    outcomes: list[Result],
    trouble: RuntimeFailure | None,
    first: bool,  # noqa: FBT001 - a column of the table
    want_reason: str | None,
    want_message: str | None,
) -> None:
    found = conclude(outcomes, trouble=trouble, first=first)

    if want_reason == "nothing":
        assert found is None
        return
    assert found is not None
    assert (found.reason, found.message) == (want_reason, want_message)


@pytest.mark.parametrize(
    ("result", "want"),
    [
        (SUCCESS, 0),
        (None, 0),
        (DIVERGED, EXIT_FAILED),
        (Result(succeeded=False, reason=ErrorReason.INTERRUPTED, message="x"), EXIT_INTERRUPTED),
    ],
)
def test_the_exit_status(result: Result | None, want: int) -> None:
    assert exit_status(result) == want


@pytest.mark.parametrize(
    ("code", "counts", "want_reason", "want_words"),
    [
        pytest.param(-9, (0, 1), ErrorReason.OUT_OF_MEMORY, "the kernel killed", id="the kernel counted a kill"),
        pytest.param(-9, (None, None), ErrorReason.OUT_OF_MEMORY, "most likely", id="nobody counts"),
        pytest.param(-9, (3, 3), ErrorReason.INTERNAL, "signal SIGKILL", id="the kernel counted none"),
        pytest.param(-11, (0, 0), ErrorReason.INTERNAL, "signal SIGSEGV", id="a crash"),
        pytest.param(3, (0, 0), ErrorReason.INTERNAL, "exited with status 3", id="an exit"),
    ],
)
def test_what_an_exit_code_says(
    code: int, counts: tuple[int | None, int | None], want_reason: ErrorReason, want_words: str
) -> None:
    witness = MemoryWitness(count=counts[0], read=lambda: counts[1])

    failure = explain_exit(code, rank=1, witness=witness)

    assert failure.reason is want_reason
    assert want_words in failure.message
    assert "rank 1" in failure.message


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param("low 0\noom 2\noom_kill 5\noom_group_kill 0\n", 5, id="cgroup v2"),
        pytest.param("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3, id="cgroup v1"),
        pytest.param("low 0\n", None, id="no counter"),
    ],
)
def test_the_kernels_counter(content: str, want: int | None, tmp_path: Path) -> None:
    (tmp_path / "events").write_text(content)

    assert kill_count([tmp_path / "absent", tmp_path / "events"]) == want


def test_the_first_pods_name_is_waited_for() -> None:
    answers = [OSError("not yet"), OSError("not yet"), None]
    asked: list[str] = []

    def resolve(name: str, port: None) -> None:
        asked.append(name)
        if answer := answers.pop(0):
            raise answer

    wait_for_name("job-0-0.job-0", timeout=60, resolve=resolve, clock=lambda: 0.0, pause=lambda seconds: None)

    assert asked == ["job-0-0.job-0"] * 3


def test_the_wait_for_a_name_has_an_end() -> None:
    times = iter([0.0, 30.0, 61.0])

    def resolve(name: str, port: None) -> None:
        raise OSError("Name or service not known")

    with pytest.raises(RuntimeFailure, match=r"job-0-0\.job-0 did not resolve within 60 s") as failure:
        wait_for_name(
            "job-0-0.job-0", timeout=60, resolve=resolve, clock=lambda: next(times), pause=lambda seconds: None
        )

    assert failure.value.reason.retryable


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (OSError(28, "No space left on device", "/workspace/x"), ErrorReason.STORAGE_FULL),
        (OSError(122, "Disk quota exceeded"), ErrorReason.STORAGE_FULL),
        (MemoryError(), ErrorReason.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), ErrorReason.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), ErrorReason.OUT_OF_MEMORY),
        (RuntimeError("[pair.cc:547] Connection closed by peer"), ErrorReason.INTERNAL),
        (KeyError("surprise"), ErrorReason.INTERNAL),
    ],
)
def test_every_exception_has_a_reason(error: Exception, want: ErrorReason) -> None:
    failure = classify(error)

    assert failure.reason is want
    assert failure.message

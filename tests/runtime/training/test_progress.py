"""What rank 0 says about itself over HTTP."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from patience import PATIENCE
from prometheus_client.parser import text_string_to_metric_families
from runtime.training.harness import JobFactory, Train

from hostler_contract import ErrorReason, Progress
from hostler_contract import metrics as names
from hostler_contract.progress import Stage
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.progress import ProgressBoard, ProgressServer, StepFigures

FIGURES = StepFigures(
    loss=2.5,
    units=1000,
    learning_rate=0.001,
    gradient_norm=0.7,
    parts={"data": 2.0, "teacher": 0.5},
    data_wait_ratio=0.1,
)


OWN_LABELS = ("le", names.TRAINING_UNIT_LABEL, names.TRAINING_PART_LABEL, names.TRAINING_METRIC_LABEL)
"""Labels that single series have beside the job's."""


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def board(job: JobFactory, clock: Clock) -> ProgressBoard:
    """A board of a job of twelve steps on two processes with a known peak."""
    return ProgressBoard(job(peakFlopsPerProcess=1e9), world_size=2, clock=clock)


@pytest.fixture
def server(board: ProgressBoard) -> Iterator[ProgressServer]:
    """The board, served on some port."""
    served = ProgressServer(board, port=0, host="127.0.0.1")
    yield served
    served.close()


def get(server: ProgressServer, path: str) -> str:
    """The body of an answer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=PATIENCE) as response:
        return str(response.read().decode())


def samples(server: ProgressServer) -> dict[str, float]:
    """Values by sample name; every label set must be the job's."""
    values = {}
    for family in text_string_to_metric_families(get(server, "/metrics")):
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key not in OWN_LABELS}
            assert labels == {
                "namespace": "team", "job": "job", "attempt": "0", "family": "chat", "accelerator": "cpu"
            }  # fmt: skip
            values[sample.name] = sample.value
    return values


def test_a_stage_shows_its_own_progress_and_never_that_of_the_one_before(board: ProgressBoard) -> None:
    board.enter(Stage.TRAINING)
    board.stepped(12, FIGURES)
    assert board.snapshot.shown_percent == 99, "all steps are done, and the job is not"
    board.enter(Stage.EVALUATING)
    assert board.snapshot.shown_percent is None, "nobody has counted yet"
    board.advanced(1, 4)
    assert board.snapshot.shown_percent == 25
    board.advanced(4, 4)
    assert board.snapshot.shown_percent is None, "what follows the held-out rows is not counted"
    board.advanced(1, 4)
    board.enter(Stage.SAVING)
    assert board.snapshot.shown_percent is None


def test_measuring_tells_how_far_it_is(train: Train, job: JobFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Stage, int | None]] = []
    genuine = ProgressBoard.advanced

    def advanced(self: ProgressBoard, done: int, of: int) -> None:
        genuine(self, done, of)
        told.append((self.snapshot.stage, self.snapshot.stage_percent))

    monkeypatch.setattr(ProgressBoard, "advanced", advanced)
    train(job())
    percents = [percent for _, percent in told if percent is not None]
    assert {stage for stage, _ in told} == {Stage.EVALUATING}
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert told[-1][1] is None


def test_before_the_first_step_nothing_is_invented(board: ProgressBoard, server: ProgressServer) -> None:
    seen = Progress.from_json(get(server, "/progress"))

    assert seen == Progress(stage=Stage.STARTING, total_steps=12)
    assert seen.loss is None
    values = samples(server)
    assert values[names.TRAINING_STEP] == 0
    for name in (names.TRAINING_LOSS, names.TRAINING_MFU, names.TRAINING_CHECKPOINT_STEP, names.TRAINING_LEARNING_RATE):
        assert name not in values


def test_a_step_shows_speed_utilization_and_time_left(
    board: ProgressBoard, server: ProgressServer, clock: Clock
) -> None:
    board.enter(Stage.TRAINING)
    for step in (1, 2):
        clock.now += 2.0
        board.stepped(step, FIGURES)

    seen = Progress.from_json(get(server, "/progress"))

    assert (seen.step, seen.loss, seen.percent) == (2, 2.5, 16)
    assert seen.units_per_second == pytest.approx(500)
    # 1e6 FLOP for a token, 500 tokens in a second, two processes of 1e9 FLOP/s.
    assert seen.model_flops_utilization == pytest.approx(0.25)
    assert seen.eta_seconds == pytest.approx(20)
    values = samples(server)
    assert values[names.TRAINING_STEP] == 2
    assert values[names.TRAINING_LOSS] == 2.5
    assert values[names.TRAINING_UNITS_TOTAL] == 2000
    assert values[names.TRAINING_MFU] == pytest.approx(0.25)
    assert values[names.TRAINING_DATA_WAIT] == pytest.approx(0.1)
    assert values[names.TRAINING_MEMORY] > 1e6
    assert values[f"{names.TRAINING_STEP_DURATION}_sum"] == pytest.approx(4)
    assert values[f"{names.TRAINING_STEP_DURATION}_count"] == 2


def test_parts_of_the_loss_units_and_figures_on_held_out_data_are_series_of_their_own(
    board: ProgressBoard, server: ProgressServer, clock: Clock
) -> None:
    board.described(unit="images", packing_factor=2.5, notes=["precision fp8 fell back to bf16"])
    board.enter(Stage.TRAINING)
    clock.now += 2.0
    board.stepped(1, FIGURES)
    board.measured({"validation_loss": 1.5})

    series = {
        (sample.name, sample.labels.get("unit"), sample.labels.get("part"), sample.labels.get("metric")): sample.value
        for family in text_string_to_metric_families(get(server, "/metrics"))
        for sample in family.samples
    }
    seen = Progress.from_json(get(server, "/progress"))

    assert series[(names.TRAINING_LOSS_PART, None, "teacher", None)] == 0.5
    assert series[(names.TRAINING_UNITS_TOTAL, "images", None, None)] == 1000
    assert series[(names.TRAINING_METRIC, None, None, "validation_loss")] == 1.5
    assert series[(names.TRAINING_PACKING_FACTOR, None, None, None)] == 2.5
    assert (seen.unit, seen.packing_factor, seen.metrics) == ("images", 2.5, {"validation_loss": 1.5})
    assert seen.losses == {"data": 2.0, "teacher": 0.5}
    assert seen.notes == ["precision fp8 fell back to bf16"]


def test_measuring_does_not_slow_the_reported_speed(board: ProgressBoard, clock: Clock) -> None:
    board.enter(Stage.TRAINING)
    clock.now += 2.0
    board.stepped(1, FIGURES)
    clock.now += 60.0
    board.measured({"validation_loss": 1.5})
    clock.now += 2.0
    board.stepped(2, FIGURES)

    assert board.snapshot.units_per_second == pytest.approx(500)


def test_operations_are_counted_where_nobody_gave_a_formula_and_utilization_is_wanted(
    job: JobFactory, clock: Clock
) -> None:
    board = ProgressBoard(job(flopsPerUnit=None, peakFlopsPerProcess=1e9), world_size=1, clock=clock)
    assert board.counts_flops
    board.counted(1e6)
    board.enter(Stage.TRAINING)
    clock.now += 2.0
    board.stepped(1, FIGURES)

    # 1e6 FLOP for a unit, 500 units in a second, 1e9 FLOP/s.
    assert board.snapshot.model_flops_utilization == pytest.approx(0.5)


def test_utilization_is_absent_where_the_peak_is_unknown(job: JobFactory, clock: Clock) -> None:
    board = ProgressBoard(job(), world_size=1, clock=clock)
    board.enter(Stage.TRAINING)
    clock.now += 1
    board.stepped(1, FIGURES)

    assert board.snapshot.model_flops_utilization is None
    assert board.snapshot.units_per_second == pytest.approx(1000)


def test_saving_does_not_slow_the_reported_speed(board: ProgressBoard, clock: Clock) -> None:
    board.enter(Stage.TRAINING)
    clock.now += 2.0
    board.stepped(1, FIGURES)
    clock.now += 60.0
    board.saved(1)
    clock.now += 2.0
    board.stepped(2, FIGURES)

    assert board.snapshot.units_per_second == pytest.approx(500)
    assert board.snapshot.checkpoint_step == 1


def test_a_resumed_job_says_from_where(board: ProgressBoard, server: ProgressServer) -> None:
    board.resumed(8)

    seen = Progress.from_json(get(server, "/progress"))

    assert (seen.step, seen.resumed_from_step, seen.checkpoint_step) == (8, 8, 8)
    assert samples(server)[names.TRAINING_CHECKPOINT_STEP] == 8


def test_other_paths_and_health(server: ProgressServer) -> None:
    assert get(server, "/healthz") == "ok\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "/")


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(RuntimeFailure, match=f"port {port} for progress and metrics is not free") as failure:
            ProgressServer(None, port=port, host="127.0.0.1")  # type: ignore[arg-type]

    assert failure.value.reason is ErrorReason.INVALID_CONFIGURATION


def test_progress_only_grows_while_a_job_runs(job: JobFactory, train: Train) -> None:
    config = job(hyperparameters__steps=30)
    board = ProgressBoard(config, world_size=1)
    server = ProgressServer(board, port=0, host="127.0.0.1")
    seen = [board.snapshot]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(Progress.from_json(get(server, "/progress")))
            time.sleep(0.001)  # the poll's period

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        train(config, board=board)
    finally:
        done.set()
        watcher.join()
        server.close()
    seen.append(board.snapshot)

    steps = [each.step for each in seen]
    assert steps == sorted(steps)
    assert len(set(steps)) > 5
    percents = [each.percent for each in seen]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 100)
    saved = [each.checkpoint_step or 0 for each in seen]
    assert saved == sorted(saved)
    assert all((each.checkpoint_step or 0) <= each.step for each in seen)
    stages = list(dict.fromkeys(each.stage for each in seen))
    assert stages[0] is Stage.STARTING
    assert stages[-1] is Stage.FINISHED
    assert Stage.TRAINING in stages

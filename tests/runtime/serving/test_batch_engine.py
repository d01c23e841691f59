"""Whole requests: which of them share a batch, who comes first, and whom a failure hits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from patience import PATIENCE
from runtime.serving.fake_batch import LATE_REFUSAL, POISON, FakeBatchModel
from runtime.serving.waiting import eventually

from hostler_runtime.protocols.tasks import EmbeddingRequest, ImageRequest, TaskRequest
from hostler_runtime.server.batching import Done, Rejected, Task
from hostler_runtime.server.engine import FAILURES_UNTIL_DEATH, Engine
from hostler_runtime.server.line import EngineStoppedError, Failed, QueueFullError
from hostler_runtime.server.observer import Run, Unmeasured


class Queued(Unmeasured):
    """Counts how often a task came to the model."""

    def __init__(self) -> None:
        self.times = 0

    def queued(self, seconds: float) -> None:
        assert seconds >= 0
        self.times += 1


class Bench:
    """An engine over a model that runs only when it is allowed to."""

    def __init__(self, *, slots: int = 3, max_waiting: int = 8) -> None:
        self.model = FakeBatchModel(held=True)
        self.runs: list[Run] = []
        self.engine = Engine(lambda: self.model, slots=slots, max_waiting=max_waiting, observe=self.runs.append)
        self.engine.start()
        self.engine.loaded.result(timeout=PATIENCE)

    def submit(self, text: str, *, width: int | None = None, accepted: bool = False) -> tuple[Task, list[Any]]:
        """One task, of another batch key for each width, and the list that fills."""
        request: TaskRequest = EmbeddingRequest(text) if width is None else ImageRequest(text, 0, width=width)
        received: list[Any] = []
        task = Task(
            deliver=received.append, observer=Queued(), request=request, key=self.model.batch_key(request)
        )  # fmt: skip
        self.engine.submit([task], accepted=accepted)
        return task, received

    def begin(self) -> list[Any]:
        """A first task that the model works on, so that what comes next has to wait."""
        _, received = self.submit("first")
        eventually(lambda: self.engine.running == 1, what="the first task to begin")
        return received

    def finish(self) -> None:
        """Let everything run."""
        self.model.allowed.release(100)
        eventually(lambda: self.engine.running + self.engine.waiting == 0, what="the engine to be idle")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Three to a batch, eight may wait."""
    one = Bench()
    yield one
    one.engine.close("the test is over")
    one.model.allowed.release(100)
    one.engine.join(5)
    assert not one.engine.alive


@pytest.mark.parametrize(
    ("waiting", "want"),
    [
        pytest.param([("a", 1)], [["a"]], id="an idle model waits for nobody"),
        pytest.param([("a", 1), ("b", 1)], [["a", "b"]], id="what waits together runs together"),
        pytest.param(
            [("a", 1), ("b", 1), ("c", 1), ("d", 1)], [["a", "b", "c"], ["d"]], id="no batch exceeds its size"
        ),
        pytest.param([("a", 1), ("b", 2)], [["a"], ["b"]], id="different keys never share a batch"),
        pytest.param(
            [("a", 1), ("b", 2), ("c", 1), ("d", 2)], [["a", "c"], ["b", "d"]], id="the oldest one's key comes first"
        ),
        pytest.param(
            [("a", 2), *((text, 1) for text in "bcdef"), ("g", 2)], [["a", "g"], ["b", "c", "d"], ["e", "f"]],
            id="a key of which few wait is not passed over for one of which many do",
        ),
    ],
)  # fmt: skip
def test_who_shares_a_batch(bench: Bench, waiting: list[tuple[str, int]], want: list[list[str]]) -> None:
    bench.begin()
    received = [bench.submit(text, width=width)[1] for text, width in waiting]
    bench.finish()
    assert bench.model.batches == [["first"], *want]
    assert all(isinstance(one, Done) for [one] in received)
    assert [run.size for run in bench.runs] == [1, *map(len, want)]
    assert all(run.report is not None and run.seconds > 0 for run in bench.runs)


def test_each_task_gets_its_own_result(bench: Bench) -> None:
    bench.begin()
    both = {text: bench.submit(text)[1] for text in ("left", "right")}
    bench.finish()
    vectors = {text: received[0].result.vector.tolist() for text, received in both.items()}
    assert bench.model.batches[-1] == ["left", "right"]
    assert vectors["left"] != vectors["right"]
    for text in both:
        _, alone = bench.submit(text)
        bench.finish()
        eventually(lambda alone=alone: alone, what="the task alone")
        assert alone[0].result.vector.tolist() == vectors[text]


def test_one_cancelled_while_it_waits_never_reaches_the_model(bench: Bench) -> None:
    bench.begin()
    gone, received = bench.submit("gone")
    bench.submit("stays")
    bench.engine.cancel([gone])
    bench.finish()
    assert bench.model.batches == [["first"], ["stays"]]
    assert received == []


def test_one_cancelled_while_it_runs_does_not_disturb_the_others(bench: Bench) -> None:
    bench.begin()
    gone, _ = bench.submit("gone")
    _, stays = bench.submit("stays")
    bench.model.allowed.release(1)
    eventually(lambda: bench.engine.running == 2, what="both to run")
    bench.engine.cancel([gone])
    bench.finish()
    assert isinstance(stays[0], Done)


@pytest.mark.parametrize("accepted", [False, True], ids=["a new request", "the rest of an accepted one"])
def test_a_full_queue_refuses_only_new_requests(bench: Bench, accepted: bool) -> None:  # noqa: FBT001
    """Two of three slots are free while the first runs alone, but nobody can join it: they are no room."""
    bench.begin()
    for number in range(8):
        bench.submit(str(number))
    if accepted:
        assert bench.submit("rest", accepted=True)
    else:
        with pytest.raises(QueueFullError) as caught:
            bench.submit("new")
        assert 1 <= caught.value.retry_after <= 60


def test_a_request_that_makes_a_batch_fail_does_not_take_others_with_it(bench: Bench) -> None:
    bench.begin()
    everyone = {text: bench.submit(text) for text in ("a", POISON, "b")}
    _, later = bench.submit("later")
    bench.finish()
    outcomes = {text: received[0] for text, (_, received) in everyone.items()}
    assert isinstance(outcomes["a"], Done)
    assert isinstance(outcomes["b"], Done)
    assert outcomes[POISON] == Failed("the model failed: RuntimeError: this one is poison")
    assert isinstance(later[0], Done)
    assert bench.model.batches[1:5] == [["a", POISON, "b"], ["a"], [POISON], ["b"]]
    assert all(task.observer.times == 1 for task, _ in everyone.values())
    assert bench.engine.alive


def test_what_the_model_refuses_while_it_works_is_the_request_s_fault(bench: Bench) -> None:
    bench.begin()
    for _ in range(FAILURES_UNTIL_DEATH + 1):
        _, refused = bench.submit(LATE_REFUSAL)
        bench.finish()
        assert isinstance(refused[0], Rejected)
    _, fine = bench.submit("fine")
    bench.finish()
    eventually(lambda: fine, what="the next request")
    assert isinstance(fine[0], Done)


def test_failures_in_a_row_end_the_thread_so_that_liveness_fails(bench: Bench) -> None:
    bench.model.failures_left = FAILURES_UNTIL_DEATH
    for _ in range(FAILURES_UNTIL_DEATH):
        _, failed = bench.submit("unlucky")
        bench.model.allowed.release(1)
        eventually(lambda failed=failed: failed, what="the failure to be told")
        assert failed == [Failed("the model failed: RuntimeError: kernel went wrong")]
    eventually(lambda: not bench.engine.alive, what="the thread to end")
    with pytest.raises(EngineStoppedError):
        bench.submit("too late")


def test_a_success_between_failures_keeps_the_thread_alive(bench: Bench) -> None:
    for _ in range(FAILURES_UNTIL_DEATH):
        bench.model.failures_left = FAILURES_UNTIL_DEATH - 1
        for number in range(FAILURES_UNTIL_DEATH):
            _, received = bench.submit(f"number {number}")
            bench.model.allowed.release(1)
            eventually(lambda received=received: received, what="the outcome")
        assert isinstance(received[0], Done)
    assert bench.engine.alive


def test_a_model_that_loses_a_result_fails_instead_of_mixing_them_up(bench: Bench) -> None:
    bench.model.lose_one = True
    _, received = bench.submit("lost")
    bench.finish()
    assert received == [Failed("the model failed: RuntimeError: 1 requests brought 0 results")]


def test_closing_fails_what_is_unfinished_and_delivers_nothing_afterwards(bench: Bench) -> None:
    first = bench.begin()
    _, waiting = bench.submit("waiting")
    bench.engine.close("going down")
    bench.model.allowed.release(2)
    eventually(lambda: not bench.engine.alive, what="the thread to end")
    assert first == [Failed("going down")]
    assert waiting == [Failed("going down")]
    assert bench.model.batches == [["first"]]

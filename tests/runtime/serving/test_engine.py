"""Token by token: who joins and leaves the batch between steps, and what happens when the model fails."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from patience import PATIENCE
from runtime.serving.fake_model import END, FakeModel
from runtime.serving.waiting import eventually

from hostler_runtime.protocols.serving import Prompt, Sampling
from hostler_runtime.server.engine import FAILURES_UNTIL_DEATH, Engine
from hostler_runtime.server.line import EngineStoppedError, Failed, QueueFullError
from hostler_runtime.server.observer import Unmeasured
from hostler_runtime.server.sequence import Delta, Sequence
from hostler_runtime.server.text import TextAssembler

_keys = itertools.count()


class Bench:
    """An engine over a fake model, and sequences that keep what they receive."""

    def __init__(self, *, slots: int = 2, max_waiting: int = 2, model: FakeModel | None = None) -> None:
        self.model = model or FakeModel()
        self.engine = Engine(lambda: self.model, slots=slots, max_waiting=max_waiting)
        self.engine.start()
        self.engine.loaded.result(timeout=PATIENCE)

    def submit(self, text: str, *, limit: int = 3) -> tuple[Sequence, list[Delta | Failed]]:
        """One sequence and the list that fills."""
        received: list[Delta | Failed] = []
        tokens = tuple(map(ord, text))
        sequence = Sequence(
            prompt=Prompt(next(_keys), tokens, Sampling(seed=0)), limit=limit, choice=0,
            assembler=TextAssembler(self.model.decode), deliver=received.append, observer=Unmeasured(),
            arrived=0.0, input_tokens=len(tokens),
        )  # fmt: skip
        self.engine.submit([sequence])
        return sequence, received

    def allow(self, steps: int) -> None:
        """Let the model take so many steps."""
        self.model.steps.release(steps)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Two slots and two places to wait; nothing moves before ``allow``."""
    one = Bench()
    yield one
    one.engine.close("the test is over")
    one.allow(100)
    one.engine.join(5)
    assert not one.engine.alive


def finished(received: list[Delta | Failed]) -> bool:
    """True when the last event ended the sequence."""
    last = received[-1] if received else None
    return isinstance(last, Failed) or (isinstance(last, Delta) and last.finish_reason is not None)


def test_a_short_request_joins_and_leaves_while_a_long_one_runs(bench: Bench) -> None:
    _, long = bench.submit("long", limit=6)
    eventually(lambda: bench.engine.running == 1, what="the long request to be admitted")
    _, short = bench.submit("short", limit=3)
    bench.allow(3)
    eventually(lambda: finished(short), what="the short request to end")
    assert not finished(long)
    bench.allow(10)
    eventually(lambda: finished(long), what="the long request to end")
    assert max(bench.model.batches) == 2
    assert "".join(one.text for one in long if isinstance(one, Delta)) == "abcdef"


def test_more_than_the_slots_wait_and_are_admitted_in_order(bench: Bench) -> None:
    everyone = [bench.submit(text)[1] for text in ("1", "2", "3", "4")]
    bench.allow(50)
    for received in everyone:
        eventually(lambda received=received: finished(received), what="every request to end")
    assert bench.model.admitted == [(ord(text),) for text in "1234"]
    assert max(bench.model.batches) <= 2


def test_a_full_queue_refuses_and_says_when_to_come_back(bench: Bench) -> None:
    for text in ("1", "2", "3", "4"):
        bench.submit(text)
        eventually(lambda: bench.engine.running or bench.engine.waiting, what="admission")
    with pytest.raises(QueueFullError) as caught:
        bench.submit("5")
    assert 1 <= caught.value.retry_after <= 60


def test_a_cancelled_sequence_gives_its_slot_to_the_next(bench: Bench) -> None:
    gone, received = bench.submit("gone", limit=50)
    bench.submit("stays", limit=50)
    eventually(lambda: bench.engine.running == 2, what="both to run")
    _, waiting = bench.submit("waiting", limit=2)
    bench.engine.cancel([gone])
    bench.allow(4)
    eventually(lambda: finished(waiting), what="the waiting one to run and end")
    assert gone.prompt.key in bench.model.removed
    assert not finished(received)


def test_one_cancelled_while_it_waits_never_reaches_the_model(bench: Bench) -> None:
    for text in ("1", "2"):
        bench.submit(text, limit=4)
    eventually(lambda: bench.engine.running == 2, what="both to run")
    gone, _ = bench.submit("gone")
    bench.engine.cancel([gone])
    bench.allow(50)
    eventually(lambda: bench.engine.running + bench.engine.waiting == 0, what="the engine to be idle")
    assert tuple(map(ord, "gone")) not in bench.model.admitted


def test_the_end_token_stops_and_is_no_text(bench: Bench) -> None:
    bench.model.answer = [ord("x"), END, ord("y")]
    _, received = bench.submit("prompt", limit=10)
    bench.allow(5)
    eventually(lambda: finished(received), what="the end token")
    assert [one.text for one in received if isinstance(one, Delta)] == ["x", ""]
    assert received[-1] == Delta(0, "", 2, "stop")


def test_a_failed_step_fails_its_batch_and_the_next_request_is_answered(bench: Bench) -> None:
    bench.model.failures_left = 1
    _, failed = bench.submit("unlucky")
    bench.allow(1)
    eventually(lambda: finished(failed), what="the failure to be told")
    assert failed[-1] == Failed("the model failed: RuntimeError: kernel went wrong")
    _, fine = bench.submit("lucky")
    bench.allow(10)
    eventually(lambda: finished(fine), what="the next request")
    assert bench.engine.alive


def test_failures_in_a_row_end_the_thread_so_that_liveness_fails(bench: Bench) -> None:
    bench.model.failures_left = FAILURES_UNTIL_DEATH
    for _ in range(FAILURES_UNTIL_DEATH):
        _, failed = bench.submit("unlucky")
        bench.allow(1)
        eventually(lambda failed=failed: finished(failed), what="the failure to be told")
    eventually(lambda: not bench.engine.alive, what="the thread to end")
    with pytest.raises(EngineStoppedError):
        bench.submit("too late")


def test_closing_fails_what_is_unfinished(bench: Bench) -> None:
    everyone = [bench.submit(text, limit=50)[1] for text in ("1", "2", "3")]
    eventually(lambda: bench.engine.running == 2, what="two to run")
    bench.engine.close("going down")
    assert all(received[-1] == Failed("going down") for received in everyone)


def test_an_unloadable_model_is_reported_and_the_thread_ends() -> None:
    def load() -> FakeModel:
        raise ValueError("broken file")

    engine = Engine(load, slots=1, max_waiting=1)
    engine.start()
    with pytest.raises(ValueError, match="broken file"):
        engine.loaded.result(timeout=PATIENCE)
    eventually(lambda: not engine.alive, what="the thread to end")

"""Who prepares, where several could: one of a volume by its lease, and the first process of a job."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from runtime.training.harness import JobFactory

from hostler_contract import ErrorReason
from hostler_contract.progress import Stage
from hostler_data.errors import DataError
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.preparing.place import LeaseLostError, Place, release
from hostler_runtime.training.progress import ProgressBoard


class Clock:
    """Time that passes only in pauses; ``meanwhile`` is what others do in each of them."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self._meanwhile = meanwhile

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        """A while later."""
        self.now += seconds
        self._meanwhile()


def left_by(user: str, root: Path) -> Place:
    """The place of somebody who was killed while preparing."""
    place = Place(root, "key", user)
    place.under_way.mkdir(parents=True)
    (place.under_way / "lease.json").write_text(json.dumps({"user": user, "token": place.token}))
    return place


def test_the_second_waits_for_the_first_and_finds_what_it_has_made(tmp_path: Path) -> None:
    first, second = left_by("first", tmp_path), Place(tmp_path, "key", "second")
    finished = tmp_path / "finished"
    finished.mkdir()
    beats = iter(range(1, 200))

    def meanwhile() -> None:
        beat = next(beats)
        os.utime(first.under_way / "lease.json", ns=(beat, beat))
        if beat == 150:
            first.publish(finished)

    clock, told = Clock(meanwhile), []
    with second.held(waiting=told.append, pause=clock.pause, clock=clock) as held:
        assert held is None
    assert told == ["first"]
    assert clock.now > 60  # as long as it takes, where the first one lives
    assert second.target.exists()
    assert not second.under_way.exists()


def test_a_lease_that_nobody_touches_any_more_is_taken_over(tmp_path: Path) -> None:
    left_by("first", tmp_path)
    clock = Clock()
    with Place(tmp_path, "key", "second").held(pause=clock.pause, clock=clock) as held:
        assert held is not None
        held()
    assert 60 <= clock.now < 70


def test_what_another_process_of_the_same_job_has_left_is_taken_over_at_once(tmp_path: Path) -> None:
    left_by("first", tmp_path)
    clock = Clock()
    with Place(tmp_path, "key", "first").held(pause=clock.pause, clock=clock) as held:
        assert held is not None
    assert clock.now == 0


def test_whoever_has_lost_the_lease_does_not_take_it_back_from_its_own_job(tmp_path: Path) -> None:
    left_by("first", tmp_path)
    clock = Clock()
    with Place(tmp_path, "key", "first").held(inherits=False, pause=clock.pause, clock=clock) as held:
        assert held is not None
    assert clock.now >= 60


def test_whoever_loses_the_lease_stops_its_work(tmp_path: Path) -> None:
    told = threading.Event()

    def until_refused(held: Callable[[], None]) -> None:
        while not told.wait(0.01):
            held()

    with Place(tmp_path, "key", "same").held(beat=0.01) as held:
        assert held is not None
        # Taken over at once, because it is the same job's.
        with Place(tmp_path, "key", "same").held(), pytest.raises(LeaseLostError):
            until_refused(held)


def test_a_mark_that_was_forgotten_keeps_nothing_for_ever(tmp_path: Path) -> None:
    place = Place(tmp_path, "key", "mine")
    place.target.mkdir()
    (place.target / "rows").write_bytes(b"12345")
    place.mark()
    Place(tmp_path, "key", "deleted").mark()
    os.utime(place.users / "deleted", (0, 0))
    other = Place(tmp_path, "other", "deleted too")
    other.target.mkdir()
    other.mark()
    os.utime(other.users / "deleted too", (0, 0))

    assert release(tmp_path, "mine") == 5
    assert list(tmp_path.iterdir()) == []


def pair(store: dist.Store, *, silence: float) -> list[Processes]:
    """Two processes that meet in a store."""
    cpu, beat = torch.device("cpu"), timedelta(milliseconds=20)
    return [Processes(rank, 2, cpu, store=store, beat=beat, silence=timedelta(seconds=silence)) for rank in range(2)]


def test_the_others_wait_for_the_first_however_long_it_takes(tmp_path: Path) -> None:
    first, other = pair(dist.HashStore(), silence=0.5)
    released, found = threading.Event(), []
    waiting = threading.Thread(target=lambda: found.append(other.from_first(lambda: pytest.fail("not its work"))))
    waiting.start()

    def work() -> Path:
        assert not released.wait(2.0)  # four times as long as a silence may last
        return tmp_path

    assert first.from_first(work) == tmp_path
    first.wait_until_heard()  # or its store would go before the other one has read it
    waiting.join()
    assert found == [tmp_path]


def test_a_failure_of_the_first_is_the_failure_of_all() -> None:
    first, other = pair(dist.HashStore(), silence=60)

    def fail() -> None:
        raise DataError(file="rows.jsonl", row=3, message="is wrong")

    for process in (first, other):
        with pytest.raises(RuntimeFailure, match=r"rows\.jsonl:3: is wrong") as caught:
            process.from_first(fail)
        assert caught.value.reason is ErrorReason.DATASET_INVALID


def test_a_first_process_that_shows_no_sign_of_life_is_given_up() -> None:
    _, other = pair(dist.HashStore(), silence=0.1)
    with pytest.raises(RuntimeFailure, match="no sign of life") as caught:
        other.from_first(lambda: None)
    assert caught.value.reason is ErrorReason.INTERNAL


def test_the_time_to_go_follows_from_what_is_done(job: JobFactory) -> None:
    now = [0.0]
    board = ProgressBoard(job(), world_size=1, clock=lambda: now[0])
    board.enter(Stage.PREPARING_DATA)
    board.advanced(0, 400)
    assert (board.snapshot.shown_percent, board.snapshot.eta_seconds) == (0, None)

    now[0] = 30.0
    board.advanced(100, 400)

    assert board.snapshot.stage is Stage.PREPARING_DATA
    assert (board.snapshot.shown_percent, board.snapshot.eta_seconds) == (25, 90.0)
    board.enter(Stage.STARTING)
    assert board.snapshot.eta_seconds is None

"""Shards of prepared data: in their order, nothing done twice after a crash, the first wrong row named."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from hostler_contract import ErrorReason
from hostler_data.errors import DataError
from hostler_data.record import Record
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.protocols.preparing import Made
from hostler_runtime.training.preparing.shards import read_shard, write_shard
from hostler_runtime.training.preparing.work import KeptWork

SIZE = 2000
"""Bytes of a chunk, so that little data has several."""


def rows(count: int) -> Iterator[Record]:
    """Each is a chunk of its own."""
    return (Record("rows.jsonl", number, {"text": "x" * SIZE}) for number in range(1, count + 1))


def numbers(chunk: Sequence[Record], number: int) -> Iterator[Made]:
    """What the rows of these tests become."""
    return (Made({"row": np.array([record.row])}, record.file) for record in chunk)


def seen(made: Iterator[Made]) -> list[int]:
    """The rows that came out."""
    return [int(each.arrays["row"][0]) for each in made]


def test_a_shard_holds_what_was_put_into_it(tmp_path: Path) -> None:
    made = [
        Made({"a": np.array([1, 2], np.uint32), "b": np.array([True])}, {"why": "ä"}),
        Made({"a": np.array([], np.uint32), "b": np.array([False, True])}, None),
    ]
    write_shard(tmp_path / "shard.npz", made)
    found = read_shard(tmp_path / "shard.npz")

    assert found is not None
    assert [each.facts for each in found] == [{"why": "ä"}, None]
    for want, got in zip(made, found, strict=True):
        for name, values in want.arrays.items():
            assert got.arrays[name].dtype == values.dtype
            assert got.arrays[name].tolist() == values.tolist()
    assert os.listdir(tmp_path) == ["shard.npz"]


@pytest.mark.parametrize("processes", [1, 2])
def test_rows_come_out_in_their_order_and_are_made_once(tmp_path: Path, processes: int) -> None:
    work = KeptWork(tmp_path, processes=processes, size=SIZE)
    assert seen(work.each("train", rows(9), numbers)) == list(range(1, 10))

    def again(chunk: Sequence[Record], number: int) -> Iterator[Made]:
        pytest.fail("a shard that is there was made again")

    assert seen(work.each("train", rows(9), again)) == list(range(1, 10))


def test_what_a_disk_has_lost_of_a_shard_is_made_again(tmp_path: Path) -> None:
    work = KeptWork(tmp_path, size=SIZE)
    list(work.each("train", rows(3), numbers))
    shard = tmp_path / "train" / "000001.npz"
    shard.write_bytes(shard.read_bytes()[:100])

    assert seen(work.each("train", rows(3), numbers)) == [1, 2, 3]
    assert read_shard(shard) is not None


def test_a_process_that_is_killed_between_shards_leaves_what_it_has_finished(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def noted(chunk: Sequence[Record], number: int, *, last: int | None = None) -> Iterator[Made]:
        with log.open("a") as stream:
            stream.write(f"{number} ")
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return numbers(chunk, number)

    def first() -> None:
        list(KeptWork(tmp_path / "work", size=SIZE).each("train", rows(6), lambda *of: noted(*of, last=3)))

    child = multiprocessing.get_context("fork").Process(target=first)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert log.read_text() == "0 1 2 3 "

    log.write_text("")
    assert seen(KeptWork(tmp_path / "work", size=SIZE).each("train", rows(6), noted)) == [1, 2, 3, 4, 5, 6]
    assert log.read_text() == "3 4 5 "


def test_a_member_of_the_crew_that_the_kernel_kills_is_told_of(tmp_path: Path) -> None:
    def killed(chunk: Sequence[Record], number: int) -> Iterator[Made]:
        os.kill(os.getpid(), signal.SIGKILL)
        return numbers(chunk, number)

    with pytest.raises(RuntimeFailure, match="memory limit: give it more memory, or fewer cores") as caught:
        list(KeptWork(tmp_path, processes=2, size=SIZE).each("train", rows(4), killed))
    assert caught.value.reason is ErrorReason.OUT_OF_MEMORY


@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_row_that_is_wrong_is_the_one_that_is_named(tmp_path: Path, processes: int) -> None:
    """Although a later one, which nobody can read, is met before the crew has come to it."""

    def unreadable() -> Iterator[Record]:
        yield from rows(4)
        raise DataError(file="rows.jsonl", row=5, message="is no JSON")

    def strict(chunk: Sequence[Record], number: int) -> Iterator[Made]:
        for record in chunk:
            if record.row == 3:
                raise record.error("is wrong")
            yield from numbers([record], number)

    work = KeptWork(tmp_path, processes=processes, size=SIZE)
    with pytest.raises(DataError, match=r"rows\.jsonl:3: is wrong"):
        list(work.each("train", unreadable(), strict))
    with pytest.raises(DataError, match=r"rows\.jsonl:5: is no JSON"):
        list(work.each("other", unreadable(), numbers))

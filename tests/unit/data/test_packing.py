"""Packing: known figures, every sequence exactly once, and how the work grows."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from hostler_data.packing import (
    Packing,
    PackingError,
    Strategy,
    chunk_lengths,
    expect,
    histogram,
    pack_histogram,
    pack_lengths,
)


def skewed(count: int) -> list[int]:
    """Lengths as text has them: most are short, a few fill a pack."""
    draw = random.Random(7)
    return [min(512, max(5, int(draw.lognormvariate(5.0, 0.9)))) for _ in range(count)]


FIXTURE = skewed(100_000)


@pytest.mark.parametrize(
    ("strategy", "max_per_pack", "want_efficiency", "want_rows"),
    [
        pytest.param("best-fit", 1, 0.3802, 100_000, id="one in a pack is no packing"),
        pytest.param("best-fit", 2, 0.6994, 54_359, id="best fit, two in a pack"),
        pytest.param("best-fit", 3, 0.8394, 45_293, id="best fit, three in a pack"),
        pytest.param("best-fit", 4, 0.9120, 41_687, id="best fit, four in a pack"),
        pytest.param("best-fit", 8, 0.9874, 38_502, id="best fit, eight in a pack"),
        pytest.param("best-fit", None, 0.9989, 38_060, id="best fit without a limit"),
        pytest.param("spfhp", 2, 0.6994, 54_359, id="worst fit, two in a pack"),
        pytest.param("spfhp", 3, 0.8394, 45_293, id="worst fit, three in a pack"),
        pytest.param("spfhp", 4, 0.9117, 41_701, id="worst fit, four in a pack"),
        pytest.param("spfhp", None, 0.9971, 38_128, id="worst fit without a limit"),
    ],
)
def test_known_figures(strategy: Strategy, max_per_pack: int | None, want_efficiency: float, want_rows: int) -> None:
    packing = pack_histogram(histogram(FIXTURE), max_length=512, strategy=strategy, max_per_pack=max_per_pack)

    assert round(packing.efficiency, 4) == want_efficiency
    assert packing.rows == want_rows
    assert packing.sequences == len(FIXTURE)
    assert packing.tokens == sum(FIXTURE)


def one_after_the_other(
    lengths: Sequence[int], *, max_length: int, strategy: Strategy, max_per_pack: int | None
) -> list[list[int]]:
    """The rule itself, without a histogram: slow and plain."""
    packs: list[list[int]] = []
    choose = min if strategy == "best-fit" else max
    for length in sorted(lengths, reverse=True):
        having_room = [
            pack
            for pack in packs
            if max_length - sum(pack) >= length and (max_per_pack is None or len(pack) < max_per_pack)
        ]
        if having_room:
            choose(having_room, key=lambda pack: max_length - sum(pack)).append(length)
        else:
            packs.append([length])
    return packs


@pytest.mark.parametrize("strategy", ["best-fit", "spfhp"])
@pytest.mark.parametrize("max_per_pack", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("max_length", [10, 20, 64])
def test_packs_are_those_of_the_plain_rule(strategy: Strategy, max_per_pack: int | None, max_length: int) -> None:
    draw = random.Random(max_length)
    for _ in range(20):
        lengths = [draw.randint(1, max_length) for _ in range(draw.randint(1, 60))]

        packs = pack_lengths(lengths, max_length=max_length, strategy=strategy, max_per_pack=max_per_pack)

        want = one_after_the_other(lengths, max_length=max_length, strategy=strategy, max_per_pack=max_per_pack)
        assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
        assert max(sum(lengths[index] for index in pack) for pack in packs) <= max_length
        assert max(map(len, packs)) <= (max_per_pack or len(lengths))
        # With a limit it matters which of several packs with equal room is taken; without one only the room does.
        assert abs(len(packs) - len(want)) <= (0 if max_per_pack in {None, 1} else 2)


@pytest.mark.parametrize("strategy", ["best-fit", "spfhp"])
@pytest.mark.parametrize("max_per_pack", [None, 3])
def test_every_sequence_of_a_histogram_is_in_one_pack(strategy: Strategy, max_per_pack: int | None) -> None:
    counts = histogram(FIXTURE)

    packing = pack_histogram(counts, max_length=512, strategy=strategy, max_per_pack=max_per_pack)

    packed: dict[int, int] = {}
    for pack in packing.packs:
        assert sum(pack.lengths) <= 512
        assert len(pack.lengths) <= (max_per_pack or 512)
        for length in pack.lengths:
            packed[length] = packed.get(length, 0) + pack.count
    assert dict(sorted(packed.items())) == counts


def test_equal_sequences_share_packs() -> None:
    assert pack_lengths([100] * 10, max_length=512) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_what_is_expected_of_a_histogram_is_what_packing_does() -> None:
    expected = expect(histogram(FIXTURE), max_length=512)

    assert expected.rows == len(pack_lengths(FIXTURE, max_length=512))
    assert expected.factor == pytest.approx(len(FIXTURE) / expected.rows)
    assert expected.factor <= expected.bound


def operations(run: Callable[[], object]) -> int:
    """Bytecode instructions that a call executes: the same on every machine, whatever else it does."""
    executed = 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal executed
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        executed += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return executed


def test_the_work_grows_no_faster_than_the_number_of_lengths() -> None:
    few = operations(lambda: pack_lengths(FIXTURE[:2_000], max_length=512))
    many = operations(lambda: pack_lengths(FIXTURE[:20_000], max_length=512))

    assert many < 10 * few


def test_a_histogram_is_packed_with_the_same_work_however_many_sequences_it_counts() -> None:
    counts = histogram(FIXTURE[:2_000])
    thousandfold = {length: 1_000 * count for length, count in counts.items()}

    few = operations(lambda: pack_histogram(counts, max_length=512))
    many = operations(lambda: pack_histogram(thousandfold, max_length=512))

    assert many < 2 * few


def test_a_skewed_set_is_filled() -> None:
    lengths = skewed(2_000)
    packs = pack_lengths(lengths, max_length=512)

    assert sum(lengths) / (len(lengths) * 512) <= 0.5
    assert sum(lengths) / (len(packs) * 512) >= 0.98


@pytest.mark.parametrize(
    ("counts", "max_length", "max_per_pack", "want"),
    [
        pytest.param({600: 2}, 512, None, "2 sequences of length 600 cannot be in packs of 512", id="overlong"),
        pytest.param({}, 512, None, "there is no sequence to pack", id="nothing"),
        pytest.param({5: 0}, 512, None, "there is no sequence to pack", id="only zero counts"),
        pytest.param({5: -1, 6: 1}, 512, None, "there are -1 sequences of length 5", id="a negative count"),
        pytest.param({0: 3}, 512, None, "3 sequences of length 0: leave empty ones out", id="empty sequences"),
        pytest.param({5: 1}, 0, None, "the longest pack has 0 tokens", id="no room at all"),
        pytest.param({5: 1}, 512, 0, "a pack may hold 0 sequences", id="a limit of none"),
    ],
)
def test_lengths_that_cannot_be_packed(
    counts: dict[int, int], max_length: int, max_per_pack: int | None, want: str
) -> None:
    with pytest.raises(PackingError, match=want):
        pack_histogram(counts, max_length=max_length, max_per_pack=max_per_pack)


@pytest.mark.parametrize(
    ("length", "want"),
    [(1, [1]), (512, [512]), (513, [512, 1]), (1500, [512, 512, 476])],
)
def test_a_sequence_that_is_too_long_is_cut_and_nothing_is_lost(length: int, want: list[int]) -> None:
    assert chunk_lengths(length, max_length=512) == want


def test_figures_of_a_packing_agree() -> None:
    packing: Packing = pack_histogram({512: 1, 256: 2}, max_length=512)

    assert (packing.rows, packing.efficiency, packing.factor, packing.bound) == (3, 2 / 3, 1.0, 1.5)

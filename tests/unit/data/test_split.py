"""Which rows are held out: fair at every length, and never none."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.data.makers import opened, write_lines

from hostler_data.errors import DataError
from hostler_data.split import Split, plan_split


@pytest.mark.parametrize("percent", [1, 7, 10, 15, 33, 40, 50])
def test_the_share_is_exact_to_one_row_at_any_length(percent: int) -> None:
    rule = Split(percent)
    taken = 0
    for position in range(2000):
        taken += rule.held_out(position)
        assert abs(taken - (position + 1) * percent / 100) <= 1


@pytest.mark.parametrize("period", [2, 5, 10, 20])
def test_a_period_in_the_data_does_not_decide(period: int) -> None:
    """Labels that take turns would put one label alone into the validation part if every tenth row were taken."""
    rule = Split(10)

    seen = {position % period for position in range(4000) if rule.held_out(position)}

    assert seen == set(range(period))


@pytest.mark.parametrize("rows", [2, 3, 5, 9, 100])
@pytest.mark.parametrize("percent", [1, 10, 50])
def test_neither_part_is_ever_empty(rows: int, percent: int, tmp_path: Path) -> None:
    root = write_lines(tmp_path / "data.jsonl", [{"n": index} for index in range(rows)])

    train, validation = opened(root, "jsonl").split(percent)

    parts = [[record.values["n"] for record in part] for part in (train, validation)]
    assert all(parts)
    assert sorted(parts[0] + parts[1]) == list(range(rows))
    assert parts == [[record.values["n"] for record in part] for part in (train, validation)]


def test_one_row_cannot_be_split(tmp_path: Path) -> None:
    root = write_lines(tmp_path / "data.jsonl", [{"n": 1}])

    with pytest.raises(DataError, match="holds one row; at least two are needed, one of them for validation"):
        opened(root, "jsonl").split(10)


def test_no_more_is_read_than_the_first_row_of_each_part() -> None:
    read = []

    def rows() -> object:
        for index in range(1_000_000):
            read.append(index)
            yield index

    assert plan_split(rows(), percent=10) == Split(10)  # type: ignore[arg-type]
    assert len(read) <= 10

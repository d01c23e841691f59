"""What is generated lies in the checkout as it would be generated now."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.cli.generate import ROOT, GeneratedFile, generated, stale, write

WAY_OUT = "run `make generate` and commit what it writes"


@pytest.mark.parametrize("file", generated(), ids=lambda file: str(file.path))
def test_a_generated_file_is_up_to_date(file: GeneratedFile) -> None:
    path = ROOT / file.path
    assert path.exists(), f"{file.path} is missing: {WAY_OUT}"
    assert path.read_text(encoding="utf-8") == file.content, f"{file.path} is not what is generated: {WAY_OUT}"


def test_nothing_generated_is_left_over() -> None:
    assert stale(ROOT) == [], WAY_OUT


def test_every_generated_file_says_where_it_comes_from() -> None:
    silent = [str(file.path) for file in generated() if "make generate" not in file.content.splitlines()[0]]
    assert silent == []


def test_crds_and_their_copies_in_the_chart_come_in_pairs() -> None:
    paths = {file.path for file in generated()}
    plain = {path.name for path in paths if path.parent == Path("crds")}
    copies = {path.name for path in paths if path.parent == Path("helm/hostler/templates/crds")}
    assert len(plain) == 6
    assert plain == copies


def test_writing_repairs_what_drifted_and_removes_what_is_stale(tmp_path: Path) -> None:
    everything = {file.path for file in generated()}
    assert set(write(tmp_path)) == everything
    assert write(tmp_path) == [], "a second run changes nothing"

    edited, leftover = Path("crds/models.hostler.dev.yaml"), Path("crds/phases.hostler.dev.yaml")
    (tmp_path / edited).write_text("edited by hand")
    (tmp_path / leftover).write_text("of a kind that is gone")
    assert stale(tmp_path) == [leftover]
    assert set(write(tmp_path)) == {edited, leftover}
    assert not (tmp_path / leftover).exists()

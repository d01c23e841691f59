"""``python -m hostler_runtime.packing``: its answers, its complaints, and that it needs no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hostler_runtime.packing import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three sequences of 2 tokens and one of 4."""
    path = tmp_path / "lengths.json"
    path.write_text(json.dumps({"counts": [0, 3, 0, 1], "note": "other fields do no harm"}))
    return path


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--histogram", str(file), "--max-length", "6", "--strategy", "spfhp", "--json"]) == 0

    figures = json.loads(capsys.readouterr().out)
    assert figures.pop("seconds") >= 0
    assert figures == {
        "packs": 3, "sequences": 4, "efficiency": 10 / 18, "factor": 4 / 3, "speedupBound": 2.4,
    }  # fmt: skip


def test_sentences(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--histogram", str(file), "--max-length", "6", "--max-per-pack", "1"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("4 sequences in 4 packs of 6 tokens, at most 1 in one\nefficiency 41.67%")
    assert "1.000 times fewer rows; no packing can exceed 2.400" in said


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(None, "cannot be read: No such file or directory", id="no file"),
        pytest.param("{", "is not JSON", id="half a file"),
        pytest.param("[1, 2]", "has no list `counts`", id="a bare list"),
        pytest.param('{"counts": {"5": 1}}', "has no list `counts`", id="counts by name"),
        pytest.param('{"counts": [1, -2]}', "counts[1] is -2: give whole numbers", id="a negative count"),
        pytest.param('{"counts": [1, 0.5]}', "counts[1] is 0.5", id="a fraction"),
        pytest.param('{"counts": [true]}', "counts[0] is true", id="no number"),
        pytest.param('{"counts": [0, 0]}', "there is no sequence to pack", id="no sequences"),
        pytest.param('{"counts": [0,0,0,0,0,0,1]}', "1 sequences have length 7, longer than a pack", id="overlong"),
    ],
)
def test_files_that_cannot_be_packed(
    content: str | None, want: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lengths.json"
    if content is not None:
        path.write_text(content)

    assert main(["--histogram", str(path), "--max-length", "6"]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{path}: ")
    assert want in said.err


def test_it_runs_where_there_is_no_torch(file: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('this environment has no torch')")
    search = [tmp_path, ROOT / "operator", ROOT / "images/runtime"]
    done = subprocess.run(
        [sys.executable, "-m", "hostler_runtime.packing", "--histogram", str(file), "--max-length", "6", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, search))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["packs"] == 3

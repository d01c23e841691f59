"""``hostler data pack``, alias ``python -m hostler_runtime.packing``: its answers, its complaints, and no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hostler.cli.main import main as hostler
from hostler_data.pack import main

ROOT = Path(__file__).parents[3]


def pack(*arguments: str) -> int:
    """The command's exit status."""
    return main(arguments, program="pack")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three sequences of 2 tokens and one of 4."""
    path = tmp_path / "lengths.json"
    path.write_text(json.dumps({"counts": [0, 3, 0, 1], "note": "other fields do no harm"}))
    return path


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack("--histogram", str(file), "--max-length", "6", "--strategy", "spfhp", "--json") == 0

    figures = json.loads(capsys.readouterr().out)
    assert figures.pop("seconds") >= 0
    assert figures == {
        "packs": 3, "sequences": 4, "efficiency": 10 / 18, "factor": 4 / 3, "speedupBound": 2.4,
    }  # fmt: skip


def test_sentences(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack("--histogram", str(file), "--max-length", "6", "--max-per-pack", "1") == 0

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
        pytest.param('{"counts": [0,0,0,0,0,0,1]}', "1 sequence of length 7 cannot be in packs of 6", id="overlong"),
    ],
)
def test_files_that_cannot_be_packed(
    content: str | None, want: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lengths.json"
    if content is not None:
        path.write_text(content)

    assert pack("--histogram", str(path), "--max-length", "6") == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{path}: ")
    assert want in said.err


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        pytest.param(["--max-length", "0"], "argument --max-length: '0' is not a whole number of 1 or more", id="0"),
        pytest.param(["--max-length", "-6"], "argument --max-length: '-6' is not a whole number", id="below 0"),
        pytest.param(["--max-length", "x"], "argument --max-length: 'x' is not a whole number", id="no number"),
        pytest.param(
            ["--max-length", "6", "--max-per-pack", "0"], "argument --max-per-pack: '0' is not", id="empty packs"
        ),
        pytest.param([], "the following arguments are required: --max-length", id="no length"),
    ],
)
def test_wrong_usage_is_not_blamed_on_the_file(
    arguments: list[str], want: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        pack("--histogram", str(file), *arguments)

    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert want in said
    assert str(file) not in said


@pytest.mark.parametrize(
    ("arguments", "want_status", "want"),
    [
        pytest.param(["--max-length", "6", "--json"], 0, '"packs": 3', id="an answer"),
        pytest.param(["--max-length", "3"], 1, "1 sequence of length 4 cannot be in packs of 3", id="a file too long"),
        pytest.param(["--max-length", "0"], 2, "usage: hostler data pack", id="wrong usage"),
        pytest.param(["--help"], 0, "usage: hostler data pack", id="help"),
    ],
)
def test_hostler_has_the_command_too(arguments: list[str], want_status: int, want: str, file: Path) -> None:
    done = CliRunner().invoke(hostler, ["data", "pack", "--histogram", str(file), *arguments])

    assert done.exit_code == want_status
    assert want in done.output


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

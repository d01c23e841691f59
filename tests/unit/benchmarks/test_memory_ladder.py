"""`make bench-estimate-memory` on tables that are made up."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "estimate"
COLUMNS = "model,params_b,method,accelerator,devices,batch,seq,settings,peak_gib_per_device,tokens_per_s_total,source\n"
Main = Callable[[float], int]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Main]:
    """The script's exit status on a table of one row with that peak."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(FOLDER))
    ladder = importlib.import_module("ladder")

    def on(gib: float) -> int:
        row = f'Llama-3.1-8B,8.03,LoRA,A6000,1,2,2048,"compile, packed",{gib},1,nobody\n'
        (tmp_path / "memory_ladder.csv").write_text(COLUMNS + row)
        monkeypatch.setattr(sys, "argv", ["ladder.py", str(tmp_path), "--terms"])
        status: int = ladder.main()
        return status

    yield on
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("gib", "status"),
    [
        (35.7, 0),
        pytest.param(28.0, 1, id="an estimate that is more than a fifth too high"),
        pytest.param(39.0, 1, id="an estimate by which a device would be called large enough that is not"),
    ],
)
def test_the_exit_status_is_the_bar(main: Main, gib: float, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(gib) == status
    out = capsys.readouterr().out
    assert f"| Llama-3.1-8B LoRA, 1 x A6000, compile, packed | {gib:.1f} | 35.7 |" in out
    assert "weights that do not learn" in out

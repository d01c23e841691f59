"""`hostler queue` for people and for programs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from unit.cli.lines import a_view

from hostler.cli import queue as command
from hostler.cli.lineview import LineView
from hostler.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, view: LineView, *arguments: str) -> Any:
    monkeypatch.setattr(command, "read_view", lambda *_args, **_options: view)
    return CliRunner().invoke(main, ["queue", *arguments])


def rows(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines()]


def test_who_waits_and_who_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(run(monkeypatch, a_view(), "gpu").output)
    assert found[:5] == [
        "Pool gpu (nvidia-a100-80): 5 of 8 reserved, at most 3 free on one node; 3 waiting",
        "LINE JOB PRIORITY NEEDS AGE STARTS IN WHY",
        "1 team-a/large-language-model-7 research-high 1 x 8 2h00m 12m (6m-24m) capacity",
        "2 team-a/small 1 x 4 2h00m unknown quota",
        "<=20 team-b/far 1 x 4 2h00m unknown capacity",
    ]
    assert found[5].startswith("Next is team-a/large-language-model-7, expected in 12m: what it needs is kept for it.")
    assert found[-3:] == [
        "RUNS PRIORITY HOLDS ENDS IN STATE",
        "team-b/bert-7 4 x 1 12m Training",
        "team-b/chat (service) 1 x 1 Training",
    ]


def test_nothing_is_wider_than_a_terminal_of_eighty_columns() -> None:
    out = io.StringIO()
    command.print_line(Console(file=out, width=80), command.line_facts(a_view(), "gpu"))
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_programs_get_json_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    (facts,) = json.loads(run(monkeypatch, a_view(), "--json").output)
    assert [each["name"] for each in facts["waiting"]] == ["large-language-model-7", "small", "far"]
    assert facts["waiting"][0]["expectedStart"] == "2026-11-30T20:12:00Z"
    assert facts["waiting"][1]["expectedStart"] is None, "what is not known is null"
    assert facts["running"][0]["expectedEnd"] == "2026-11-30T20:12:00Z"


def test_a_pool_that_is_not_there_is_one_line_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, a_view(), "gpus")
    assert result.exit_code == 1
    assert "there is no AcceleratorPool gpus: did you mean gpu?" in result.output


def test_what_is_not_seen_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    view = a_view(unseen=("You may not list the pools.",), pools=())
    result = run(monkeypatch, view)
    assert "You may not list the pools." in result.output
    assert "Pool gpu: not seen; 3 waiting, 2 running" in result.output


def test_a_cluster_without_pools_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There are no AcceleratorPools" in run(monkeypatch, a_view(pools=(), workloads=())).output

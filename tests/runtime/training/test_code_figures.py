"""Figures of programs that nearly fill a sequence: what is asked about must fit into what the model knows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from runtime.training.harness import make_job

from hostler_contract import JobConfig
from hostler_data.records import open_records
from hostler_runtime.families.code import figures, training
from hostler_runtime.text.dataset import TokenDataset


def function(name: int, *, lines: int) -> str:
    """A function whose lines differ from those of the others."""
    body = "".join(f"    total_{name} += {name * line} * value\n" for line in range(lines))
    return f"def add_{name}(value):\n    total_{name} = 0\n{body}    return total_{name}\n"


def prepared(root: Path, *, lines: int, context: int) -> tuple[JobConfig, TokenDataset]:
    """Functions of so many lines, half of them held out, as a job prepares them."""
    data = root / "functions.jsonl"
    data.write_text("".join(json.dumps({"text": function(name, lines=lines)}) + "\n" for name in range(80)))
    job = make_job(
        root / "workspace",
        data=data,
        family="code",
        model__transformer={
            "architecture": "gpt2", "layers": 1, "hiddenSize": 16, "heads": 2, "contextLength": context,
            "vocabularySize": 500,
        },
        dataset__format="jsonl",
        dataset__validationPercent=50,
    )  # fmt: skip
    (root / "prepared").mkdir()
    training.prepare(job, open_records([data], root=root, format="jsonl"), root / "prepared")
    return job, training.open_dataset(job, root / "prepared")


def built(job: JobConfig, dataset: TokenDataset) -> Any:
    """A model that has learnt nothing; gpt2 has no position beyond its context."""
    torch.manual_seed(0)
    return training.build(job, dataset).eval()


INFILLING = {"suffix_preference", "infill_parse_ratio", "infill_parse_ratio_other_suffix"}


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        pytest.param(10, INFILLING, id="programs that fit, but not with the longest suffix of another"),
        pytest.param(13, INFILLING, id="programs of which few fit"),
        pytest.param(24, set(), id="programs longer than a sequence have no figure of filling in"),
    ],
)
def test_only_gaps_that_fit_into_a_sequence_are_measured(tmp_path: Path, lines: int, want: set[str]) -> None:
    job, dataset = prepared(tmp_path, lines=lines, context=192)

    found = figures.code_figures(built(job, dataset), dataset)

    assert found.keys() & INFILLING == want
    assert all(math.isfinite(value) for value in found.values())


def test_a_middle_that_does_not_fit_is_an_error_of_the_model(tmp_path: Path) -> None:
    """The control: without the choice of gaps above, a position beyond the last one is asked for."""
    job, dataset = prepared(tmp_path, lines=24, context=192)
    gaps = figures.read_probes(dataset).cuts

    assert len(gaps) >= 8
    with pytest.raises(IndexError):
        figures.middle_losses(built(job, dataset), dataset, gaps)


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_gap_has_no_other_to_be_compared_with(tmp_path: Path, count: int) -> None:
    job, dataset = prepared(tmp_path, lines=2, context=192)
    probes = figures.read_probes(dataset)
    (dataset.directory / "probes.json").write_text(
        json.dumps({"headers": probes.headers, "cuts": [vars(each) for each in probes.cuts[:count]]})
    )

    assert figures.code_figures(built(job, dataset), dataset).keys() == {"body_parse_ratio"}

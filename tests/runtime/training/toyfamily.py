"""A family that shows everything the core offers and computes almost nothing: two stages, the second with two players.

Rows stand for as many sequences as the variable ``TOY_PACKING`` says. It lives in a module of its own so that processes
started by the launcher can import it by name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from hostler_contract import JobConfig
from hostler_contract.result import DatasetFacts
from hostler_data.records import Records
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Batch, Evaluation, LossSum, ModelFacts, Stage, Survey, Update

UNIT = "numbers"
BLOCK = "transformer"
WIDTH = 8


def whole(parameter: torch.Tensor) -> torch.Tensor:
    """A weight in one piece, also where every process holds a part."""
    found = parameter.detach()
    return found.full_tensor() if hasattr(found, "full_tensor") else found


class Layers(nn.Module):
    """Two layers in a list, so that sharding finds blocks; dropout, so that random state matters."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))
        self.dropout = nn.Dropout(float(os.environ.get("TOY_DROPOUT", "0.2")))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Row by row."""
        for block in self.blocks:
            values = self.dropout(torch.tanh(block(values)))
        return values


class Toy(nn.Module):
    """A coder, then a maker and a judge that play against each other; an average of the maker; a late measurement."""

    def __init__(self) -> None:
        super().__init__()
        self.coder, self.maker, self.judge = Layers(), Layers(), Layers()
        self.register_buffer("average", torch.zeros(WIDTH, WIDTH))
        self.register_buffer("scale", torch.ones(()))


class Numbers:
    """Rows of numbers; each row counts for as many targets as its first number says, so that weights differ."""

    def __init__(self, directory: Path) -> None:
        self.facts = DatasetFacts.model_validate_json((directory / "facts.json").read_text())
        self._values = np.load(directory / "values.npy")
        self.sequences_per_row = self.facts.packing_factor or 1.0

    @property
    def train_rows(self) -> int:
        return len(self._values) - 8

    @property
    def validation_rows(self) -> int:
        return 8

    def train_batch(self, rows: Sequence[int]) -> Batch:
        return {"values": torch.from_numpy(self._values[list(rows)])}

    def validation_batch(self, rows: Sequence[int]) -> Batch:
        return {"values": torch.from_numpy(self._values[[self.train_rows + row for row in rows]])}


def fingerprint(job: JobConfig) -> str:
    return "toy"


def prepare(job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
    rows = sum(1 for _ in records)
    values = np.random.default_rng(7).normal(size=(40, WIDTH)).astype(np.float32)
    np.save(directory / "values.npy", values)
    packing = os.environ.get("TOY_PACKING")
    facts = DatasetFacts(
        sha256=records.sha256,
        size_bytes=records.size_bytes,
        rows=rows,
        packing_factor=None if packing is None else float(packing),
    )
    (directory / "facts.json").write_text(facts.model_dump_json())


def open_dataset(job: JobConfig, directory: Path) -> Numbers:
    return Numbers(directory)


def build(job: JobConfig, dataset: Numbers) -> Toy:
    return Toy()


def stages(job: JobConfig, model: Toy, dataset: Numbers) -> Sequence[Stage]:
    def squared(module: Any, batch: Batch) -> LossSum:
        values = batch["values"]
        # Rows have different numbers of targets: the mean over targets is not the mean over rows.
        counts = 1 + (values[:, :1] > 0).float() * 3
        error = ((module(values) - values) ** 2 * counts).sum()
        return LossSum(total=error, weight=float(counts.sum()), units=float(len(values)), parts={"half": error / 2})

    def survey(module: Any, batch: Batch) -> Survey:
        scores = module(batch["values"])
        return Survey(sums={"scores": torch.stack([scores.sum(), scores.new_tensor(scores.numel())])})

    def judged(module: Any, batch: Batch) -> LossSum:
        values = batch["values"]
        # Scores count relative to the mean of the whole step, which no part of it knows by itself.
        total, count = batch["scores"]
        with torch.no_grad():
            made = model.maker(values)
        return LossSum(
            total=torch.relu(1 - module(values) + 10 * total / count).sum() + torch.relu(1 + module(made)).sum(),
            weight=len(values),
        )

    def made(module: Any, batch: Batch) -> LossSum:
        values = batch["values"] * model.scale
        return LossSum(total=-model.judge(module(values)).sum(), weight=len(values))

    def begin() -> None:
        model.scale.fill_(float(whole(next(model.coder.parameters())).abs().mean()))

    def average() -> None:
        model.average.mul_(0.5).add_(whole(model.maker.blocks[0].weight), alpha=0.5)

    return (
        Stage("coder", (Update("coder", model.coder, squared),), share=1),
        Stage(
            "play",
            (
                Update("judge", model.judge, judged, betas=(0.0, 0.9), schedule="constant", survey=survey),
                Update("maker", model.maker, made, betas=(0.0, 0.9), schedule="constant"),
            ),
            share=2,
            begin=begin,
            after_step=average,
        ),
    )


def evaluate(model: Toy, dataset: Numbers, around: Evaluation) -> dict[str, float]:
    def error(module: Any, batch: Batch) -> LossSum:
        return LossSum(total=((module(batch["values"]) - batch["values"]) ** 2).sum(), weight=len(batch["values"]))

    return {"validation_loss": around.mean_loss(Update("coder", model.coder, error))}


def sample(model: Toy, dataset: Numbers, directory: Path, *, count: int) -> None:
    (directory / "numbers.json").write_text(json.dumps(list(range(count))))


def save(model: Toy, dataset: Numbers, directory: Path) -> ModelFacts:
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, directory / "model.safetensors"
    )
    return ModelFacts(parameters=sum(each.numel() for each in model.parameters()))


def card_header() -> dict[str, Any]:
    return {"pipeline_tag": "other"}

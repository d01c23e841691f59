"""Peaks of memory that were published against what the estimate says of the same runs: ``make bench-estimate-memory``.

The published figures are read from ``memory_ladder.csv`` below the folder that is given; none of them is here. Exit
status 1 where a row is off by more than 20 %, or lower by more than 1/1.05: then some device would be called large
enough whose memory the published peak exceeds by more than 5 %.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from networks import BY_NAME

from hostler.planning.estimate.memory import matrices_of_layers, memory_of_training
from hostler.planning.estimate.result import Memory
from hostler.planning.estimate.shapes import Adapter, Checkpointing, Network, Sharding, TrainingRun
from hostler.planning.estimate.switches import Held, Optimizer, Switches

MOST_ERROR = 0.20
MOST_ABOVE_DEVICE = 1.05
_GIB = 2**30
_TABLE = "memory_ladder.csv"
_SHORT = 512
"""Tokens of the longer of two rows that are not packed: the table does not say how long they were. The first step of
the ladder is the optimizer's, and any length up to this one gives the same."""
_RANK = 8


@dataclass(frozen=True)
class Step:
    """One row: what was published, and what is estimated of it."""

    name: str
    published: float
    estimate: Memory

    @property
    def gib(self) -> float:
        """What is estimated, in GiB."""
        return self.estimate.peak / _GIB

    @property
    def error(self) -> float:
        """Relative, above 0 where the estimate is higher."""
        return self.gib / self.published - 1


def steps(folder: Path) -> Iterator[Step]:
    """Every row of the table, estimated."""
    with (folder / _TABLE).open(encoding="utf-8") as table:
        done: list[str] = []
        for row in csv.DictReader(table):
            done = [*done, row["settings"]] if row["settings"].startswith("cumulative") else []
            yield _step(row, done)


def _step(row: dict[str, str], done: Sequence[str]) -> Step:
    network, settings = BY_NAME[row["model"]], row["settings"]
    is_ladder = bool(done) or settings == "all of the above"
    run, switches = _ladder(done) if is_ladder else _single(row)
    run = replace(run, devices=int(row["devices"]), rows=int(row["batch"]))
    if run.sequence_length != _SHORT:
        run = replace(run, sequence_length=int(row["seq"]))
    if row["method"] != "full":
        run = replace(run, adapter=Adapter(parameters=adapter_weights(network)))
        held = Held.NF4 if row["method"] == "QLoRA" else Held.BF16
        switches = replace(switches, base=held, optimizer=Optimizer.ADAMW, step_in_backward=False)
    estimate = memory_of_training(network, run, device_bytes=None, switches=switches)
    name = f"{row['model']} {row['method']}, {row['devices']} x {row['accelerator']}, {settings}"
    return Step(name=name, published=float(row["peak_gib_per_device"]), estimate=estimate)


def _ladder(done: Sequence[str]) -> tuple[TrainingRun, Switches]:
    """Every step has the switches of those before; without any, all are on."""

    def on(name: str) -> bool:
        return not done or any(name in step for step in done)

    run = TrainingRun(
        devices=1,
        rows=2,
        sequence_length=4096 if on("packed") else _SHORT,
        mean_length=128.0 if on("packed") else None,
        checkpointing=Checkpointing.FULL if on("activation checkpointing") else Checkpointing.NONE,
    )
    switches = Switches(
        held=Held.BF16,
        fused=True,
        compiled=on("compile"),
        chunked_loss=on("chunked"),
        step_in_backward=on("in backward"),
        offloaded_activations=on("activation offload"),
        optimizer=Optimizer.ADAMW_8BIT if on("8-bit") else Optimizer.ADAMW,
    )
    return run, switches


def _single(row: dict[str, str]) -> tuple[TrainingRun, Switches]:
    """torchtune's own recipes for these models: bf16, loss in parts, checkpoints of activations, on one device a paged
    8-bit optimizer that steps in the backward pass. The rows of an A6000 cannot have had checkpoints: that device is
    no faster than a 4090, and their rates are half as high again."""
    offloaded, alone = "offload" in row["settings"], row["devices"] == "1"
    spacious = row["accelerator"] == "A6000"
    run = TrainingRun(
        devices=1,
        rows=2,
        sequence_length=2048,
        mean_length=128.0,
        checkpointing=Checkpointing.NONE if spacious else Checkpointing.FULL,
        sharding=Sharding.REPLICATED if alone else Sharding.FULL,
    )
    switches = Switches(
        held=Held.BF16,
        fused=True,
        compiled=True,
        chunked_loss=True,
        step_in_backward=alone,
        offloaded_weights=offloaded,
        optimizer=Optimizer.ADAMW_8BIT_PAGED if alone else Optimizer.ADAMW,
    )
    return run, switches


def adapter_weights(network: Network) -> int:
    """Of an adapter of rank 8 on all matrices of the layers."""
    whole, grouped = network.heads * network.head_size, network.kv_heads * network.head_size
    width, inner = network.hidden_size, network.intermediate_size
    sides = 2 * (width + whole) + 2 * (width + grouped) + 3 * (width + inner)
    assert matrices_of_layers(network) > 0
    return _RANK * network.layers * sides


def main() -> int:
    """Print every step, and the worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--terms", action="store_true", help="the terms of each sum too")
    arguments = parser.parse_args()
    found = list(steps(arguments.folder))
    print("| Run | Published GiB | Estimate GiB | Error |\n|---|---:|---:|---:|")
    for step in found:
        print(f"| {step.name} | {step.published:.1f} | {step.gib:.1f} | {step.error:+.1%} |")
        if arguments.terms:
            print("\n".join(f"    {size / _GIB:6.2f} {name}" for name, size in step.estimate.terms))
    worst = max(found, key=lambda step: abs(step.error))
    lowest = min(found, key=lambda step: step.error)
    print(f"\nworst {worst.error:+.1%} ({worst.name}); lowest {lowest.error:+.1%} ({lowest.name})")
    too_low = lowest.gib < lowest.published / MOST_ABOVE_DEVICE
    return 1 if abs(worst.error) > MOST_ERROR or too_low else 0


if __name__ == "__main__":
    sys.exit(main())

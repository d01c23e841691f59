"""One process of a job that writes down, at its last step, how many bytes its tensors take: ``held-<rank>.json``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from runtime.training import toyjobs
from torch.distributed.tensor import DTensor

from hostler_runtime.train import leave
from hostler_runtime.training import run
from hostler_runtime.training.updates import Player


def of(tensors: Iterable[torch.Tensor | None]) -> int:
    """Bytes on this process; a tensor that is used in two places is one."""
    mine = {id(one): one.to_local() if isinstance(one, DTensor) else one for one in tensors if one is not None}
    return sum(one.numel() * one.element_size() for one in mine.values())


def main(path: str) -> None:
    """Run the job of the file."""
    beside: list[torch.nn.Module] = []
    made: list[int] = []
    built, step = run.built, Player.step

    def watched_build(job: Any, half: Any, dataset: Any, parallel: Any) -> torch.nn.Module:
        model = built(job, half, dataset, parallel)
        beside.extend(getattr(half, "beside", tuple)())
        made.append(of(weight for name, weight in model.named_parameters() if ".lora_" not in name))
        return model

    def watched_step(player: Player, number: int, *, factor: float) -> float:
        norm = step(player, number, factor=factor)
        every = list(player.update.module.parameters())
        weights = [weight for weight in every if weight.requires_grad]
        moments = [each for state in player.plain.state.values() for each in state.values() if each.dim()]
        held = {
            "learning": of(weights) + of(weight.grad for weight in weights) + of(moments),
            "made": made[0],
            "frozen": of(weight for weight in every if not weight.requires_grad),
            "beside": of(weight for network in beside for weight in network.parameters()),
        }
        Path(path).with_name(f"held-{os.environ['RANK']}.json").write_text(json.dumps(held))
        return norm

    run.built, Player.step = watched_build, watched_step  # type: ignore[method-assign]
    toyjobs.main(path)


if __name__ == "__main__":
    main(sys.argv[1])
    leave(0)

"""One optimizer's turn within a step: gradients of the micro-batches, normalised over everything, then a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from hostler_contract import Hyperparameters
from hostler_runtime.protocols.training import Batch, Update
from hostler_runtime.training.distributed import Processes
from hostler_runtime.training.order import constant_rate, learning_rate
from hostler_runtime.training.parallel import Parallel


@dataclass(frozen=True)
class TurnFigures:
    """What one turn showed, over all processes."""

    loss: float
    units: float
    learning_rate: float
    gradient_norm: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass
class Player:
    """An update with what it needs to take its turns."""

    update: Update
    parameters: list[torch.nn.Parameter]
    wrapped: Any
    plain: torch.optim.Optimizer
    prepared: Any
    parallel: Parallel
    gradient_clip: float
    rate_at: Callable[[int], float]
    rate: float = 0.0

    def surveyed(self, batches: Sequence[Batch], *, processes: Processes) -> list[Batch]:
        """The micro-batches with what their losses need to know of the whole step."""
        survey = self.update.survey
        if survey is None:
            return list(batches)
        with torch.no_grad(), self.parallel.autocast():
            found = [survey(self.wrapped, batch) for batch in batches]
        mine = {name: torch.stack([one.sums[name].double() for one in found]).sum(0) for name in found[0].sums}
        total = iter(processes.sum(*(value for vector in mine.values() for value in vector.tolist())))
        sums = {
            name: torch.tensor([next(total) for _ in vector], device=processes.device) for name, vector in mine.items()
        }
        return [{**batch, **one.found, **sums} for batch, one in zip(batches, found, strict=True)]

    def accumulate(self, batches: Sequence[Batch], *, scale: float) -> dict[str, float]:
        """Leave the sum of all micro-batches' gradients on the parameters; returns this process's sums.

        Gradients are of the loss summed over targets, times ``scale``, the same everywhere, which keeps them in the
        range of fp16; ``step`` brings in the number of targets, known only after the last process's last micro-batch.
        """
        sums = {"loss": 0.0, "weight": 0.0, "units": 0.0}
        for index, batch in enumerate(batches):
            with self.parallel.micro_batch(self.wrapped, last=index == len(batches) - 1):
                with self.parallel.autocast():
                    part = self.update.loss(self.wrapped, batch)
                self.parallel.backward(part.total * scale)
            sums["loss"] += float(part.total.detach())
            sums["weight"] += part.weight
            sums["units"] += part.units or part.weight
            for name, value in part.parts.items():
                sums[f"part:{name}"] = sums.get(f"part:{name}", 0.0) + float(value.detach())
        return sums

    def step(self, step: int, *, factor: float) -> float:
        """Apply the gradients times ``factor``; returns their norm before clipping."""
        torch._foreach_mul_([each.grad for each in self.parameters if each.grad is not None], factor)
        norm = self.parallel.clip(self.parameters, self.gradient_clip)
        self.rate = self.rate_at(step)
        for group in self.plain.param_groups:
            group["lr"] = self.rate
        self.prepared.step()
        return norm


def make_player(update: Update, *, parallel: Parallel, options: Hyperparameters, steps: int) -> Player:
    """Wrap the module, then make the optimizer: sharding replaces the parameters."""
    wrapped = parallel.wrap(update.module)
    parameters = [parameter for parameter in update.module.parameters() if parameter.requires_grad]
    plain = make_optimizer(
        parameters, weight_decay=options.weight_decay if update.weight_decay else 0.0, betas=update.betas
    )
    return Player(
        update=update,
        parameters=parameters,
        wrapped=wrapped,
        plain=plain,
        prepared=parallel.optimizer(plain),
        parallel=parallel,
        gradient_clip=options.gradient_clip,
        rate_at=constant_rate(options, factor=update.learning_rate)
        if update.schedule == "constant"
        else learning_rate(options, steps=steps, factor=update.learning_rate),
    )


def make_optimizer(
    parameters: Sequence[torch.nn.Parameter], *, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); vectors (biases, norms) do not decay."""
    groups = [
        {"params": [each for each in parameters if each.dim() >= 2], "weight_decay": weight_decay},
        {"params": [each for each in parameters if each.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=betas)


@contextmanager
def only(player: Player, *, among: Sequence[Player]) -> Iterator[None]:
    """The other players' networks take part without learning: no gradients for them, and no hooks that would wait for
    their peers' gradients."""
    others = [parameter for other in among if other is not player for parameter in other.parameters]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)

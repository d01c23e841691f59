"""Learning from praise and criticism: DPO on pairs (arXiv 2305.18290), KTO on single verdicts (arXiv 2402.01306).

Both compare the model that learns with the base model, the reference. With an adapter the reference is the same network
with the adapter switched off; otherwise it is a frozen copy, made from the base at every start and never saved.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from peft.tuners.tuners_utils import BaseTunerLayer

from hostler_contract import JobConfig
from hostler_contract.figures import Need
from hostler_data.records import Records
from hostler_runtime.objectives.decorator import Decorator
from hostler_runtime.objectives.lora import remove
from hostler_runtime.objectives.verdicts import Verdicts, prepare
from hostler_runtime.protocols.preparing import INLINE, Work
from hostler_runtime.protocols.training import Batch, Evaluation, LossSum, ModelFacts, Stage, Survey, Update
from hostler_runtime.text.decoder import describe, forward
from hostler_runtime.text.sequences import IGNORED

_MOST_MEASURED = 256
"""Held-out rows that are measured."""
_RATIOS, _REFERENCE = "step_ratios", "reference_likelihood"
"""What a loss of KTO finds in its batch: sum and number of the step's log ratios, and the reference's likelihoods."""


class Preference(Decorator):
    """Trains a decoder on what people preferred."""

    UNIT = "tokens"

    def fingerprint(self, job: JobConfig) -> str:
        """The family's, for other rows."""
        return f"preference 4 {job.overlong} {self._half.fingerprint(job)}"

    def prepare(self, job: JobConfig, records: Records, directory: Path, *, work: Work = INLINE) -> None:
        """Prompts with their completions as tokens of the base model."""
        prepare(job, records, directory, work=work)

    def open_dataset(self, job: JobConfig, directory: Path) -> Verdicts:
        """Open what ``prepare`` wrote."""
        return Verdicts(directory)

    def build(self, job: JobConfig, dataset: Verdicts) -> torch.nn.Module:
        """The base model, twice unless there is an adapter to switch off. Dropout stays off: the loss is a difference
        between two models, which noise would drown."""
        model = self._half.build(job, dataset)
        without_dropout(model)
        adapted = any(isinstance(module, BaseTunerLayer) for module in model.modules())
        self._reference = None if adapted else copy.deepcopy(model).eval().requires_grad_(False)
        return model

    def beside(self) -> tuple[torch.nn.Module, ...]:
        """The reference, where it is a network of its own."""
        return () if self._reference is None else (self._reference,)

    def stages(self, job: JobConfig, model: torch.nn.Module, dataset: Verdicts) -> Sequence[Stage]:
        """One stage; the loss is that of the method."""
        update = Update(
            "preference",
            model,
            self._loss_of(job, dataset, model),
            survey=None if dataset.method == "dpo" else lambda module, batch: self._survey(module, model, batch),
        )
        return (Stage("preference", (update,)),)

    def forward_update(self, job: JobConfig, model: torch.nn.Module, dataset: Verdicts) -> Update:
        """One forward pass of the model over one sequence: a row of the data has two where people compared."""
        inner = super().forward_update(job, model, dataset)
        return replace(inner, loss=lambda module, batch: inner.loss(module, {name: t[:1] for name, t in batch.items()}))

    def complete(self, model: Any) -> Any:
        """Once an adapter is merged it cannot be switched off any more: the final figures need the base apart."""
        if self._reference is None:
            self._reference = copy.deepcopy(model)
            remove(self._reference)
            self._reference.eval().requires_grad_(False)
        complete = getattr(self._half, "complete", None)
        return model if complete is None else complete(model)

    def evaluate(self, model: torch.nn.Module, dataset: Verdicts, around: Evaluation) -> dict[str, float]:
        """Loss, and how often the implicit reward (beta times the log ratio to the reference) agrees with people.

        The raw likelihood says little: a chosen answer may be the likelier one before any training. Against the
        reference an untrained model scores 0, ties count as wrong, and 0.5 is chance.
        """
        rewards, praised = self._rewards(model, dataset, around)
        if dataset.method == "dpo":
            loss = self._loss_of(self._job, dataset, model)
            margin = rewards[0::2] - rewards[1::2]
            return {
                "validation_loss": around.mean_loss(Update("preference", model, loss)),
                "reward_accuracy": float((margin > 0).mean()),
                "reward_margin": float(margin.mean()),
            }
        # One reference point for all that is measured: parts of it would each have their own.
        beta = self._job.objective.preference.beta
        ratio, verdicts = torch.from_numpy(rewards / beta), torch.from_numpy(praised.astype(rewards.dtype))
        losses = kto(ratio, verdicts, beta=beta, praised_share=dataset.praised_share)
        figures = {"validation_loss": float(losses.mean())}
        good, bad = rewards[praised], rewards[~praised]
        if len(good) and len(bad):
            # Probability that a praised answer has a higher reward than a criticised one.
            figures["reward_accuracy"] = float((good[:, None] > bad[None, :]).mean())
            figures["reward_margin"] = float(good.mean() - bad.mean())
        return figures

    def lacking(self, model: Any, dataset: Verdicts) -> set[Need]:
        """What these figures need and the data does not have."""
        both = dataset.method == "dpo" or dataset.held_out_verdicts(_MOST_MEASURED) == {True, False}
        return set() if both else {Need.BOTH_VERDICTS}

    def sample(self, model: Any, dataset: Verdicts, directory: Path, *, count: int) -> None:
        """Held-out prompts with what the model writes after them."""
        texts = []
        for prompt in dataset.held_out_prompts(count):
            tokens = torch.tensor([prompt], device=next(model.parameters()).device)
            written = model.generate(tokens, max_new_tokens=32, do_sample=False, use_cache=True)
            texts.append(dataset.tokenizer.decode(written[0], skip_special_tokens=True))
        (directory / "samples.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")

    def save(self, model: Any, dataset: Verdicts, directory: Path) -> ModelFacts:
        """As the family saves it."""
        facts = self._half.save(model, dataset, directory)
        return replace(facts, description=describe(model, trained_on="what people praised and criticised"))

    def _loss_of(self, job: JobConfig, dataset: Verdicts, model: torch.nn.Module) -> Callable[[Any, Batch], LossSum]:
        beta = job.objective.preference.beta
        share = dataset.praised_share

        def loss(module: Any, batch: Batch) -> LossSum:
            ratio = self._log_ratio(module, model, batch)
            if dataset.method == "dpo":
                losses = dpo(ratio[0::2], ratio[1::2], beta=beta)
            else:
                losses = kto(ratio, batch["praised"], beta=beta, praised_share=share, mean_ratio=_mean_of_step(batch))
            units = float((batch["segment_ids"] != 0).sum())
            return LossSum(total=losses.sum(), weight=len(losses), units=units)

        return loss

    def _survey(self, module: Any, model: torch.nn.Module, batch: Batch) -> Survey:
        """KTO's reference point is the mean over all verdicts of a step."""
        reference = self._reference_likelihood(model, batch)
        ratio = log_likelihood(module, batch) - reference
        sums = torch.stack([ratio.sum(), torch.full_like(ratio, 1.0).sum()])
        return Survey(sums={_RATIOS: sums}, found={_REFERENCE: reference})

    def _log_ratio(self, module: Any, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """log p(completion) under the model minus that under the reference, for each sequence."""
        # The reference first: switching adapters off and on must not come between a forward and its backward pass.
        reference = batch[_REFERENCE] if _REFERENCE in batch else self._reference_likelihood(model, batch)
        return log_likelihood(module, batch) - reference

    @torch.no_grad()
    def _reference_likelihood(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        if self._reference is not None:
            return log_likelihood(self._reference.to(batch["input_ids"].device), batch)
        with adapters_off(model):
            return log_likelihood(model, batch)

    def _rewards(self, model: torch.nn.Module, dataset: Verdicts, around: Evaluation) -> tuple[np.ndarray, np.ndarray]:
        rewards, praised = [], []
        rows = range(min(dataset.validation_rows, _MOST_MEASURED))
        for start in range(0, len(rows), around.batch_size):
            portion = list(rows[start : start + around.batch_size])
            batch = {name: each.to(around.device) for name, each in dataset.validation_batch(portion).items()}
            rewards.append(self._log_ratio(model, model, batch).float().cpu().numpy())
            praised.append(batch["praised"].cpu().numpy() > 0)
        beta = self._job.objective.preference.beta
        return beta * np.concatenate(rewards), np.concatenate(praised)


def log_likelihood(module: Any, batch: Batch) -> torch.Tensor:
    """Sum of the log probabilities of each row's taught tokens."""
    targets = batch["targets"]
    taught = targets != IGNORED
    log_probabilities = functional.log_softmax(forward(module, batch).float(), dim=-1)
    chosen = log_probabilities.gather(-1, targets.masked_fill(~taught, 0)[..., None])[..., 0]
    return (chosen * taught).sum(-1)


def dpo(chosen: torch.Tensor, rejected: torch.Tensor, *, beta: float) -> torch.Tensor:
    """Equation 7 of arXiv 2305.18290 for log ratios to the reference: one loss for each pair."""
    return -functional.logsigmoid(beta * (chosen - rejected))


def kto(
    ratio: torch.Tensor,
    praised: torch.Tensor,
    *,
    beta: float,
    praised_share: float,
    mean_ratio: torch.Tensor | None = None,
) -> torch.Tensor:
    """Equation 8 of arXiv 2402.01306: one loss for each verdict.

    The reference point is ``mean_ratio``, the mean log ratio of the step that these verdicts are part of (absent: they
    are the whole of it), without gradient and never below 0. The rarer verdict weighs as much more as it is rarer (the
    paper keeps the ratio of weighted counts within 1 to 4/3).
    """
    reference = (ratio.detach().mean() if mean_ratio is None else mean_ratio).clamp(min=0)
    share = min(max(praised_share, 1e-3), 1 - 1e-3)
    weight = torch.where(praised > 0, 0.5 / share, 0.5 / (1 - share))
    gain = torch.where(praised > 0, ratio - reference, reference - ratio)
    return weight * (1 - torch.sigmoid(beta * gain))


def _mean_of_step(batch: Batch) -> torch.Tensor | None:
    return batch[_RATIOS][0] / batch[_RATIOS][1] if _RATIOS in batch else None


@contextmanager
def adapters_off(model: torch.nn.Module) -> Iterator[None]:
    """The model as it was before its adapters."""
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(enabled=False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(enabled=True)


def without_dropout(model: torch.nn.Module) -> None:
    """Every dropout lets everything through."""
    modules: Iterator[Any] = model.modules()
    for module in modules:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0

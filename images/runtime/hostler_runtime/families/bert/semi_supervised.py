"""FixMatch (arXiv 2001.07685): confident predictions on lightly varied texts are labels of the same texts varied a lot.

Texts are varied by hiding tokens. Labelled and unlabelled rows are packed alike, so a step makes two forward passes:
one without gradients for the predictions, one for everything that is learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hostler_contract.objective import SemiSupervisedConfig
from hostler_runtime.families.bert.losses import loss_sum
from hostler_runtime.families.bert.masking import IGNORED
from hostler_runtime.families.bert.packing import first_tokens
from hostler_runtime.protocols.training import Batch, LossSum, Survey

WEAK_SHARE = 0.1
"""Of the tokens that are hidden where a text is varied lightly."""
STRONG_SHARE = 0.5
"""Of the tokens that are hidden where a text is varied a lot. Labelled texts are varied as much: varying alone makes a
network better, and what the unlabelled texts add must be more than that."""
LABELLED, WEAK, STRONG = "", "weak_", "strong_"
"""Prefixes of the tensors of a batch: labelled rows, and the two views of the unlabelled ones."""


_PREDICTED, _STEP = "predicted", "step_predicted"
"""What a survey adds to a batch: probabilities (unlabelled texts x labels) of its lightly varied texts; and of the
whole step their sum, the number of labelled and that of unlabelled texts."""


def semi_supervised_loss(settings: SemiSupervisedConfig, *, shares: Sequence[float]) -> Callable[[Any, Batch], LossSum]:
    """The loss of a batch with the three views; a batch without the unlabelled ones has the supervised loss.

    ``shares`` says how frequent each label is among the labelled texts.
    """
    expected = torch.tensor(shares)

    def loss(module: Any, batch: Batch) -> LossSum:
        if f"{WEAK}input_ids" not in batch:
            return loss_sum(module, batch)
        known = batch if _STEP in batch else {**batch, **_known(survey(module, batch))}
        seen, labels = known[_PREDICTED], len(expected)
        mean, scale = known[_STEP][:labels] / known[_STEP][:labels].sum(), known[_STEP][labels:].tolist()
        probabilities = align(seen, expected=expected, found=mean)
        confidence, pseudo = probabilities.max(-1)
        logits = _logits(module, batch, (LABELLED, STRONG))
        targets = batch["targets"]
        targets = targets[targets != IGNORED]
        labelled = functional.cross_entropy(logits[: len(targets)], targets, reduction="sum")
        believed = (confidence >= settings.threshold).float()
        # Averaged over all unlabelled texts, believed or not: few confident predictions weigh little.
        share = scale[0] / scale[1]
        unlabelled = (
            share * (functional.cross_entropy(logits[len(targets) :], pseudo, reduction="none") * believed).sum()
        )
        return LossSum(
            labelled + settings.weight * unlabelled,
            weight=len(targets),
            units=float(sum((batch[f"{view}segments"] > 0).sum() for view in (LABELLED, STRONG))),
            parts={"labelled": labelled, "unlabelled": unlabelled, "believed": share * believed.sum()},
        )

    return loss


def survey(module: Any, batch: Batch) -> Survey:
    """What a network thinks of the step's unlabelled texts, for ``semi_supervised_loss``."""
    if f"{WEAK}input_ids" not in batch:
        return Survey(sums={})
    with torch.no_grad():
        seen = _logits(module, batch, (WEAK,)).float().softmax(-1)
    texts = seen.new_tensor([float((batch["targets"] != IGNORED).sum()), len(seen)])
    return Survey(sums={_STEP: torch.cat([seen.sum(0), texts])}, found={_PREDICTED: seen})


def _known(found: Survey) -> Batch:
    """What the core makes of a survey where there is one micro-batch."""
    return {**found.sums, **found.found}


def align(probabilities: Tensor, *, expected: Tensor, found: Tensor | None = None) -> Tensor:
    """Predictions moved so that their mean over the step, ``found`` (absent: these are all of them), becomes the
    labels' known shares (ReMixMatch, arXiv 1911.09785).

    Without it a network that has seen a few labels calls everything by one name, believes itself, and stays there.
    """
    mean = probabilities.mean(0) if found is None else found.to(probabilities)
    aligned = probabilities * (expected.to(probabilities) / mean.clamp(min=1e-6))
    return aligned / aligned.sum(-1, keepdim=True)


def _logits(module: Any, batch: Batch, views: tuple[str, ...]) -> Tensor:
    """Logits of the sequences of some views in one pass, view by view."""
    joined = {
        name: torch.cat([batch[f"{view}{name}"] for view in views])
        for name in ("input_ids", "segments", "positions", "token_types")
    }
    logits: Tensor = module(**joined, wanted=first_tokens(joined["segments"], joined["positions"]))
    return logits

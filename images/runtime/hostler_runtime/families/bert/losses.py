"""What an encoder learns from a packed batch, for each head: sums over targets, never over rows.

A batch holds tensors of rows x length: ``input_ids``, ``segments``, ``positions``, ``token_types`` and ``targets``
(``IGNORED`` where nothing is asked). Classes stand at the first token of each sequence. For answers ``targets`` says
there in which column the answer begins, and ``ends`` in which it ends.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hostler_runtime.families.bert.masking import IGNORED
from hostler_runtime.protocols.training import Batch, LossSum

_NEVER = -1e4
"""Logit of tokens of other sequences; finite, so that a teacher's and a student's can be compared."""


def loss_sum(module: Any, batch: Batch) -> LossSum:
    """Cross entropy over hidden tokens, labels, or the ends of answers (mean of both ends)."""
    logits, targets = logits_of(module, batch)
    total = functional.cross_entropy(logits, targets, reduction="sum")
    ends = 2 if "ends" in batch else 1
    return LossSum(total / ends, weight=len(targets) / ends, units=float((batch["segments"] > 0).sum()))


def logits_of(module: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (targets x classes) of everything that has a target, and the target classes."""
    asked = batch["targets"] != IGNORED
    logits = module(
        batch["input_ids"],
        segments=batch["segments"],
        positions=batch["positions"],
        token_types=batch["token_types"],
        wanted=asked,
    )
    if "ends" not in batch:
        return logits, batch["targets"][asked]
    # Each sequence's answer is sought among its own tokens, whatever else stands in its row.
    rows, segments = asked.nonzero()[:, 0], batch["segments"]
    others = segments[rows] != segments[asked].unsqueeze(1)
    begins, ends = (logits[rows, :, end].masked_fill(others, _NEVER) for end in (0, 1))
    return torch.cat([begins, ends]), torch.cat([batch["targets"][asked], batch["ends"][asked]])

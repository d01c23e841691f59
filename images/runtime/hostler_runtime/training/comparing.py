"""How long a forward pass takes of the base and of what came out, on the job's own device."""

from __future__ import annotations

from dataclasses import replace

import torch

from hostler_contract.result import Measured
from hostler_runtime.protocols.training import Update
from hostler_runtime.training.assembled import Assembled
from hostler_runtime.training.measuring import median_seconds

_NO_ROOM = (torch.cuda.OutOfMemoryError, MemoryError)


def latency(parts: Assembled) -> float:
    """Median time of one forward pass of one held-out row by the model, in seconds."""
    return _medians(parts)[0]


def latencies(parts: Assembled, before: Measured) -> tuple[float, float]:
    """Of the base, and of what came out.

    Where both are one network with other weights, they take the same time, and one figure stands for both. Else they
    are measured in turns. Where a device has no room for two, or holds a part of the model only, the base keeps the
    figure that it was given before training.
    """
    around = parts.around
    find = getattr(parts.half, "counterpart", None)
    if find is None:
        alone = latency(parts)
        return alone, alone
    if parts.measurer.parallel.sharded:
        return before.latency_seconds, latency(parts)
    if not around.processes.first:
        return before.latency_seconds, before.latency_seconds  # rank 0 measures, while nobody computes beside it
    try:
        base = find(parts.job, parts.dataset).to(around.processes.device).eval()
        first, second = _medians(replace(parts, measurer=replace(parts.measurer, model=base)), parts)
    except _NO_ROOM:
        return before.latency_seconds, latency(parts)
    return first, second


def _medians(*each: Assembled) -> list[float]:
    passes = [parts.measurer.forward_pass(_update(parts)) for parts in each]
    return median_seconds(*passes, device=each[0].around.processes.device)


def _update(parts: Assembled) -> Update:
    asked = getattr(parts.half, "forward_update", None)
    if asked is None:
        return parts.half.stages(parts.job, parts.measurer.model, parts.dataset)[-1].updates[-1]
    found: Update = asked(parts.job, parts.measurer.model, parts.dataset)
    return found

"""What the rows of a step take of a device's memory, before any is taken: a sum that can be read.

It is a lower bound (of activations only what enters each layer counts): what is refused could never have fitted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from hostler_contract import ErrorReason, JobConfig
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.frozen import bytes_as_held, stored_type

LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # cgroup v2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # cgroup v1
)
_MEMORY = Path("/proc/meminfo")
_TRAINED_BYTES = 16
"""Of one weight in fp32 with its gradient and the two moments of AdamW."""
_SINGLE_BYTES = 4
_LOSS_BYTES = 8
"""Of one logit in fp32, and of its gradient."""
_SHORTEST = 8


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What decides how much memory a step of a network on tokens takes, on one process."""

    weights: int
    """Bytes of weights, gradients and optimizer state, on this process."""
    beside: int = 0
    """Bytes of weights that are asked and do not learn, on this process: of a reference, or a teacher."""
    layers: int
    width: int
    """Of the residual stream."""
    vocabulary: int
    """Logits of each position; 0 where only few positions have some."""
    masks: int
    """Attention masks that are held at once; 0 where none is needed."""
    item_bytes: int
    """Of one number of activations and masks."""

    def parts(self, *, rows: int, length: int) -> dict[str, int]:
        """Bytes by what they are for, of ``rows`` rows of ``length`` tokens."""
        positions = rows * length
        return {
            "weights, gradients and optimizer state": self.weights,
            "weights that are only asked": self.beside,
            "attention masks": self.masks * rows * length * length * self.item_bytes,
            "logits and their gradients": positions * self.vocabulary * _LOSS_BYTES,
            "inputs of the layers": positions * self.layers * self.width * self.item_bytes,
        }

    def longest(self, *, rows: int, limit: int, memory: int) -> int | None:
        """The longest sequences up to ``limit`` that fit into ``memory`` bytes; None where no length does."""
        fits: Callable[[int], bool] = lambda length: sum(self.parts(rows=rows, length=length).values()) <= memory  # noqa: E731
        if not fits(_SHORTEST):
            return None
        low, high = _SHORTEST, limit
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        return low


def require_room(demand: Demand, *, rows: int, length: int, memory: int) -> None:
    """Raises ``RuntimeFailure`` with the sum and the way out where ``rows`` rows of a micro-batch do not fit.
    Where fewer at once would, memory ran out before anything was taken, which ``onOutOfMemory: shrink`` answers."""
    parts = demand.parts(rows=rows, length=length)
    if sum(parts.values()) <= memory:
        return
    summed = " + ".join(f"{_gib(size)} {what}" for what, size in parts.items() if size)
    what = f"a row of {length:,} tokens does" if rows == 1 else f"{rows:,} rows of {length:,} tokens do"
    message = f"{what} not fit: at least {summed} = {_gib(sum(parts.values()))}, and this process has {_gib(memory)}"
    longest = demand.longest(rows=rows, limit=length, memory=memory)
    if longest is None:
        way_out = "no length fits: take accelerators with more memory, parallelism sharded, or lora"
    else:
        way_out = f"set training.contextLength to {longest:,} at most"
        way_out += "" if rows == 1 else ", or raise gradientAccumulation"
    one_fits = rows > 1 and sum(demand.parts(rows=1, length=length).values()) <= memory
    reason = ErrorReason.OUT_OF_MEMORY if one_fits else ErrorReason.INVALID_CONFIGURATION
    raise RuntimeFailure(reason, f"{message}: {way_out}")


def bytes_of_weights(
    job: JobConfig,
    network: torch.nn.Module,
    *,
    processes: int,
    item_bytes: int,
    adapted: Iterable[torch.nn.Module] = (),
) -> int:
    """Bytes of weights, and of gradients and optimizer state of those that learn, on one process. ``adapted`` are the
    layers that get an adapter where the job trains one."""
    shares = processes if job.hyperparameters.parallelism == "sharded" else 1
    lora = job.objective.lora
    if lora is not None:
        learning = sum(lora.rank * sum(layer.get_parameter("weight").shape) for layer in adapted)
        return (bytes_of_frozen(job, network, item_bytes=item_bytes) + learning * _TRAINED_BYTES) // shares
    if job.hyperparameters.steps == 0:
        return bytes_as_held(network, narrow=False) // shares
    return sum(parameter.numel() for parameter in network.parameters()) * _TRAINED_BYTES // shares


def bytes_of_frozen(job: JobConfig, network: torch.nn.Module, *, item_bytes: int) -> int:
    """Bytes of the weights of a network that was made from the base's files and does not learn."""
    return bytes_as_held(network, narrow=item_bytes < _SINGLE_BYTES and stored_type(job) is not None)


def rows_before_data(job: JobConfig, length: int) -> int:
    """Length of the rows of a job whose data nobody has seen: as it says, or as short as rows can be. Data may be
    shorter than what a base model reads."""
    return _SHORTEST if job.hyperparameters.context_length is None else length


def item_bytes(job: JobConfig, device: torch.device) -> int:
    """Bytes of one number of activations and masks, at least."""
    wide = ("fp32",) if device.type == "cuda" else ("fp32", "auto")
    return 4 if job.hyperparameters.precision in wide else 2


def memory_of(device: torch.device, *, environ: Mapping[str, str] = os.environ) -> int:
    """Bytes that one process may use: of its accelerator, or its share of the container's memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return container_memory() // max(1, int(environ.get("LOCAL_WORLD_SIZE", "1")))


def container_memory(limits: tuple[Path, ...] = LIMITS, *, meminfo: Path = _MEMORY) -> int:
    """Bytes of the container's limit, or of the machine where there is none."""
    machine = next(int(line.split()[1]) * 1024 for line in meminfo.read_text().splitlines() if "MemTotal" in line)
    for path in limits:
        text = path.read_text().strip() if path.is_file() else "max"
        if text.isdigit():
            return min(machine, int(text))
    return machine


def _gib(size: int) -> str:
    return f"{size / (1 << 30):,.2f} GiB"

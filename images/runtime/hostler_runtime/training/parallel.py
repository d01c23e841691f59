"""How a stage's networks are spread over processes and in which precision they compute.

Replicas (DDP), mixed precision and loss scaling are accelerate's. Shards are torch's own ``fully_shard``, which
accelerate calls too, but only where it sees an accelerator: called here, the same path runs, and is tested, on CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import AORecipeKwargs
from torch.distributed.fsdp import FSDPModule, fully_shard

from hostler_contract import Hyperparameters
from hostler_runtime.training.distributed import Processes

_FP8_CAPABILITY = (8, 9)
"""Compute capability from which CUDA devices multiply in FP8."""


class Parallel:
    """One process's view of the device and its peers."""

    def __init__(self, processes: Processes, options: Hyperparameters) -> None:
        self._processes = processes
        self._sharded = options.parallelism == "sharded" and processes.world_size > 1
        self.notes: list[str] = []
        """Sentences about what differs from what was asked."""
        self.precision = self._precision(options.precision)
        if options.parallelism == "sharded" and processes.world_size == 1:
            self.notes.append("parallelism sharded has no effect with one process")
        allow_only_deterministic(options)
        # accelerate keeps its state in class attributes: a second job in the same process would get the first one's.
        AcceleratorState._reset_state(reset_partial_state=True)
        self._accelerator = Accelerator(
            cpu=processes.device.type == "cpu",
            mixed_precision={"fp32": "no"}.get(self.precision, self.precision),
            kwargs_handlers=[AORecipeKwargs()] if self.precision == "fp8" else None,
        )

    @property
    def sharded(self) -> bool:
        """True where each process holds only a part of every weight."""
        return self._sharded

    def wrap(self, module: torch.nn.Module) -> Any:
        """The module with the hooks that join gradients. Sharding changes it in place."""
        if not any(parameter.requires_grad for parameter in module.parameters()):
            return module
        if self._sharded:
            return shard(module)
        return self._accelerator.prepare(module)

    def unwrap(self, module: Any) -> None:
        """Undo what ``wrap`` did to a replica, so that it can be saved, or wrapped anew in a later stage.

        The optimizers of a stage end with it: accelerate would hold them, two moments of every weight, to the end.
        """
        if not self._sharded:
            plain = self._accelerator.unwrap_model(module, keep_fp32_wrapper=False)
            plain.__dict__.pop("_is_accelerate_prepared", None)
        self._accelerator._models.clear()
        self._accelerator._optimizers.clear()

    def optimizer(self, optimizer: torch.optim.Optimizer) -> Any:
        """The optimizer behind accelerate's loss scaling, which does nothing but in fp16."""
        return self._accelerator.prepare_optimizer(optimizer)

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales losses in fp16, with the scale that it has found; None in other precisions."""
        scaler: torch.amp.GradScaler | None = self._accelerator.scaler
        return scaler

    @contextmanager
    def micro_batch(self, wrapped: Any, *, last: bool) -> Iterator[None]:
        """Around the forward and backward pass of one micro-batch: gradients travel with the last one only."""
        with ExitStack() as stack:
            if self._sharded and isinstance(wrapped, FSDPModule):
                wrapped.set_requires_gradient_sync(last)
            elif not last and not self._sharded:
                stack.enter_context(self._accelerator.no_sync(wrapped))
            yield

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The precision of matrix products, also for networks that are used without being trained."""
        with self._accelerator.autocast():
            yield

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of a scaled loss."""
        self._accelerator.backward(loss)

    def clip(self, parameters: Iterable[torch.nn.Parameter], limit: float) -> float:
        """Limit the norm of all gradients together; returns the norm before."""
        self._accelerator.unscale_gradients()
        norm = torch.nn.utils.clip_grad_norm_(list(parameters), limit)
        full = getattr(norm, "full_tensor", None)
        return float(norm if full is None else full())

    @property
    def overflowed(self) -> bool:
        """True where loss scaling found an overflow and left the last step out, as fp16 does now and then."""
        return self.precision == "fp16" and bool(self._accelerator.optimizer_step_was_skipped)

    def _precision(self, wanted: str) -> str:
        device = self._processes.device
        cuda = device.type == "cuda"
        has_bf16 = cuda and torch.cuda.is_bf16_supported()
        if wanted == "auto":
            return "bf16" if has_bf16 else "fp32"
        if wanted == "fp8" and not self._has_fp8():
            fallback = "bf16" if has_bf16 or not cuda else "fp16"
            self.notes.append(f"precision fp8 fell back to {fallback}: {self._name()} does not multiply in FP8")
            return fallback
        if wanted == "fp8" and self._sharded:
            self.notes.append("precision fp8 fell back to bf16: shards are not multiplied in FP8, replicas are")
            return "bf16"
        if wanted == "fp16" and not cuda:
            self.notes.append("precision fp16 fell back to bf16: loss scaling needs an accelerator")
            return "bf16"
        if wanted == "bf16" and cuda and not has_bf16:
            self.notes.append(f"precision bf16 fell back to fp16: {self._name()} has no bf16")
            return "fp16"
        return wanted

    def _has_fp8(self) -> bool:
        device = self._processes.device
        return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _FP8_CAPABILITY

    def _name(self) -> str:
        device = self._processes.device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"


def allow_only_deterministic(options: Hyperparameters) -> None:
    """Where a job asks for it, refuse operations whose result depends on the order in which threads finish."""
    if options.deterministic:
        # cuBLAS reads it when its first product is computed; without it, torch refuses products on CUDA.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(options.deterministic)


def shard(module: torch.nn.Module) -> torch.nn.Module:
    """FSDP: every repeated block is a unit of its own, the rest goes with the root."""
    if isinstance(module, FSDPModule):
        return module
    for block in repeated_blocks(module):
        if not isinstance(block, FSDPModule):
            fully_shard(block)
    fully_shard(module)
    return module


def repeated_blocks(module: torch.nn.Module) -> list[torch.nn.Module]:
    """Members of the module lists that are not inside another one: a transformer's layers, a U-Net's blocks."""
    found: list[torch.nn.Module] = []

    def visit(parent: torch.nn.Module) -> None:
        for child in parent.children():
            if isinstance(child, torch.nn.ModuleList):
                # diffusers keeps None where a block has no attention.
                members = [member for member in child if member is not None]
                found.extend(member for member in members if any(True for _ in member.parameters()))
            else:
                visit(child)

    visit(module)
    return found

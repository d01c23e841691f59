"""The processes of one attempt: which one this is, and how they agree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure, classify

GROUP_TIMEOUT = timedelta(minutes=10)
"""How long a process waits in a collective for one that hangs; a process that dies is noticed at once."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """This process among all of them."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """True for rank 0, which reads data, writes manifests and speaks to the control plane."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Element-wise sum over all processes, in double precision."""
        if self.world_size == 1:
            return list(values)
        # Apple's and some other accelerators lack float64; the supported ones (CPU, CUDA) have it.
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return [float(value) for value in tensor.tolist()]

    def sum_named(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sum by name. Every process must know the same names: losses have the same parts everywhere."""
        return dict(zip(values, self.sum(*values.values()), strict=True))

    def from_first(self, function: Callable[[], Value]) -> Value:
        """Run ``function`` on rank 0 and give its result, or its failure, to everybody."""
        if self.world_size == 1:
            return function()
        # Failures travel as text: an exception of a library need not survive pickling.
        box: list[tuple[str, Any, str]] = [("", None, "")]
        failure: RuntimeFailure | None = None
        if self.first:
            try:
                box[0] = ("", function(), "")
            except Exception as error:
                failure = classify(error)
                failure.__cause__ = None if failure is error else error
                box[0] = (failure.reason.value, None, failure.message)
        dist.broadcast_object_list(box, src=0, device=self.device)
        reason, value, message = box[0]
        if failure is not None:
            raise failure
        if reason:
            raise RuntimeFailure(ErrorReason(reason), message)
        return cast(Value, value)


@contextmanager
def joined(environ: Mapping[str, str] = os.environ) -> Iterator[Processes]:
    """Join the process group that the launcher describes in the environment; alone without one."""
    rank, world_size = int(environ.get("RANK", 0)), int(environ.get("WORLD_SIZE", 1))
    # The CPU build of torch claims to have nccl and crashes in it, so availability of nccl is not asked for.
    if torch.cuda.is_available():
        device, backend = torch.device("cuda", int(environ.get("LOCAL_RANK", 0))), "nccl"
        torch.cuda.set_device(device)
    else:
        device, backend = torch.device("cpu"), "gloo"
    dist.init_process_group(
        backend, store=_store(environ, rank), rank=rank, world_size=world_size, timeout=GROUP_TIMEOUT
    )
    try:
        yield Processes(rank=rank, world_size=world_size, device=device)
    finally:
        dist.destroy_process_group()


def _store(environ: Mapping[str, str], rank: int) -> dist.Store:
    if "MASTER_ADDR" not in environ:
        return dist.HashStore()
    agent_serves = environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = dist.TCPStore(
        environ["MASTER_ADDR"],
        int(environ["MASTER_PORT"]),
        is_master=rank == 0 and not agent_serves,
        timeout=GROUP_TIMEOUT,
        multi_tenant=True,
    )
    # The agent's store outlives a restart of its workers; without a prefix the new ones would read the addresses
    # of the dead ones.
    return dist.PrefixStore(f"workers-{environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)

"""The processes of one attempt: which one this is, and how they agree.

What takes as long as it takes is done by rank 0 alone, and the others wait for it in the store, not in a collective: a
collective gives up after a while, however well rank 0 does. While rank 0 works, it counts a number up, and only where
that stands still it is taken to hang.
"""

from __future__ import annotations

import itertools
import os
import pickle
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from hostler_contract import ErrorReason
from hostler_runtime.errors import RuntimeFailure, classify

GROUP_TIMEOUT = timedelta(minutes=10)
"""How long a process waits in a collective for one that hangs; a process that dies is noticed at once."""
BEAT = timedelta(seconds=5)
"""Between two signs of life of rank 0 while it works alone."""
HEARING = timedelta(seconds=30)
"""How long rank 0 stays for the others to hear what it said last."""
SILENCE = timedelta(minutes=10)
"""How long the others wait for the next one. Longer than a call of a library that lets no other thread run."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """This process among all of them."""

    rank: int
    world_size: int
    device: torch.device
    store: dist.Store | None = None
    """What all of them reach; None where there is only one."""
    beat: timedelta = BEAT
    silence: timedelta = SILENCE
    _turns: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    _newest: list[str] = field(default_factory=list, repr=False, compare=False)
    """The turn that rank 0 took last."""

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
        """Run ``function`` on rank 0 and give its result, or its failure, to everybody, however long it takes. Every
        process must ask. Raises ``RuntimeFailure``."""
        if self.world_size == 1:
            return function()
        name = f"hostler/first/{next(self._turns)}"
        return self._work(function, name) if self.first else self._await(name)

    def _work(self, function: Callable[[], Value], name: str) -> Value:
        assert self.store is not None
        self._newest[:] = [name]
        # Failures travel as text: an exception of a library need not survive pickling.
        said: tuple[str, Any] = (ErrorReason.INTERRUPTED.value, "rank 0 was asked to stop while it worked alone")
        with _beating(self.store, f"{name}/beat", every=self.beat):
            try:
                value = function()
                said = ("", value)
                return value
            except Exception as error:
                failure = classify(error)
                said = (failure.reason.value, failure.message)
                raise failure from (None if failure is error else error)
            finally:
                self.store.set(name, b64encode(pickle.dumps(said)).decode())

    def wait_until_heard(self, *, patience: timedelta = HEARING) -> None:
        """Rank 0, before it leaves: what it said last may be on its way to the others, and its store goes with it where
        no agent of torchrun's keeps one."""
        if self.store is None or not self._newest:
            return
        others = [_heard(self._newest[0], rank) for rank in range(1, self.world_size)]
        with suppress(dist.DistError):  # one that was killed says nothing
            self.store.wait(others, patience)

    def _await(self, name: str) -> Any:
        assert self.store is not None
        heard, since = -1, time.monotonic()
        while True:
            try:
                self.store.wait([name], self.beat)
                break
            except dist.DistStoreError:  # not yet
                beats = self.store.add(f"{name}/beat", 0)
                if beats != heard:
                    heard, since = beats, time.monotonic()
                elif time.monotonic() - since > self.silence.total_seconds():
                    minutes = self.silence.total_seconds() / 60
                    raise RuntimeFailure(
                        ErrorReason.INTERNAL, f"rank 0 works alone and has shown no sign of life for {minutes:.3g} min"
                    ) from None
        reason, value = pickle.loads(b64decode(self.store.get(name)))
        self.store.set(_heard(name, self.rank), "")
        if reason:
            raise RuntimeFailure(ErrorReason(reason), value)
        return value


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
    store = _store(environ, rank)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=GROUP_TIMEOUT)
    try:
        processes = Processes(rank=rank, world_size=world_size, device=device, store=store)
        try:
            yield processes
        finally:
            processes.wait_until_heard()
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


def _heard(name: str, rank: int) -> str:
    return f"{name}/heard/{rank}"


@contextmanager
def _beating(store: dist.Store, name: str, *, every: timedelta) -> Iterator[None]:
    """Count up in the store while the block runs."""
    over = threading.Event()

    def count() -> None:
        while not over.wait(every.total_seconds()):
            store.add(name, 1)

    counter = threading.Thread(target=count, name="sign of life", daemon=True)
    counter.start()
    try:
        yield
    finally:
        over.set()
        counter.join()

"""The pod that holds torchrun's store leaves last.

torchrun's agents keep what they share in a store that the first pod's agent serves. At the end each of them waits at a
barrier in that store for the others. The answer that opens the barrier reaches the first agent as soon as it reaches
any, and with its process the store goes: another agent, whose answer was still on its way, found its peer gone and
logged an error at the end of a job that had gone well. So the first pod keeps the store until the others have said,
in the store itself, that they are through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from torch.distributed import DistError, TCPStore

PATIENCE = timedelta(seconds=30)
"""How long the first pod waits for pods that were at the barrier with it: one that is killed there says nothing."""
CONNECT = timedelta(minutes=10)
"""How long a pod waits for the first one's store, as torchrun itself does."""


@contextmanager
def store_held_for_all(endpoint: str, *, pod: int, pods: int, patience: timedelta = PATIENCE) -> Iterator[None]:
    """Run the agent of one of several pods in the block; ``endpoint`` is the host and port of the store.

    A block that raises is left at once, because its agent was never at the barrier. Raises ``DistNetworkError`` where
    the store cannot be reached or its port is taken.
    """
    if pods == 1:
        yield
        return
    host, _, port = endpoint.rpartition(":")
    # The first pod's agent asks for a shared server as well, so that both serve one store.
    store = TCPStore(host, int(port), is_master=pod == 0, timeout=CONNECT, wait_for_workers=False, multi_tenant=True)
    yield
    with suppress(DistError):
        if pod == 0:
            store.wait([_left(other) for other in range(1, pods)], patience)
        else:
            # Nothing answers a `set`, so the first pod may go as soon as it has arrived.
            store.set(_left(pod), "")


def _left(pod: int) -> str:
    return f"hostler/left/{pod}"

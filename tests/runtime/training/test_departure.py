"""Who leaves first, and who waits for whom, when the pods of an attempt are through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from patience import PATIENCE
from ports import free_port
from torch.distributed import TCPStore

from hostler_runtime.training.departure import store_held_for_all

LONG, SHORT = timedelta(minutes=5), timedelta(milliseconds=50)


class Pods:
    """Two pods as threads: each is told when its agent is through, as if it had left the barrier."""

    def __init__(self, pool: ThreadPoolExecutor, *, patience: timedelta = LONG) -> None:
        self.endpoint = f"127.0.0.1:{free_port()}"
        self.inside = [threading.Event(), threading.Event()]
        self.through = [threading.Event(), threading.Event()]
        self.failures: list[BaseException | None] = [None, None]
        self.ended = [pool.submit(self._run, pod, patience) for pod in (0, 1)]
        # A pod that has not found the store when the first one leaves would look for it for ten minutes.
        assert all(inside.wait(PATIENCE) for inside in self.inside)

    def _run(self, pod: int, patience: timedelta) -> None:
        with store_held_for_all(self.endpoint, pod=pod, pods=2, patience=patience):
            self.inside[pod].set()
            assert self.through[pod].wait(60)
            failure = self.failures[pod]
            if failure is not None:
                raise failure

    def leave(self, pod: int) -> Future[None]:
        self.through[pod].set()
        return self.ended[pod]

    def store(self) -> TCPStore:
        """What an agent that is not through yet still talks to."""
        host, _, port = self.endpoint.rpartition(":")
        return TCPStore(host, int(port), timeout=timedelta(seconds=60), wait_for_workers=False)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def test_the_pod_that_serves_the_store_waits_for_the_other(pool: ThreadPoolExecutor) -> None:
    pods = Pods(pool)
    first = pods.leave(0)
    wait([first], timeout=0.5)
    assert not first.done(), "the store would have gone under the second pod's agent"
    store = pods.store()
    store.set("barrier", "open")
    assert store.get("barrier") == b"open"

    second = pods.leave(1)

    assert (first.result(60), second.result(60)) == (None, None)


def test_another_pod_waits_for_nobody(pool: ThreadPoolExecutor) -> None:
    pods = Pods(pool)

    assert pods.leave(1).result(60) is None
    assert not pods.ended[0].done()
    assert pods.leave(0).result(60) is None


def test_a_pod_that_was_killed_at_the_barrier_is_not_waited_for_for_ever(pool: ThreadPoolExecutor) -> None:
    pods = Pods(pool, patience=SHORT)

    assert pods.leave(0).result(60) is None
    assert not pods.ended[1].done()
    pods.leave(1)


def test_a_pod_that_failed_leaves_at_once(pool: ThreadPoolExecutor) -> None:
    """It was never at the barrier, and neither may the others be: they notice that contact is lost."""
    pods = Pods(pool)
    pods.failures[0] = RuntimeError("the loss became nan")

    with pytest.raises(RuntimeError, match="became nan"):
        pods.leave(0).result(60)
    pods.leave(1)


def test_a_pod_alone_needs_no_store() -> None:
    with store_held_for_all("nowhere:0", pod=0, pods=1):
        pass

"""A process that ends after a write, and what there is in the end."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from bench import Bench
from fakes import Crash

Object = dict[str, Any]


async def settle_through_crash(bench: Bench, *, again: Callable[[], None] = lambda: None) -> None:
    """Settle, in a new process where the old one ended; ``again`` tells it what only memory holds."""
    try:
        await bench.settle(rounds=20)
    except Crash:
        bench.writer.crash_after = None
        bench.restart()
        again()
        await bench.settle(rounds=20)


async def settle_one_write_at_a_time(bench: Bench) -> None:
    """Settle, with a new process for each single write.

    Those of pools' figures do not end it, or nothing else would ever be done: they tell of grants that the process
    took with it.
    """
    for _ in range(1000):
        bench.writer.crash_after = len(bench.writer.writes) + 1
        try:
            await bench.settle(rounds=20)
        except Crash:
            if not bench.writer.writes[-1].startswith("status AcceleratorPool"):
                bench.restart()
        else:
            return
    raise AssertionError(f"no rest: {bench.writer.writes[-10:]}")


def final(bench: Bench) -> dict[str, Object]:
    """Everything there is but Events, without what counts or names single lives of objects."""
    uids = {obj["metadata"]["uid"]: f"uid of {key}" for key, obj in bench.cluster.objects.items()}
    kept = {key: obj for key, obj in bench.cluster.objects.items() if key[0] != "Event"}
    return {str(key): _masked(obj, uids) for key, obj in sorted(kept.items())}


def _masked(value: Any, uids: dict[str, str]) -> Any:
    volatile = ("resourceVersion", "hostler.dev/applied-hash", "podIP")
    if isinstance(value, dict):
        return {name: _masked(part, uids) for name, part in value.items() if name not in volatile}
    if isinstance(value, list):
        return [_masked(part, uids) for part in value]
    return uids.get(value, value) if isinstance(value, str) else copy.copy(value)

"""Objects that vanish: whoever waits for what they held is woken, and nothing is remembered of them."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

import pytest
from bench import GPU, Bench
from builders import make_inference_service, make_training_job
from world import submitted


def killed(bench: Bench, stranger: dict[str, Any]) -> None:
    """``kubectl delete --force --grace-period=0``: never terminating, never at its end, only gone."""
    bench.cluster.remove(stranger)


def made_anew(bench: Bench, stranger: dict[str, Any]) -> None:
    """The same, and the name is used again before anybody looked; the new pod is nowhere yet."""
    bench.cluster.remove(stranger)
    again = {**stranger, "spec": {**stranger["spec"], "nodeName": None}, "status": {"phase": "Pending"}}
    again["metadata"] = {"name": stranger["metadata"]["name"], "namespace": stranger["metadata"]["namespace"]}
    bench.cluster.put(again)


def ended(bench: Bench, stranger: dict[str, Any]) -> None:
    """The ordinary way."""
    bench.cluster.set_status(stranger, phase="Succeeded")


@pytest.mark.parametrize("end", [killed, made_anew, ended])
async def test_whoever_waits_is_woken_however_a_pod_ends(bench: Bench, end: Any) -> None:
    stranger = bench.cluster.stranger("theirs", node="gpu-1", requests={GPU: "4"})
    await submitted(bench)
    assert bench.condition("TrainingJob", "tiny", "Admitted")[0] == "False"
    bench.woken.clear()
    bench.admitter.run_pass()
    assert not bench.admitter.due
    end(bench, stranger)
    assert bench.admitter.due
    bench.admitter.run_pass()
    assert bench.woken == ["tiny"]


def sizes(*parts: object) -> Iterator[tuple[str, int]]:
    """How much every collection of these objects holds, and those of theirs that are ours."""
    for part in parts:
        for name, value in vars(part).items():
            if isinstance(value, dict | list | set | frozenset | tuple) and isinstance(value, Sized):
                yield f"{type(part).__name__}.{name}", len(value)
            elif type(value).__module__.startswith("hostler.") and hasattr(value, "__dict__"):
                yield from sizes(value)


async def test_nothing_is_remembered_of_jobs_and_services_that_were(bench: Bench) -> None:
    seen = []
    for number in range(9):
        name = f"short-{number}"
        for manifest in (make_training_job(name), make_inference_service(f"s-{number}")):
            bench.cluster.put(manifest)
        await bench.settle()
        bench.cluster.remove(bench.cluster.object("TrainingJob", name))
        bench.cluster.remove(bench.cluster.object("InferenceService", f"s-{number}"))
        await bench.settle()
        # Keys that nobody can see any more are looked at once more, as the queue does.
        await bench.reconcile("TrainingJob", name)
        await bench.reconcile("InferenceService", f"s-{number}")
        bench.cluster.clock.advance(3600)
        bench.admitter.run_pass()
        seen.append(dict(sizes(bench.admitter, *bench.controllers.values())))
    assert seen[-1] == seen[2]

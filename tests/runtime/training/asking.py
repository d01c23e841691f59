"""The operator's questions to a trainer, in the control plane's own environment: a program for :mod:`test_asked`.

    python asking.py PORT

A store holds a TrainingJob, its Job and rank 0 of it on this machine; the prober asks that pod as the operator does.
Each line of output is an object: ``progress`` for a snapshot that the job would show, ``result`` for the end of a
question.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from hostler.cluster.store import Store
from hostler.controllers.ports import Key
from hostler.operator.podhttp import PodHttp
from hostler.operator.prober import Prober
from hostler.operator.progress import ProgressFacts, ProgressQuestion
from hostler_contract import Progress

INTERVAL = 0.05
"""Seconds between two readings; what is shown stays for twice that."""
LABELS = {"app.kubernetes.io/managed-by": "hostler", "hostler.dev/training-job": "job"}


def tell(**what: Any) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


class Meter:
    """Tells how each question ended."""

    def probed(self, result: str) -> None:
        tell(result=result)

    def probing(self, in_flight: int) -> None:
        pass


def owned(kind: str, name: str, *, owner: tuple[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """An object of the store; its UID is its name."""
    metadata: dict[str, Any] = {
        "name": name, "namespace": "team", "uid": name, "resourceVersion": "1", "labels": LABELS,
        "annotations": {"batch.kubernetes.io/job-completion-index": "0"},
    }  # fmt: skip
    if owner is not None:
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "uid": owner[1], "controller": True}]
    return {"kind": kind, "metadata": metadata, **fields}


async def ask(port: int) -> None:
    """For ever."""
    store, http = Store(), PodHttp(port=port)

    def woken(job: Key) -> None:
        found = facts.progress("job-0-0")
        assert job == Key("TrainingJob", "team", "job")
        assert isinstance(found, Progress)
        tell(progress=json.loads(found.to_json()))

    facts = ProgressFacts(woken, interval=INTERVAL)
    question = ProgressQuestion(http, store=store, facts=facts)
    prober = Prober(question, interval=INTERVAL, metrics=Meter())
    store.subscribe(lambda change: question.follow(change, prober))
    store.put("TrainingJob", owned("TrainingJob", "job"))
    store.put("Job", owned("Job", "job-0", owner=("TrainingJob", "job")))
    status = {"phase": "Running", "podIP": "127.0.0.1"}
    store.put("Pod", owned("Pod", "job-0-0", owner=("Job", "job-0"), spec={"containers": []}, status=status))
    await prober.run()


if __name__ == "__main__":
    asyncio.run(ask(int(sys.argv[1])))

"""What others delete or change beside running pods of jobs and datasets, and beside servers, is put back at once."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from bench import SETTINGS, Bench
from tables import table
from unit.controllers.datasets import SHA, created, inspected, report
from unit.controllers.services import serving
from world import completed, running, states, submitted

from hostler.cluster.store import Change
from hostler.controllers.ports import Key
from hostler.manifests.networkpolicy import TrafficRules

Object = dict[str, Any]

TRAFFIC = replace(SETTINGS, traffic=TrafficRules(operator_namespace="hostler-system"))
ANYBODY = [{}]
"""A rule of a policy that allows everything."""


async def trains(bench: Bench) -> None:
    await running(bench, "learn", pods={"min": 2, "max": 2})


async def starts(bench: Bench) -> None:
    await submitted(bench, "learn", pods={"min": 2, "max": 2})


Begin = Callable[[Bench], Awaitable[None]]
WHO = {
    "the policy of a job that trains": (trains, "TrainingJob", "learn", "NetworkPolicy", "learn-trainer"),
    "the policy of a job that starts": (starts, "TrainingJob", "learn", "NetworkPolicy", "learn-trainer"),
    "the names of a gang that trains": (trains, "TrainingJob", "learn", "Service", "learn-0"),
    "the names of a gang that starts": (starts, "TrainingJob", "learn", "Service", "learn-0"),
    "the policy of a dataset": (created, "Dataset", "books", "NetworkPolicy", "books-inspector"),
    "the policy of a service": (serving, "InferenceService", "tiny", "NetworkPolicy", "tiny-server"),
}


@table(("begin", "kind", "name", "child", "called"), WHO)
async def test_a_child_that_somebody_deletes(
    modelled: Bench, begin: Begin, kind: str, name: str, child: str, called: str
) -> None:
    modelled.restart(settings=TRAFFIC)
    await begin(modelled)
    found = modelled.cluster.object(child, called)
    modelled.cluster.remove(found)
    assert Key(kind, "default", name) in woken(modelled, kind, Change(child, found, None))
    await modelled.settle()
    again = modelled.cluster.object(child, called)
    assert (again["spec"], again["metadata"]["labels"]) == (found["spec"], found["metadata"]["labels"])


@table(("begin", "kind", "name", "child", "called"), WHO)
async def test_a_child_to_which_somebody_adds(
    modelled: Bench, begin: Begin, kind: str, name: str, child: str, called: str
) -> None:
    modelled.restart(settings=TRAFFIC)
    await begin(modelled)
    found = copy.deepcopy(modelled.cluster.object(child, called))
    edited = copy.deepcopy(found)
    if child == "NetworkPolicy":
        edited["spec"]["egress"] = ANYBODY
    else:
        edited["spec"]["selector"]["extra"] = "one"
    modelled.cluster.put(edited)
    assert Key(kind, "default", name) in woken(modelled, kind, Change(child, found, edited))
    await modelled.settle()
    assert modelled.cluster.object(child, called)["spec"] == found["spec"]
    before = list(modelled.writer.writes)
    await modelled.settle()
    assert modelled.writer.writes == before


async def test_an_edited_policy_of_a_service_is_an_event(modelled: Bench) -> None:
    modelled.restart(settings=TRAFFIC)
    await serving(modelled)
    policy = copy.deepcopy(modelled.cluster.object("NetworkPolicy", "tiny-server"))
    policy["spec"]["egress"] = ANYBODY
    modelled.cluster.put(policy)
    modelled.writer.events.clear()
    await modelled.settle()
    ((_, message, _),) = modelled.writer.events
    assert "NetworkPolicy tiny-server was changed by somebody else (spec.egress[0])" in message


async def test_a_job_whose_dataset_is_gone_keeps_its_policy(modelled: Bench) -> None:
    """What a job may reach is known from its data; without them, its policy would shut it off from those."""
    modelled.restart(settings=TRAFFIC)
    source = {"http": {"url": "https://example.org/data.jsonl", "sha256": SHA}}
    await created(modelled, source=source)
    await inspected(modelled, report())
    await running(modelled, "learn", dataset={"ref": {"name": "books"}})
    before = modelled.cluster.object("NetworkPolicy", "learn-trainer")
    assert before["spec"]["egress"][-1]["ports"] == [{"port": 443, "protocol": "TCP"}]
    modelled.cluster.remove(modelled.cluster.object("Dataset", "books"))
    await modelled.settle()
    assert modelled.cluster.object("NetworkPolicy", "learn-trainer") == before


async def test_what_has_ended_is_left_alone(modelled: Bench) -> None:
    modelled.restart(settings=TRAFFIC)
    await trains(modelled)
    await completed(modelled, "learn")
    assert states(modelled, "learn")["Succeeded"] == ("True", "Succeeded")
    modelled.cluster.remove(modelled.cluster.object("NetworkPolicy", "learn-trainer"))
    await modelled.settle()
    assert modelled.cluster.find("NetworkPolicy", "learn-trainer") is None, "nothing runs that it would restrict"


def woken(bench: Bench, kind: str, change: Change) -> list[Key]:
    """Keys of a controller that a change concerns."""
    return list(bench.controllers[kind].affected(change))
